//! The cache of verified credentials: what follows from the text of a credential is computed once.
//!
//! A browser sends the same cookie, and a service the same token, many times. Whatever follows from
//! the text alone (its signature, its form) is cached. What can change (the time, the key ring, the
//! store) is checked each time by the caller of this cache.
//!
//! * Only successes are cached. Rejected texts are not, so sending many of them evicts nothing.
//! * Texts are looked up by a keyed hash of the last bytes that an attacker cannot choose, and then
//!   compared whole, in constant time.
//! * The number of entries is bounded. When a shard is full, an arbitrary entry of it is evicted.

use std::{
    collections::HashMap,
    fmt,
    hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState},
    sync::Arc,
};

use crate::{
    secret::{Secret, equal},
    store::sharded::Sharded,
};

/// Values by the secret texts from which they follow.
pub(crate) struct Cache<V> {
    shards: Sharded<CacheShard<V>>,
    hashing: RandomState,
    /// Returns where the unpredictable part of a text (a signature or a keyed tag) ends.
    end: fn(&str) -> usize,
}

type CacheShard<V> = HashMap<u64, CacheEntry<V>, BuildHasherDefault<IdentityHasher>>;

struct CacheEntry<V> {
    text: Secret<String>,
    value: Arc<V>,
}

impl<V> Cache<V> {
    /// Creates a cache. `end` returns where the unpredictable part of a text ends; what follows may
    /// be the same in many texts.
    pub(crate) fn new(end: fn(&str) -> usize) -> Self {
        Self {
            shards: Sharded::new(SHARDS, |_| CacheShard::default()),
            hashing: RandomState::new(),
            end,
        }
    }

    pub(crate) fn get(&self, text: &str) -> Option<Arc<V>> {
        let hash = self.hash(text);
        let shard = self.shards.of_hash(hash);
        let entry = shard.get(&hash)?;
        equal(entry.text.expose().as_bytes(), text.as_bytes()).then(|| Arc::clone(&entry.value))
    }

    pub(crate) fn insert(&self, text: &str, value: Arc<V>) {
        let hash = self.hash(text);
        let text = Secret::new(text.to_owned());
        let mut shard = self.shards.of_hash(hash);
        if shard.len() >= ENTRIES_PER_SHARD && !shard.contains_key(&hash) {
            let evicted = shard.keys().next().copied();
            evicted.and_then(|evicted| shard.remove(&evicted));
        }
        shard.insert(hash, CacheEntry { text, value });
    }

    pub(crate) fn remove(&self, text: &str) {
        let hash = self.hash(text);
        self.shards.of_hash(hash).remove(&hash);
    }

    fn hash(&self, text: &str) -> u64 {
        let end = (self.end)(text);
        let hashed = &text.as_bytes()[end.saturating_sub(HASHED_BYTES)..end];
        self.hashing.hash_one(hashed)
    }
}

impl<V> fmt::Debug for Cache<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").finish_non_exhaustive()
    }
}

/// A hasher for keys that are already hashes.
#[derive(Default)]
struct IdentityHasher(u64);

impl Hasher for IdentityHasher {
    fn write(&mut self, _: &[u8]) {
        debug_assert!(false, "only integers are hashed");
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

const HASHED_BYTES: usize = 48;
const SHARDS: usize = 32;
/// About two thousand entries in 32 shards: the callers of a few seconds on a busy node, in one or
/// two megabytes.
const ENTRIES_PER_SHARD: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_finds_its_own_value_and_no_other() {
        let cache = Cache::new(str::len);
        cache.insert("alice's cookie", Arc::new(1));
        assert_eq!(cache.get("alice's cookie").as_deref(), Some(&1));
        assert!(cache.get("alice's cookiE").is_none());
        assert!(cache.get("").is_none());
        cache.insert("alice's cookie", Arc::new(2));
        assert_eq!(cache.get("alice's cookie").as_deref(), Some(&2));
        cache.remove("alice's cookie");
        assert!(cache.get("alice's cookie").is_none());
    }

    /// PASETOs under one key all end in the same footer, which names the key.
    #[test]
    fn texts_with_the_same_ending_do_not_evict_each_other() {
        let footer = "f".repeat(HASHED_BYTES);
        let cache = Cache::new(|text| text.find('.').unwrap_or(text.len()));
        for number in 0..100 {
            cache.insert(&format!("{number}.{footer}"), Arc::new(number));
        }
        for number in 0..100 {
            let found = cache.get(&format!("{number}.{footer}"));
            assert_eq!(found.as_deref(), Some(&number));
        }
    }

    #[test]
    fn it_is_bounded_and_new_texts_find_room() {
        let cache = Cache::new(str::len);
        for number in 0..100_000_u32 {
            cache.insert(&number.to_string(), Arc::new(number));
            assert_eq!(cache.get(&number.to_string()).as_deref(), Some(&number));
        }
        let held: usize = cache.shards.iter().map(|shard| shard.len()).sum();
        assert!(held <= SHARDS * ENTRIES_PER_SHARD, "{held}");
        assert!(held > SHARDS * ENTRIES_PER_SHARD / 2, "{held}");
    }

    #[test]
    fn texts_with_the_same_hash_are_told_apart() {
        let cache = Cache::new(str::len);
        let hash = cache.hash("bob");
        let entry = CacheEntry {
            text: Secret::new("alice".to_owned()),
            value: Arc::new(1),
        };
        cache.shards.of_hash(hash).insert(hash, entry);
        assert!(cache.get("bob").is_none());
    }
}
