//! A shard: a part of the entries behind one lock, with a table for each namespace.

use std::{
    borrow::Cow,
    collections::{BTreeSet, HashMap},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use foldhash::quality::RandomState;

use super::groups::{Groups, is_sparse};
use crate::{
    clock::Timestamp,
    store::{Entry, StoreKey, Write, number},
};

/// A list of tables rather than a map, because a program has only a handful of namespaces.
pub(super) struct MemoryShard {
    tables: Vec<NamespaceTable>,
    hashing: RandomState,
}

impl MemoryShard {
    pub(super) const fn new(hashing: RandomState) -> Self {
        Self {
            tables: Vec::new(),
            hashing,
        }
    }

    pub(super) fn slot(&self, key: &StoreKey) -> Option<&Slot> {
        let mut tables = self.tables.iter();
        tables
            .find(|table| table.quota.name == key.namespace)?
            .slot(&key.digest)
    }

    pub(super) fn table(&mut self, namespace: &str) -> Option<&mut NamespaceTable> {
        self.tables
            .iter_mut()
            .find(|table| table.quota.name == namespace)
    }

    pub(super) fn table_or_insert(
        &mut self,
        namespace: &str,
        quota: impl FnOnce() -> Arc<Quota>,
    ) -> &mut NamespaceTable {
        let existing = self
            .tables
            .iter()
            .position(|table| table.quota.name == namespace);
        let index = existing.unwrap_or_else(|| {
            let table = NamespaceTable::new(quota(), self.hashing.clone());
            self.tables.push(table);
            self.tables.len() - 1
        });
        &mut self.tables[index]
    }

    /// Removes a few expired entries of each namespace.
    pub(super) fn purge(&mut self, now: Timestamp, groups: &Groups) {
        for table in &mut self.tables {
            table.purge(now, PURGED_PER_WRITE, groups);
        }
    }

    /// The number of entries, which is the same in both orders.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        let lengths = self.tables.iter().map(|table| {
            assert_eq!(table.slots.len(), table.by_expiry.len());
            table.slots.len()
        });
        lengths.sum()
    }

    #[cfg(test)]
    pub(super) fn slot_capacity(&mut self, namespace: &str) -> usize {
        self.table(namespace)
            .map_or(0, |table| table.slots.capacity())
    }
}

/// The entries of one namespace, also sorted by expiry.
///
/// The order costs a write about 100 ns. In return nothing ever iterates over live entries: neither
/// a purge, nor a refused put, nor the choice of the counter to evict.
pub(super) struct NamespaceTable {
    pub(super) quota: Arc<Quota>,
    slots: HashMap<[u8; 32], Slot, RandomState>,
    by_expiry: BTreeSet<(Timestamp, [u8; 32])>,
    /// The counters of an evictable namespace, sorted by count.
    by_count: BTreeSet<(EvictionRank, [u8; 32])>,
}

/// The order in which counters are evicted.
type EvictionRank = (i64, Timestamp);

/// An entry with its group and its reservation. Dropping the slot releases the reservation.
pub(super) struct Slot {
    pub(super) entry: Entry,
    pub(super) group: Option<StoreKey>,
    pub(super) reservation: Reservation,
}

impl NamespaceTable {
    fn new(quota: Arc<Quota>, hashing: RandomState) -> Self {
        Self {
            quota,
            slots: HashMap::with_hasher(hashing),
            by_expiry: BTreeSet::new(),
            by_count: BTreeSet::new(),
        }
    }

    pub(super) fn slot(&self, digest: &[u8; 32]) -> Option<&Slot> {
        self.slots.get(digest)
    }

    /// Returns the rank of the counter that would be evicted first.
    pub(super) fn lowest(&self) -> Option<EvictionRank> {
        self.by_count.first().map(|(count, _)| *count)
    }

    pub(super) fn first_expiry(&self) -> Option<Timestamp> {
        self.by_expiry.first().map(|(expires_at, _)| *expires_at)
    }

    /// Inserts an entry under a key that has no slot.
    pub(super) fn insert(
        &mut self,
        key: &StoreKey,
        write: Write,
        reservation: Reservation,
        groups: &Groups,
    ) {
        if let Some(group) = &write.group {
            groups.add_member(group, key);
        }
        self.by_expiry.insert((write.expires_at, key.digest));
        let slot = Slot {
            entry: Entry::new(write.value, write.version, write.expires_at),
            group: write.group,
            reservation,
        };
        if self.quota.is_evictable {
            self.by_count.insert((rank(&slot.entry), key.digest));
        }
        self.slots.insert(key.digest, slot);
    }

