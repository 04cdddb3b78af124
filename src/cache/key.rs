//! Keys of caches: the bytes of a value's hash input, so that borrowed and owned forms of a value have the same key.

use std::borrow::Borrow;
use std::cell::Cell;
use std::hash::{Hash, Hasher};

use memchr::arch::all::is_equal;
use ring::digest;

/// The key of a value in a [`Cache`](super::Cache). All keys of one cache are made from the same fields.
#[derive(Debug)]
pub struct Key(Vec<u8>);

/// A key to look up. As a trait object it is hashed and compared by the code below, not by std's for slices: musl compares
/// byte by byte, which took a sixth of a cached answer.
pub(super) trait Lookup {
    fn bytes(&self) -> &[u8];
}

impl Key {
    /// The key of a hashable value. Equal keys imply equal values: std ends strings with a byte that no string
    /// contains, and hashes the length of lists and the discriminant of enums.
    pub fn of(value: &(impl Hash + ?Sized)) -> Self {
        let mut bytes = Bytes(SPARE.try_with(Cell::take).unwrap_or_default());
        bytes.0.reserve(USUAL);
        value.hash(&mut bytes);
        Self(bytes.0)
    }

    /// The size in memory, in bytes.
    pub fn cost(&self) -> usize {
        self.0.len()
    }

    /// The SHA-256 of the key: another key that can be used in its place.
    pub(crate) fn digest(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest::digest(&digest::SHA256, &self.0).as_ref());
        bytes
    }

    pub(super) fn lookup(&self) -> &dyn Lookup {
        self
    }

    /// The same key, in as little memory as it needs.
    pub(super) fn copy(&self) -> Self {
        Self(self.0.as_slice().into())
    }
}

impl Lookup for Key {
    fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl<'a> Borrow<dyn Lookup + 'a> for Key {
    fn borrow(&self) -> &(dyn Lookup + 'a) {
        self
    }
}

impl PartialEq for dyn Lookup + '_ {
    fn eq(&self, other: &Self) -> bool {
        is_equal(self.bytes(), other.bytes())
    }
}

impl Eq for dyn Lookup + '_ {}

impl Hash for dyn Lookup + '_ {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(self.bytes());
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.lookup() == other.lookup()
    }
}

impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.lookup().hash(state);
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        if self.0.capacity() <= LARGEST_SPARE {
            self.0.clear();
            // The thread may be ending.
            let _ = SPARE.try_with(|spare| spare.set(std::mem::take(&mut self.0)));
        }
    }
}

thread_local! {
    /// The memory of the last key, for the next one: every answer needs keys, and none of them lasts.
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// More than the length of most keys.
const USUAL: usize = 256;

/// Memory beyond this is not kept for other keys.
const LARGEST_SPARE: usize = 4 * USUAL;

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
