//! A store in the memory of the process.
//!
//! [`MemoryStore`] is for tests and for services that run as one process and may lose everything at
//! a restart. It guarantees the conditions of the [`Store`] trait, and these:
//!
//! * **Bounded.** Each namespace holds at most [`with_capacity`](MemoryStore::with_capacity)
//!   entries. A new key beyond that is refused with [`StoreError::Full`]; existing entries can
//!   still be read, replaced and taken. A live entry is never evicted, since that would log
//!   somebody out or lose a revocation. The exceptions are [evictable](super::Namespace::evictable)
//!   namespaces, those of counters: if they refused new keys, a flood of names could prevent
//!   everybody from logging in. The counter with the lowest count is evicted, and among equal
//!   counts the one that expires first. So a flood of counters that each count one evicts only
//!   itself, and no exhausted budget.
//! * **No background task.** Every write also removes a few expired entries, more than it adds. So
//!   short-lived keys occupy no more room than those that are live at the same time.
//! * **Groups change with their entries.** An entry and its membership in a group are added and
//!   removed under one lock. A write that names another group than the live entry's moves the entry
//!   there.
//! * **Synchronous.** A method has taken effect when it returns; its future is ready immediately.
//!
//! Namespaces are never removed. They are constants of the program, so there are few.
//!
//! ```
//! use std::{sync::Arc, time::Duration};
//! use tower_jam::{
//!     Clock, StoreError, SystemClock,
//!     store::{MemoryStore, Store, StoreKey, When, Write},
//! };
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), StoreError> {
//! let store: Arc<dyn Store> = Arc::new(MemoryStore::new().with_capacity(1));
//! let expires_at = SystemClock.now().after(Duration::from_secs(60));
//! let (alice, bob) = (StoreKey::new("example", &[b"alice"]), StoreKey::new("example", &[b"bob"]));
//!
//! store.put(&alice, Write::new("first", expires_at), When::Absent).await?;
//! let refused = store.put(&bob, Write::new("no room", expires_at), When::Absent).await;
//! assert!(matches!(refused, Err(StoreError::Full)));
//! assert!(store.put(&alice, Write::new("second", expires_at), When::Always).await?);
//! # Ok(())
//! # }
//! ```

mod groups;
mod shard;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    fmt,
    future::ready,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use self::{
    groups::Groups,
    shard::{MemoryShard, Quota, Reservation, Slot},
};
use super::{Entry, Store, StoreFuture, StoreKey, When, Write, number, permits, sharded::Sharded};
use crate::{
    clock::{Clock, SystemClock, Timestamp},
    error::StoreError,
};

/// Stores entries in this process's memory. Share it as an `Arc`.
pub struct MemoryStore {
    clock: Arc<dyn Clock>,
    capacity: usize,
    // Locks are acquired in the order of the fields: a shard, then one of the two below it.
    shards: Sharded<MemoryShard>,
    groups: Groups,
    quotas: Mutex<Vec<Arc<Quota>>>,
}

impl MemoryStore {
    /// The default capacity of a namespace in entries. Full of sessions of 250 bytes, two per user,
    /// a namespace takes about 240 MB, so a flood does not exhaust the memory of a small server.
    pub const DEFAULT_CAPACITY: usize = 262_144;

    /// An empty store with the system's clock and the default capacity.
    #[must_use]
    pub fn new() -> Self {
        Self {
            clock: Arc::new(SystemClock),
            capacity: Self::DEFAULT_CAPACITY,
            shards: Sharded::new(SHARDS, MemoryShard::new),
            groups: Groups::new(SHARDS),
            quotas: Mutex::default(),
        }
    }

    /// Uses `clock` to decide which entries have expired.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Sets the maximum number of entries in each namespace.
    #[must_use]
    pub fn with_capacity(mut self, entries: usize) -> Self {
        self.capacity = entries;
        self
    }

    fn shard(&self, key: &StoreKey) -> MutexGuard<'_, MemoryShard> {
        self.shards.of(key.digest)
    }

    fn read(&self, key: &StoreKey) -> Option<Entry> {
        let entry = self.shard(key).slot(key)?.entry.clone();
        entry.is_live(self.clock.now()).then_some(entry)
    }

    /// Applies the write that `decide` returns for the live slot, if any. Calls `decide` again if
    /// room had to be made, since that happens without the lock.
    fn change(
        &self,
        key: &StoreKey,
        now: Timestamp,
        mut decide: impl FnMut(Option<&Slot>) -> Result<Option<Write>, StoreError>,
    ) -> Result<bool, StoreError> {
        let mut reservation = None;
        loop {
            let mut shard = self.shard(key);
            shard.purge(now, &self.groups);
            let current = shard.slot(key);
            let Some(write) = decide(current.filter(|slot| slot.entry.is_live(now)))? else {
                return Ok(false);
            };
            let replaces = current.is_some();
            let is_over = write.expires_at <= now;
            if is_over && !replaces {
                return Ok(true);
            }
            let table = shard.table_or_insert(&key.namespace, || self.quota(key));
            if replaces {
                if is_over {
                    drop(table.remove(&key.digest, &self.groups));
                } else {
                    table.replace(key, write, &self.groups);
                }
                return Ok(true);
            }
            if let Some(reservation) = reservation
                .take()
                .or_else(|| table.quota.reserve(self.capacity))
            {
                table.insert(key, write, reservation, &self.groups);
                return Ok(true);
            }
            let quota = Arc::clone(&table.quota);
            drop(shard);
            reservation = Some(self.make_room(&quota, now)?);
        }
    }

    /// Frees a reservation in a full namespace: that of an expired entry, or else of the counter
    /// with the lowest count. If there is neither, the cost is one access to each shard.
    fn make_room(&self, quota: &Arc<Quota>, now: Timestamp) -> Result<Reservation, StoreError> {
        let mut lowest = None;
        for index in 0..self.shards.count() {
            let mut shard = self.shards.at(index);
            let Some(table) = shard.table(&quota.name) else {
                continue;
            };
            table.purge(now, usize::MAX, &self.groups);
            let first = table.lowest().map(|lowest| (lowest, index));
            lowest = lowest.into_iter().chain(first).min();
        }
        if let Some(reservation) = quota.reserve(self.capacity) {
            return Ok(reservation);
        }
        if !quota.is_evictable {
            return Err(StoreError::Full);
        }
        // Other threads may have emptied that shard in the meantime, so the search continues after
        // it.
        let start = lowest.map_or(0, |(_, index)| index);
        (start..start + SHARDS)
            .find_map(|index| {
                let mut shard = self.shards.at(index);
                shard.table(&quota.name)?.remove_lowest(&self.groups)
            })
            .map(|slot| slot.reservation)
            .or_else(|| quota.reserve(self.capacity))
            .ok_or(StoreError::Full)
    }

    fn quota(&self, key: &StoreKey) -> Arc<Quota> {
        let mut quotas = lock(&self.quotas);
        if let Some(existing) = quotas
            .iter()
            .find(|existing| existing.name == key.namespace)
        {
            return Arc::clone(existing);
        }
        let quota = Arc::new(Quota::new(key.namespace.clone(), key.is_evictable()));
        quotas.push(Arc::clone(&quota));
        quota
    }

    fn remove(&self, key: &StoreKey, only_of: Option<&StoreKey>) -> Option<Entry> {
        let now = self.clock.now();
        let mut shard = self.shard(key);
        shard.purge(now, &self.groups);
        let table = shard.table(&key.namespace)?;
        if only_of.is_some() && table.slot(&key.digest)?.group.as_ref() != only_of {
            return None;
        }
        let entry = table.remove(&key.digest, &self.groups)?.entry;
        entry.is_live(now).then_some(entry)
    }

    fn add_now(
        &self,
        key: &StoreKey,
        delta: i64,
        expires_at: Timestamp,
    ) -> Result<i64, StoreError> {
        let fresh = Write::new("", expires_at);
        let mut sum = delta;
        self.change(key, self.clock.now(), |live| {
            let mut write = fresh.clone();
            sum = delta;
            if let Some(slot) = live {
                sum = number(&slot.entry.value)?.saturating_add(delta);
                write.expires_at = slot.entry.expires_at;
                write.group.clone_from(&slot.group);
            }
            write.value = sum.to_string().into();
            if sum == 0 {
                write.expires_at = Timestamp::from_millis(0);
            }
            Ok(Some(write))
        })?;
        Ok(sum)
    }
}

