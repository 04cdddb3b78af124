//! SHA-256 digests: of bytes, as text, and of values, as a number that is the same in every process.

use std::fmt::Write;
use std::hash::{Hash, Hasher};

use ring::digest::{Context, SHA256, digest};

/// `sha256:` and the digest in hexadecimal, as Kubernetes writes digests.
pub(crate) fn text(bytes: &[u8]) -> String {
    let mut text = "sha256:".to_owned();
    for byte in digest(&SHA256, bytes).as_ref() {
        // Writing to memory cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// The first eight bytes of a value's digest.
pub(crate) fn number(value: &impl Hash) -> u64 {
    let mut state = Sha256(Context::new(&SHA256));
    value.hash(&mut state);
    state.finish()
}

struct Sha256(Context);

impl Hasher for Sha256 {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        let digest = self.0.clone().finish();
        digest.as_ref().first_chunk().map_or(0, |first| u64::from_be_bytes(*first))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equals_the_digest_of_other_programs() {
        assert_eq!(text(b"abc"), "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(number(&0x61_u8), 0xca97_8112_ca1b_bdca);
        assert_ne!(number(&("a", "bc")), number(&("ab", "c")));
    }
}
