//! The body of a response as it streams in: decodes gzip, and remembers what interrupted the transfer.

use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::GzDecoder;
use ureq::BodyReader;

use super::error::FetchError;
use super::progress;

/// A body, decoded.
pub(super) struct ResponseBody {
    coding: Coding,
    failure: Option<FetchError>,
}

/// The content coding of a body (RFC 9110 §8.4.1).
enum Coding {
    Identity(Transfer),
    /// A single gzip member (RFC 1952), which ends with its checksum and length. If there were several, nothing would show
    /// that the last one is missing.
    Gzip(Box<GzDecoder<BufReader<Transfer>>>),
}

/// The bytes on the connection.
struct Transfer {
    reader: BodyReader<'static>,
    failure: Option<FetchError>,
}

impl ResponseBody {
    pub(super) fn new(reader: BodyReader<'static>, is_gzip: bool) -> Self {
        let transfer = Transfer { reader, failure: None };
        let coding = match is_gzip {
            true => Coding::Gzip(Box::new(GzDecoder::new(BufReader::new(transfer)))),
            false => Coding::Identity(transfer),
        };
        Self { coding, failure: None }
    }

    /// Closes the connection, unless it is reused; returns what interrupted the body.
    pub(super) fn end(self) -> Option<FetchError> {
        let Transfer { failure, .. } = match self.coding {
            Coding::Identity(transfer) => transfer,
            Coding::Gzip(decoder) => decoder.into_inner().into_inner(),
        };
        failure.or(self.failure)
    }
}

impl Read for ResponseBody {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let decoder = match &mut self.coding {
            Coding::Identity(transfer) => return transfer.read(buffer),
            Coding::Gzip(decoder) => decoder,
        };
        let read = match decoder.read(buffer) {
            Ok(0) if !buffer.is_empty() && !decoder.get_mut().fill_buf()?.is_empty() => {
                Err(io::Error::new(io::ErrorKind::InvalidData, "bytes after the end of gzip"))
            }
            read => read,
        };
        read.inspect_err(|error| self.failure = Some(FetchError::broken_gzip(error)))
    }
}

impl Read for Transfer {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reader.read(buffer).map_err(|error| {
            self.failure = Some(progress::failure(error.into()));
            io::ErrorKind::Other.into()
        })
    }
}