impl Store for MemoryStore {
    fn get<'a>(&'a self, key: &'a StoreKey) -> StoreFuture<'a, Option<Entry>> {
        Box::pin(ready(Ok(self.read(key))))
    }

    fn put<'a>(&'a self, key: &'a StoreKey, write: Write, when: When) -> StoreFuture<'a, bool> {
        let now = self.clock.now();
        let written = self.change(key, now, |live| {
            let permitted = permits(when, live.map(|slot| &slot.entry), now);
            Ok(permitted.then(|| write.clone()))
        });
        Box::pin(ready(written))
    }

    fn take<'a>(&'a self, key: &'a StoreKey) -> StoreFuture<'a, Option<Entry>> {
        Box::pin(ready(Ok(self.remove(key, None))))
    }

    fn list<'a>(&'a self, group: &'a StoreKey) -> StoreFuture<'a, Vec<(StoreKey, Entry)>> {
        let now = self.clock.now();
        let members = self.groups.members(group).into_iter();
        let live = members.filter_map(|key| {
            let shard = self.shard(&key);
            let slot = shard.slot(&key)?;
            let listed = slot.group.as_ref() == Some(group) && slot.entry.is_live(now);
            let entry = listed.then(|| slot.entry.clone())?;
            drop(shard);
            Some((key, entry))
        });
        Box::pin(ready(Ok(live.collect())))
    }

    fn add<'a>(
        &'a self,
        key: &'a StoreKey,
        delta: i64,
        expires_at: Timestamp,
    ) -> StoreFuture<'a, i64> {
        Box::pin(ready(self.add_now(key, delta, expires_at)))
    }

    fn remove_group<'a>(&'a self, group: &'a StoreKey) -> StoreFuture<'a, u64> {
        let members = self.groups.members(group);
        let removed = members
            .iter()
            .filter_map(|key| self.remove(key, Some(group)));
        Box::pin(ready(Ok(removed.map(|_| 1).sum())))
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

/// Shows only counts, never entries.
impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entries: BTreeMap<_, _> = lock(&self.quotas)
            .iter()
            .map(|quota| (quota.name.clone(), quota.entries()))
            .collect();
        f.debug_struct("MemoryStore")
            .field("capacity", &self.capacity)
            .field("entries", &entries)
            .finish_non_exhaustive()
    }
}

/// A panic elsewhere cannot leave a map half changed, so a poisoned lock is safe to use.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Many more than cores, so that two requests rarely contend for the same lock.
const SHARDS: usize = 64;
