//! The part of Protocol Buffers' wire format that Kubernetes' messages use: varints and length-delimited fields.

use super::error::ProtobufError;

/// The value of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wire<'a> {
    Varint(u64),
    /// A string or a nested message.
    Bytes(&'a [u8]),
}

/// The fields of a message, in order.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Wire<'a>), ProtobufError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.0 = &[];
        }
        Some(field)
    }
}

impl<'a> Fields<'a> {
    fn field(&mut self) -> Result<(u64, Wire<'a>), ProtobufError> {
        let tag = self.varint()?;
        let wire = match tag & 7 {
            0 => Wire::Varint(self.varint()?),
            2 => {
                let length = usize::try_from(self.varint()?).map_err(|_| ProtobufError::CutShort)?;
                let (bytes, rest) = self.0.split_at_checked(length).ok_or(ProtobufError::CutShort)?;
                self.0 = rest;
                Wire::Bytes(bytes)
            }
            other => return Err(ProtobufError::WireType(other)),
        };
        Ok((tag >> 3, wire))
    }

    /// Decodes seven bits per byte, the lowest first, from at most ten bytes.
    fn varint(&mut self) -> Result<u64, ProtobufError> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first().ok_or(ProtobufError::CutShort)?;
            self.0 = rest;
            let bits = u64::from(byte & 0x7f);
            // The tenth byte has room for only one bit.
            if shift == 63 && bits > 1 {
                return Err(ProtobufError::Varint);
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(ProtobufError::Varint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(bytes: &[u8]) -> Result<Vec<(u64, Wire<'_>)>, ProtobufError> {
        Fields(bytes).collect()
    }

    #[test]
    fn reads_fields() {
        assert_eq!(fields(b""), Ok(vec![]));
        assert_eq!(fields(b"\x08\x96\x01"), Ok(vec![(1, Wire::Varint(150))]));
        assert_eq!(fields(b"\x12\x02hi\x08\x00"), Ok(vec![(2, Wire::Bytes(b"hi")), (1, Wire::Varint(0))]));
        let most = b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01";
        assert_eq!(fields(most), Ok(vec![(1, Wire::Varint(u64::MAX))]));
        for (bytes, error) in [
            (&b"\x08"[..], ProtobufError::CutShort),
            (b"\x12\x03hi", ProtobufError::CutShort),
            (b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", ProtobufError::CutShort),
            (b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", ProtobufError::Varint),
            (b"\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00", ProtobufError::Varint),
            (b"\x09\0\0\0\0\0\0\0\0", ProtobufError::WireType(1)),
            (b"\x0b", ProtobufError::WireType(3)),
        ] {
            assert_eq!(fields(bytes), Err(error), "{bytes:?}");
        }
    }
}
