//! Keys of caches: the bytes of a value's hash input, so that borrowed and owned forms of a value have the same key.

use std::hash::{Hash, Hasher};

/// The key of a value in a [`Cache`](super::Cache). All keys of one cache are made from the same fields.
#[derive(Debug, PartialEq, Eq)]
pub struct Key(Vec<u8>);

impl Key {
    /// The key of a hashable value. Equal keys imply equal values: std ends strings with a byte that no string
    /// contains, and hashes the length of lists and the discriminant of enums.
    pub fn of(value: &(impl Hash + ?Sized)) -> Self {
        let mut bytes = Bytes(Vec::with_capacity(USUAL));
        value.hash(&mut bytes);
        Self(bytes.0)
    }

    /// The size in memory, in bytes.
    pub fn cost(&self) -> usize {
        self.0.len()
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// More than the length of most keys.
const USUAL: usize = 256;

/// Records the bytes to be hashed.
struct Bytes(Vec<u8>);

impl Hasher for Bytes {
    fn write(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    #[inline(always)]
    fn write_u8(&mut self, byte: u8) {
        self.0.push(byte);
    }

    /// Lengths and discriminants take one byte if they fit, because copies of eight bytes are function calls.
    #[inline(always)]
    fn write_usize(&mut self, number: usize) {
        match u8::try_from(number) {
            Ok(byte) if byte < u8::MAX => self.0.push(byte),
            _ => {
                self.0.push(u8::MAX);
                self.write(&number.to_le_bytes());
            }
        }
    }

    fn finish(&self) -> u64 {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differs_for_different_values() {
        let texts = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
        assert_eq!(Key::of(&(7, "a")), Key::of(&(7, "a".to_owned())));
        assert_eq!(Key::of(&texts(&["a", "b"])), Key::of(&["a", "b"][..]));
        assert_ne!(Key::of(&("ab", "c")), Key::of(&("a", "bc")));
        assert_ne!(Key::of(&(texts(&["a"]), texts(&["b", "c"]))), Key::of(&(texts(&["a", "b"]), texts(&["c"]))));
        assert_ne!(Key::of(&(None::<&str>, Some("a"))), Key::of(&(Some("a"), None::<&str>)));
        assert_ne!(Key::of(&Some("")), Key::of(&None::<&str>));
        let lengths = [0, 1, 254, 255, 256, 65_535];
        let keys = lengths.map(|length| Key::of(&length));
        assert!(keys.iter().enumerate().all(|(at, key)| keys.iter().skip(at + 1).all(|other| key != other)));
        let pair = |first: usize, second: usize| Key::of(&(first, second));
        assert_ne!(pair(255, 0), pair(0, 255));
        assert_ne!(Key::of(&usize::MAX), pair(255, 255));
    }
}
