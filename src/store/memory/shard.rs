//! A part of the entries behind one lock: a table for each namespace.

use std::{
    borrow::Cow,
    collections::{BTreeSet, HashMap},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use super::{Entry, Key, Seeded, Timestamp, Write, groups::Groups, number};

/// A list and not a map of tables, because a program has a handful of namespaces.
#[derive(Default)]
pub(super) struct Shard {
    tables: Vec<Table>,
}

impl Shard {
    pub(super) fn slot(&self, key: &Key) -> Option<&Slot> {
        let mut tables = self.tables.iter();
        tables
            .find(|table| table.room.name == key.namespace)?
            .slot(&key.digest)
    }

    pub(super) fn table(&mut self, namespace: &str) -> Option<&mut Table> {
        self.tables
            .iter_mut()
            .find(|table| table.room.name == namespace)
    }

    pub(super) fn table_or_insert(
        &mut self,
        namespace: &str,
        new: impl FnOnce() -> (Arc<Room>, Seeded),
    ) -> &mut Table {
        let known = self
            .tables
            .iter()
            .position(|table| table.room.name == namespace);
        let index = known.unwrap_or_else(|| {
            let (room, hashing) = new();
            self.tables.push(Table::new(room, hashing));
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

    /// How many entries are held, each in both orders.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        let lengths = self.tables.iter().map(|table| {
            assert_eq!(table.slots.len(), table.by_expiry.len());
            table.slots.len()
        });
        lengths.sum()
    }

    #[cfg(test)]
    pub(super) fn room(&mut self, namespace: &str) -> usize {
        self.table(namespace)
            .map_or(0, |table| table.slots.capacity())
    }
}

/// The entries of one namespace, also in the order in which they expire.
///
/// The order costs a write some 100 ns and buys that nothing ever walks over live entries: neither a
/// purge, nor a put that is refused, nor the choice of the counter that gives way.
pub(super) struct Table {
    pub(super) room: Arc<Room>,
    slots: HashMap<[u8; 32], Slot, Seeded>,
    by_expiry: BTreeSet<(Timestamp, [u8; 32])>,
    /// The counters of an evictable namespace by what they have counted.
    by_count: BTreeSet<(Count, [u8; 32])>,
}

/// What tells which counter goes first.
type Count = (i64, Timestamp);

/// An entry and what belongs to it. Dropping the slot gives its place back.
pub(super) struct Slot {
    pub(super) entry: Entry,
    pub(super) group: Option<Key>,
    pub(super) place: Place,
}

impl Table {
    fn new(room: Arc<Room>, hashing: Seeded) -> Self {
        Self {
            room,
            slots: HashMap::with_hasher(hashing),
            by_expiry: BTreeSet::new(),
            by_count: BTreeSet::new(),
        }
    }

    pub(super) fn slot(&self, digest: &[u8; 32]) -> Option<&Slot> {
        self.slots.get(digest)
    }

    /// The least that one of the counters has counted.
    pub(super) fn least(&self) -> Option<Count> {
        self.by_count.first().map(|(count, _)| *count)
    }

    pub(super) fn first_expiry(&self) -> Option<Timestamp> {
        self.by_expiry.first().map(|(expires_at, _)| *expires_at)
    }

    /// Writes a key that has no slot.
    pub(super) fn insert(&mut self, key: &Key, write: Write, place: Place, groups: &Groups) {
        if let Some(group) = &write.group {
            groups.join(group, key);
        }
        self.by_expiry.insert((write.expires_at, key.digest));
        let slot = Slot {
            entry: Entry::new(write.value, write.version, write.expires_at),
            group: write.group,
            place,
        };
        if self.room.is_evictable {
            self.by_count.insert((count(&slot.entry), key.digest));
        }
        self.slots.insert(key.digest, slot);
    }

    /// Writes over a slot, live or not. The new group is joined before the old one is left, so that
    /// no moment exists at which the entry is in none.
    pub(super) fn replace(&mut self, key: &Key, write: Write, groups: &Groups) {
        let Some(slot) = self.slots.get_mut(&key.digest) else {
            return;
        };
        if slot.entry.expires_at != write.expires_at {
            self.by_expiry.remove(&(slot.entry.expires_at, key.digest));
            self.by_expiry.insert((write.expires_at, key.digest));
        }
        if slot.group != write.group {
            if let Some(group) = &write.group {
                groups.join(group, key);
            }
            if let Some(group) = &slot.group {
                groups.leave(group, key);
            }
        }
        let before = count(&slot.entry);
        slot.entry = Entry::new(write.value, write.version, write.expires_at);
        slot.group = write.group;
        if self.room.is_evictable {
            self.by_count.remove(&(before, key.digest));
            self.by_count.insert((count(&slot.entry), key.digest));
        }
    }

    pub(super) fn remove(&mut self, digest: &[u8; 32], groups: &Groups) -> Option<Slot> {
        let slot = self.slots.remove(digest)?;
        self.by_expiry.remove(&(slot.entry.expires_at, *digest));
        if self.room.is_evictable {
            self.by_count.remove(&(count(&slot.entry), *digest));
        }
        if let Some(group) = &slot.group {
            let key = Key::undeclared(self.room.name.clone(), *digest);
            groups.leave(group, &key);
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

    /// Removes the counter that has counted least.
    pub(super) fn remove_least(&mut self, groups: &Groups) -> Option<Slot> {
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

/// Counts the entries of one namespace in all shards.
pub(super) struct Room {
    pub(super) name: Cow<'static, str>,
    pub(super) is_evictable: bool,
    entries: AtomicUsize,
}

impl Room {
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

    /// A place for a new entry, unless `capacity` are taken.
    pub(super) fn reserve(self: &Arc<Self>, capacity: usize) -> Option<Place> {
        let one_more = |entries: usize| (entries < capacity).then(|| entries + 1);
        self.entries
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more)
            .ok()
            .map(|_| Place(Arc::clone(self)))
    }
}

/// The right to one entry in a namespace. It is given back when dropped, so the count cannot drift.
pub(super) struct Place(Arc<Room>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.entries.fetch_sub(1, Ordering::Relaxed);
    }
}

/// More than the one entry that a write can add, and few enough not to be noticed.
const PURGED_PER_WRITE: usize = 4;

/// Whether a table is so much larger than what is in it that it should shrink.
pub(super) fn is_sparse(length: usize, capacity: usize) -> bool {
    capacity > SMALL && length < capacity / 8
}

/// What an entry has counted. One that is no number counts most.
fn count(entry: &Entry) -> Count {
    let sum = number(&entry.value).unwrap_or(i64::MAX);
    (sum, entry.expires_at)
}

/// Below this many slots a table is not worth shrinking.
const SMALL: usize = 256;