    /// Overwrites a slot, live or not. The entry joins the new group before it leaves the old one,
    /// so it is in a group at every moment.
    pub(super) fn replace(&mut self, key: &StoreKey, write: Write, groups: &Groups) {
        let Some(slot) = self.slots.get_mut(&key.digest) else {
            return;
        };
        if slot.entry.expires_at != write.expires_at {
            self.by_expiry.remove(&(slot.entry.expires_at, key.digest));
            self.by_expiry.insert((write.expires_at, key.digest));
        }
        if slot.group != write.group {
            if let Some(group) = &write.group {
                groups.add_member(group, key);
            }
            if let Some(group) = &slot.group {
                groups.remove_member(group, key);
            }
        }
        let before = rank(&slot.entry);
        slot.entry = Entry::new(write.value, write.version, write.expires_at);
        slot.group = write.group;
        if self.quota.is_evictable {
            self.by_count.remove(&(before, key.digest));
            self.by_count.insert((rank(&slot.entry), key.digest));
        }
    }

    pub(super) fn remove(&mut self, digest: &[u8; 32], groups: &Groups) -> Option<Slot> {
        let slot = self.slots.remove(digest)?;
        self.by_expiry.remove(&(slot.entry.expires_at, *digest));
        if self.quota.is_evictable {
            self.by_count.remove(&(rank(&slot.entry), *digest));
        }
        if let Some(group) = &slot.group {
            let key = StoreKey::undeclared(self.quota.name.clone(), *digest);
            groups.remove_member(group, &key);
        }
        if is_sparse(self.slots.len(), self.slots.capacity()) {
            self.slots.shrink_to(self.slots.len() * 2);
        }
        Some(slot)
    }

    /// Removes the entry that expires first, live or not.
    pub(super) fn remove_soonest(&mut self, groups: &Groups) -> Option<Slot> {
        let (_, digest) = self.by_expiry.pop_first()?;
        self.remove(&digest, groups)
    }

    /// Removes the counter with the lowest count.
    pub(super) fn remove_lowest(&mut self, groups: &Groups) -> Option<Slot> {
        let (_, digest) = self.by_count.pop_first()?;
        self.remove(&digest, groups)
    }

    /// Removes up to `limit` expired entries.
    pub(super) fn purge(&mut self, now: Timestamp, limit: usize, groups: &Groups) {
        for _ in 0..limit {
            if self
                .first_expiry()
                .is_none_or(|expires_at| now < expires_at)
            {
                return;
            }
            self.remove_soonest(groups);
        }
    }
}

/// The number of entries in one namespace across all shards.
pub(super) struct Quota {
    pub(super) name: Cow<'static, str>,
    pub(super) is_evictable: bool,
    entries: AtomicUsize,
}

impl Quota {
    pub(super) fn new(name: Cow<'static, str>, is_evictable: bool) -> Self {
        Self {
            name,
            is_evictable,
            entries: AtomicUsize::new(0),
        }
    }

    pub(super) fn entries(&self) -> usize {
        self.entries.load(Ordering::Relaxed)
    }

    /// Reserves room for a new entry unless there are `capacity` entries already.
    pub(super) fn reserve(self: &Arc<Self>, capacity: usize) -> Option<Reservation> {
        let one_more = |entries: usize| (entries < capacity).then(|| entries + 1);
        self.entries
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more)
            .ok()
            .map(|_| Reservation(Arc::clone(self)))
    }
}

/// The right to one entry in a namespace. Dropping it releases it, so the count cannot drift.
pub(super) struct Reservation(Arc<Quota>);

impl Drop for Reservation {
    fn drop(&mut self) {
        self.0.entries.fetch_sub(1, Ordering::Relaxed);
    }
}

/// More than the one entry that a write can add, and few enough to cost little.
const PURGED_PER_WRITE: usize = 4;

/// Returns the eviction rank of an entry. An entry that is not a number ranks highest.
fn rank(entry: &Entry) -> EvictionRank {
    let sum = number(&entry.value).unwrap_or(i64::MAX);
    (sum, entry.expires_at)
}
