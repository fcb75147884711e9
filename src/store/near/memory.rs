//! What is remembered, until when, and what spoils it.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use super::{Entry, Glance, Key};
use crate::{clock::Clock, store::hashing::Seeded};

pub(super) struct Memory {
    clock: Arc<dyn Clock>,
    max_age: Duration,
    capacity_of_shard: usize,
    hashing: Seeded,
    shards: Box<[Mutex<Shard>]>,
    /// Until when memory may answer, in milliseconds of the monotonic clock.
    lease: AtomicU64,
    /// Nobody announces anything, so that what is written after its caller went away is not heard of.
    is_alone: AtomicBool,
}

struct Shard {
    entries: HashMap<Key, Remembered, Seeded>,
    /// Until then a write may still be made whose caller went away, and nothing is remembered.
    unsettled_until: Duration,
    /// Counts what was announced. A fill is for the count at which its read began.
    changes: u64,
}

struct Remembered {
    entry: Option<Entry>,
    until: Duration,
}

/// The right to remember one answer, unless something is announced meanwhile.
pub(super) struct Ticket {
    changes: u64,
}

impl Memory {
    pub(super) fn new(capacity: usize, max_age: Duration, clock: Arc<dyn Clock>) -> Self {
        let hashing = Seeded::random();
        let shards = capacity.clamp(1, SHARDS);
        let shard = || Shard {
            entries: HashMap::with_hasher(hashing),
            unsettled_until: Duration::ZERO,
            changes: 0,
        };
        Self {
            clock,
            max_age,
            capacity_of_shard: capacity / shards,
            hashing,
            shards: (0..shards).map(|_| Mutex::new(shard())).collect(),
            lease: AtomicU64::new(0),
            is_alone: AtomicBool::new(false),
        }
    }

    /// What may be answered from memory: an entry, or that there is none.
    pub(super) fn find(&self, key: &Key) -> Option<Glance> {
        let now = self.clock.monotonic();
        if millis(now) >= self.lease.load(Ordering::Acquire) {
            return None;
        }
        let shard = self.shard(key);
        let remembered = shard.entries.get(key).filter(|it| now < it.until)?;
        let is_live = |entry: &Entry| entry.is_live(self.clock.now());
        if !remembered.entry.as_ref().is_none_or(is_live) {
            return None;
        }
        Some(Glance::remembered(remembered.entry.clone()))
    }

    /// To be taken before a read begins.
    pub(super) fn ticket(&self, key: &Key) -> Ticket {
        Ticket {
            changes: self.shard(key).changes,
        }
    }

    /// Keeps the answer of a read, if nothing was announced since its ticket was taken.
    ///
    /// Announcements are counted by shard and not by key: a fill is dropped for another key's change now and
    /// then, and nothing need be noted about reads under way, whose callers may vanish.
    #[allow(clippy::needless_pass_by_value, reason = "a ticket is used once")]
    pub(super) fn remember(&self, ticket: Ticket, key: &Key, entry: Option<Entry>) {
        let now = self.clock.monotonic();
        let until = now + self.max_age;
        let mut shard = self.shard(key);
        if shard.changes != ticket.changes || now < shard.unsettled_until {
            return;
        }
        if shard.entries.len() >= self.capacity_of_shard && !shard.entries.contains_key(key) {
            let some = shard.entries.keys().next().cloned();
            some.and_then(|some| shard.entries.remove(&some));
        }
        shard
            .entries
            .insert(key.clone(), Remembered { entry, until });
    }

    /// Drops what is remembered of `key` where the store has just said otherwise.
    pub(super) fn correct(&self, key: &Key, said: Option<&Entry>) {
        let mut shard = self.shard(key);
        let version = |entry: &Entry| entry.version;
        let differs = |it: &Remembered| it.entry.as_ref().map(version) != said.map(version);
        if shard.entries.get(key).is_some_and(differs) {
            // A fill that is under way may have read the same old answer.
            shard.changes += 1;
            shard.entries.remove(key);
        }
    }

    pub(super) fn forget(&self, key: &Key) {
        let mut shard = self.shard(key);
        shard.changes += 1;
        shard.entries.remove(key);
    }

    pub(super) fn forget_all(&self) {
        for shard in &self.shards {
            let mut shard = lock(shard);
            shard.changes += 1;
            shard.entries.clear();
        }
    }

    /// Forgets `key` when the answer is dropped.
    pub(super) const fn forgetting<'a>(&'a self, key: &'a Key) -> Forgetting<'a> {
        let is_answered = false;
        Forgetting {
            memory: self,
            key,
            is_answered,
        }
    }

    /// Forgets `key`, and remembers nothing of its like until a write that goes on without its caller must have ended.
    fn unsettle(&self, key: &Key) {
        let now = self.clock.monotonic();
        let mut shard = self.shard(key);
        shard.changes += 1;
        shard.entries.remove(key);
        if self.is_alone.load(Ordering::Relaxed) {
            shard.unsettled_until = now + self.max_age;
        }
    }

    /// Lets memory answer until a second after `asked_at`, when a heartbeat began that was answered since.
    pub(super) fn lease_from(&self, asked_at: Duration) {
        self.lease
            .store(millis(asked_at + LEASE), Ordering::Release);
    }

    /// Nobody else writes to the store, so there is nothing to hear of.
    pub(super) fn answer_alone(&self) {
        self.is_alone.store(true, Ordering::Relaxed);
        self.lease.store(u64::MAX, Ordering::Release);
    }

    /// Ends the lease and forgets everything.
    pub(super) fn close(&self) {
        self.lease.store(0, Ordering::Release);
        self.forget_all();
    }

    pub(super) fn monotonic(&self) -> Duration {
        self.clock.monotonic()
    }

    fn shard(&self, key: &Key) -> MutexGuard<'_, Shard> {
        lock(&self.shards[self.hashing.shard(&key.digest, self.shards.len())])
    }
}

/// Says how much is remembered, not what.
impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").finish_non_exhaustive()
    }
}

/// Forgets a key at its end.
pub(super) struct Forgetting<'a> {
    memory: &'a Memory,
    key: &'a Key,
    is_answered: bool,
}

impl Forgetting<'_> {
    /// The store has answered.
    pub(super) fn end(mut self) {
        self.is_answered = true;
    }
}

impl Drop for Forgetting<'_> {
    fn drop(&mut self) {
        match self.is_answered {
            true => self.memory.forget(self.key),
            false => self.memory.unsettle(self.key),
        }
    }
}

fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

const SHARDS: usize = 256;
/// Four heartbeats: one may be late without a gap, and with the time of a request it stays below two seconds.
const LEASE: Duration = Duration::from_secs(1);
