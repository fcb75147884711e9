//! The cached entries, their lifetime and their invalidation.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, MutexGuard,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use foldhash::quality::RandomState;

use crate::{
    clock::Clock,
    store::{CachedRead, Entry, StoreKey, sharded::Sharded},
};

pub(super) struct NearEntries {
    clock: Arc<dyn Clock>,
    max_age: Duration,
    capacity_of_shard: usize,
    shards: Sharded<NearShard>,
    /// When the lease on cached answers expires, in milliseconds of the monotonic clock.
    lease: AtomicU64,
    /// No invalidations arrive, not even for a write that completes after its caller went away.
    is_sole_writer: AtomicBool,
}

struct NearShard {
    entries: HashMap<StoreKey, CachedEntry, RandomState>,
    /// Until then an abandoned write may still be made, so nothing is cached.
    unsettled_until: Duration,
    /// Counts invalidations. A fill is valid only for the count at which its read began.
    invalidations: u64,
}

struct CachedEntry {
    entry: Option<Entry>,
    cached_until: Duration,
}

/// The right to cache one answer, unless an invalidation arrives in the meantime.
pub(super) struct Ticket {
    invalidations: u64,
}

impl NearEntries {
    pub(super) fn new(capacity: usize, max_age: Duration, clock: Arc<dyn Clock>) -> Self {
        let shards = capacity.clamp(1, SHARDS);
        let shard = |hashing| NearShard {
            entries: HashMap::with_hasher(hashing),
            unsettled_until: Duration::ZERO,
            invalidations: 0,
        };
        Self {
            clock,
            max_age,
            capacity_of_shard: capacity / shards,
            shards: Sharded::new(shards, shard),
            lease: AtomicU64::new(0),
            is_sole_writer: AtomicBool::new(false),
        }
    }

    /// Returns the answer for `key` if it may come from the cache: an entry, or that there is none.
    pub(super) fn find(&self, key: &StoreKey) -> Option<CachedRead> {
        let now = self.clock.monotonic();
        if millis(now) >= self.lease.load(Ordering::Acquire) {
            return None;
        }
        let shard = self.shard(key);
        let cached = shard.entries.get(key).filter(|it| now < it.cached_until)?;
        let is_live = |entry: &Entry| entry.is_live(self.clock.now());
        if !cached.entry.as_ref().is_none_or(is_live) {
            return None;
        }
        Some(CachedRead::remembered(cached.entry.clone()))
    }

    /// Returns a ticket for a read that is about to begin.
    pub(super) fn ticket(&self, key: &StoreKey) -> Ticket {
        Ticket {
            invalidations: self.shard(key).invalidations,
        }
    }

    /// Caches the answer of a read unless an invalidation has arrived since its ticket was issued.
    ///
    /// Invalidations are counted per shard, not per key. An invalidation of another key sometimes
    /// discards a fill, but reads in progress need no record, and their callers may go away at any
    /// time.
    #[allow(clippy::needless_pass_by_value, reason = "a ticket is used once")]
    pub(super) fn insert(&self, ticket: Ticket, key: &StoreKey, entry: Option<Entry>) {
        let now = self.clock.monotonic();
        let cached_until = now + self.max_age;
        let mut shard = self.shard(key);
        if shard.invalidations != ticket.invalidations || now < shard.unsettled_until {
            return;
        }
        if shard.entries.len() >= self.capacity_of_shard && !shard.entries.contains_key(key) {
            let evicted = shard.entries.keys().next().cloned();
            evicted.and_then(|evicted| shard.entries.remove(&evicted));
        }
        shard.entries.insert(
            key.clone(),
            CachedEntry {
                entry,
                cached_until,
            },
        );
    }

    /// Removes the cached answer for `key` if the store has just given a different one.
    pub(super) fn invalidate_stale(&self, key: &StoreKey, current: Option<&Entry>) {
        let mut shard = self.shard(key);
        let version = |entry: &Entry| entry.version;
        let differs = |it: &CachedEntry| it.entry.as_ref().map(version) != current.map(version);
        if shard.entries.get(key).is_some_and(differs) {
            // A fill in progress may have read the same stale answer.
            shard.invalidations += 1;
            shard.entries.remove(key);
        }
    }

    pub(super) fn invalidate(&self, key: &StoreKey) {
        let mut shard = self.shard(key);
        shard.invalidations += 1;
        shard.entries.remove(key);
    }

    pub(super) fn invalidate_all(&self) {
        for mut shard in self.shards.iter() {
            shard.invalidations += 1;
            shard.entries.clear();
        }
    }

    /// Returns a guard that invalidates `key` when it is dropped.
    pub(super) const fn invalidate_on_drop<'a>(
        &'a self,
        key: &'a StoreKey,
    ) -> InvalidateOnDrop<'a> {
        let is_answered = false;
        InvalidateOnDrop {
            entries: self,
            key,
            is_answered,
        }
    }

    /// Invalidates `key`. Without invalidations from the store, its shard then caches nothing until
    /// a write that continues without its caller must have completed.
    fn invalidate_unsettled(&self, key: &StoreKey) {
        let now = self.clock.monotonic();
        let mut shard = self.shard(key);
        shard.invalidations += 1;
        shard.entries.remove(key);
        if self.is_sole_writer.load(Ordering::Relaxed) {
            shard.unsettled_until = now + self.max_age;
        }
    }

    /// Extends the lease to one second after `asked_at`, the start of a heartbeat that was
    /// answered.
    pub(super) fn renew_lease(&self, asked_at: Duration) {
        self.lease
            .store(millis(asked_at + LEASE), Ordering::Release);
    }

    /// Grants a permanent lease: nobody else writes to the store, so there are no invalidations to
    /// wait for.
    pub(super) fn grant_permanent_lease(&self) {
        self.is_sole_writer.store(true, Ordering::Relaxed);
        self.lease.store(u64::MAX, Ordering::Release);
    }

    /// Ends the lease and drops all entries.
    pub(super) fn close(&self) {
        self.lease.store(0, Ordering::Release);
        self.invalidate_all();
    }

    pub(super) fn monotonic(&self) -> Duration {
        self.clock.monotonic()
    }

    fn shard(&self, key: &StoreKey) -> MutexGuard<'_, NearShard> {
        self.shards.of(key.digest)
    }
}

/// Omits the entries.
impl fmt::Debug for NearEntries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NearEntries").finish_non_exhaustive()
    }
}

/// Invalidates a key on drop.
pub(super) struct InvalidateOnDrop<'a> {
    entries: &'a NearEntries,
    key: &'a StoreKey,
    is_answered: bool,
}

impl InvalidateOnDrop<'_> {
    /// Records that the store has answered, and invalidates the key.
    pub(super) fn complete(mut self) {
        self.is_answered = true;
    }
}

impl Drop for InvalidateOnDrop<'_> {
    fn drop(&mut self) {
        if self.is_answered {
            self.entries.invalidate(self.key);
        } else {
            self.entries.invalidate_unsettled(self.key);
        }
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

const SHARDS: usize = 256;
/// Four heartbeats: one may be late without a gap, and together with the time of a request it stays
/// below two seconds.
const LEASE: Duration = Duration::from_secs(1);
