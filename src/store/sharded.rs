//! A value behind several locks, so that requests for different keys rarely wait for each other.

use std::{
    fmt,
    hash::{BuildHasher, Hash},
    sync::{Mutex, MutexGuard, PoisonError},
};

use foldhash::quality::RandomState;

/// Shards of a `T`, each behind its own lock and selected by a keyed hash.
///
/// The hash is keyed with random numbers of this process. Keys are often digests of names that a
/// caller chose, and without a key a caller could look for names that share a shard and a bucket.
pub(crate) struct Sharded<T> {
    shards: Box<[Mutex<T>]>,
    hashing: RandomState,
}

impl<T> Sharded<T> {
    /// Creates `count` shards. `new` receives the hasher for the tables within a shard.
    pub(crate) fn new(count: usize, new: impl Fn(RandomState) -> T) -> Self {
        let hashing = RandomState::default();
        Self {
            shards: (0..count.max(1))
                .map(|_| Mutex::new(new(hashing.clone())))
                .collect(),
            hashing,
        }
    }

    /// Returns the hash of `key`, which selects its shard.
    pub(crate) fn hash(&self, key: impl Hash) -> u64 {
        self.hashing.hash_one(key)
    }

    /// Locks the shard of `key`.
    pub(crate) fn of(&self, key: impl Hash) -> MutexGuard<'_, T> {
        self.of_hash(self.hash(key))
    }

    /// Locks the shard of a key with this hash.
    pub(crate) fn of_hash(&self, hash: u64) -> MutexGuard<'_, T> {
        // Tables use the lowest and the highest bits of the hash.
        self.at((hash >> 32) as usize % self.shards.len())
    }

    /// Locks a shard by its index, modulo their number.
    pub(crate) fn at(&self, index: usize) -> MutexGuard<'_, T> {
        lock(&self.shards[index % self.shards.len()])
    }

    /// Returns the number of shards.
    pub(crate) fn count(&self) -> usize {
        self.shards.len()
    }

    /// Locks one shard after the other.
    #[cfg(any(test, feature = "near-cache"))]
    pub(crate) fn iter(&self) -> impl Iterator<Item = MutexGuard<'_, T>> {
        self.shards.iter().map(lock)
    }
}

/// Shows only the number of shards.
impl<T> fmt::Debug for Sharded<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sharded")
            .field("shards", &self.shards.len())
            .finish_non_exhaustive()
    }
}

/// A shard is consistent after every statement that can panic, so a poisoned lock is usable.
fn lock<T>(shard: &Mutex<T>) -> MutexGuard<'_, T> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}
