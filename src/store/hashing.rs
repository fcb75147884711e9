//! Hashing of keys that are digests.

use std::hash::{BuildHasher, Hasher};

use crate::secret;

/// Folds 64 bits of a digest with random numbers that only this store knows.
///
/// SHA-256 alone is not enough: an attacker who can choose names can try millions of them and keep
/// those with digests that share the bits that a table uses. The folded product depends on all 64
/// bits and on both numbers, so no such choice is possible from outside.
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

    /// Maps a digest to one of up to 256 shards, by bits that the tables within the shards do not
    /// use.
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
    /// Hashes the first eight bytes of a namespace or a digest.
    fn write(&mut self, bytes: &[u8]) {
        let mut word = [0; 8];
        let length = bytes.len().min(8);
        word[..length].copy_from_slice(&bytes[..length]);
        self.state = fold(self.state ^ u64::from_le_bytes(word), self.factor);
    }

    /// Does nothing: terminators of strings and lengths of arrays are the same for all keys of one
    /// namespace.
    fn write_u8(&mut self, _: u8) {}

    fn write_usize(&mut self, _: usize) {}

    /// A single fold maps evenly spaced digests to evenly spaced sums, which may all fall into one
    /// bucket.
    fn finish(&self) -> u64 {
        fold(self.state, SPREAD)
    }
}

#[allow(clippy::cast_possible_truncation, reason = "both halves are used")]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product >> 64) as u64 ^ product as u64
}

/// The first 64 bits of the golden ratio: odd, and without a pattern.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
