//! Hashing of keys that are digests already.

use std::hash::{BuildHasher, Hasher};

use crate::secret;

/// Folds 64 bits of a digest with secret numbers of this store.
///
/// SHA-256 is not enough by itself: whoever may choose names can try millions of them and keep those
/// whose digests share the bits that a table looks at. The folded product depends on all 64 bits and
/// on both numbers, so such a choice cannot be made from outside.
#[derive(Clone, Copy)]
pub(super) struct Seeded {
    seed: u64,
    factor: u64,
}

impl Seeded {
    pub(super) fn random() -> Self {
        Self {
            seed: u64::from_ne_bytes(secret::random()),
            factor: u64::from_ne_bytes(secret::random()) | 1,
        }
    }

    /// Which of up to 256 shards a digest belongs to, by bits that the tables within do not look at.
    pub(super) fn shard(self, digest: &[u8; 32], shards: usize) -> usize {
        usize::from(self.hash_one(digest).to_le_bytes()[4]) % shards
    }
}

impl BuildHasher for Seeded {
    type Hasher = DigestHasher;

    fn build_hasher(&self) -> DigestHasher {
        DigestHasher {
            state: self.seed,
            factor: self.factor,
        }
    }
}

pub(super) struct DigestHasher {
    state: u64,
    factor: u64,
}

impl Hasher for DigestHasher {
    /// Takes in the first eight bytes of a namespace or a digest.
    fn write(&mut self, bytes: &[u8]) {
        let mut word = [0; 8];
        let length = bytes.len().min(8);
        word[..length].copy_from_slice(&bytes[..length]);
        self.state = fold(self.state ^ u64::from_le_bytes(word), self.factor);
    }

    /// Ends of strings and lengths of arrays are the same in all keys of one namespace.
    fn write_u8(&mut self, _: u8) {}

    fn write_usize(&mut self, _: usize) {}

    /// One fold alone maps evenly spaced digests to evenly spaced sums, which may all be one bucket's.
    fn finish(&self) -> u64 {
        fold(self.state, SPREAD)
    }
}

#[allow(clippy::cast_possible_truncation, reason = "both halves go in")]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product >> 64) as u64 ^ product as u64
}

/// The golden ratio's first 64 bits: odd, and without a pattern.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
