//! The tables in the file, and the verbs on them inside one transaction.
//!
//! `entries` holds each entry under its key. `groups` and `expiries` are indexes of it, changed in the same
//! transaction: the keys of each group, and the keys by the time at which they are gone, those that never are
//! left out.

use bytes::Bytes;
use redb::{Database, ReadTransaction, ReadableTable, Table, TableDefinition, WriteTransaction};

use super::fault::Fault;
use crate::{
    clock::Timestamp,
    error::StoreError,
    store::{Entry, Key, Version, When, Write, number, permits},
};

/// Version, expiry, key of the group or nothing, value.
type Row = (u64, u64, &'static [u8], &'static [u8]);
type Groups = (&'static [u8], &'static [u8]);
type Expiries = (u64, &'static [u8]);

/// Makes the tables of a new file.
pub(super) fn create(database: &Database) -> Result<(), redb::Error> {
    let mut transaction = database.begin_write()?;
    transaction.set_two_phase_commit(true);
    {
        transaction.open_table(META)?.insert(FORMAT_NAME, FORMAT)?;
        Tables::open(&transaction, false).map(drop)?;
    }
    Ok(transaction.commit()?)
}

/// Removes up to `limit` expired entries in a transaction of its own.
pub(super) fn purge(database: &Database, now: Timestamp, limit: usize) -> Result<(), redb::Error> {
    let mut transaction = database.begin_write()?;
    transaction.set_two_phase_commit(true);
    let mut tables = Tables::open(&transaction, false)?;
    tables.purge(now, limit)?;
    let has_changed = tables.has_changed();
    drop(tables);
    match has_changed {
        true => Ok(transaction.commit()?),
        false => Ok(transaction.abort()?),
    }
}

/// The last committed state. Each verb opens the tables that it needs, which is half the time of a `get`.
pub(super) struct Reading {
    transaction: ReadTransaction,
    now: Timestamp,
}

impl Reading {
    pub(super) fn new(transaction: ReadTransaction, now: Timestamp) -> Self {
        Self { transaction, now }
    }

    pub(super) fn get(&self, key: &Key) -> Result<Option<Entry>, Fault> {
        let entries = self.transaction.open_table(ENTRIES)?;
        let found = find(&entries, &encode(key))?;
        Ok(found
            .map(|slot| slot.entry)
            .filter(|entry| entry.is_live(self.now)))
    }

    pub(super) fn list(&self, group: &Key) -> Result<Vec<(Key, Entry)>, Fault> {
        let entries = self.transaction.open_table(ENTRIES)?;
        let groups = self.transaction.open_table(GROUPS)?;
        let group = encode(group);
        let mut live = Vec::new();
        for id in members(&groups, &group)? {
            if let Some(slot) = find(&entries, &id)?
                && slot.group == group
                && slot.entry.is_live(self.now)
            {
                live.push((decode(&id)?, slot.entry));
            }
        }
        Ok(live)
    }
}

/// The state as the writes so far have left it.
pub(super) struct Tables<'t> {
    entries: Table<'t, &'static [u8], Row>,
    groups: Table<'t, Groups, ()>,
    expiries: Table<'t, Expiries, ()>,
    has_changed: bool,
    /// Whether the disk is full, so that nothing may become larger.
    is_tight: bool,
}

impl<'t> Tables<'t> {
    pub(super) fn open(
        transaction: &'t WriteTransaction,
        is_tight: bool,
    ) -> Result<Self, redb::Error> {
        Ok(Self {
            entries: transaction.open_table(ENTRIES)?,
            groups: transaction.open_table(GROUPS)?,
            expiries: transaction.open_table(EXPIRIES)?,
            has_changed: false,
            is_tight,
        })
    }

    /// Whether there is anything to bring to the disk.
    pub(super) fn has_changed(&self) -> bool {
        self.has_changed
    }

    pub(super) fn put(
        &mut self,
        key: &Key,
        write: &Write,
        when: When,
        now: Timestamp,
    ) -> Result<bool, Fault> {
        let id = encode(key);
        let current = find(&self.entries, &id)?;
        let is_permitted = permits(when, current.as_ref().map(|slot| &slot.entry), now);
        if is_permitted {
            self.check_room(current.as_ref(), write, now)?;
            self.replace(&id, current.as_ref(), write, now)?;
        }
        Ok(is_permitted)
    }

    pub(super) fn take(&mut self, key: &Key, now: Timestamp) -> Result<Option<Entry>, Fault> {
        let id = encode(key);
        let taken = self.remove(&id)?;
        Ok(taken.filter(|entry| entry.is_live(now)))
    }

    /// `fresh` brings the version of this addition, and the expiry if it is the first.
    pub(super) fn add(
        &mut self,
        key: &Key,
        delta: i64,
        mut fresh: Write,
        now: Timestamp,
    ) -> Result<i64, Fault> {
        let id = encode(key);
        let current = find(&self.entries, &id)?;
        let mut sum = delta;
        let mut group = Vec::new();
        if let Some(slot) = current.as_ref().filter(|slot| slot.entry.is_live(now)) {
            let before = number(&slot.entry.value).map_err(Fault::Verb)?;
            sum = before.saturating_add(delta);
            fresh.expires_at = slot.entry.expires_at;
            group.clone_from(&slot.group);
        }
        if sum == 0 {
            self.remove(&id)?;
            return Ok(0);
        }
        fresh.value = sum.to_string().into();
        if !group.is_empty() {
            fresh.group = Some(decode(&group)?);
        }
        self.check_room(current.as_ref(), &fresh, now)?;
        self.replace(&id, current.as_ref(), &fresh, now)?;
        Ok(sum)
    }

    fn check_room(
        &self,
        current: Option<&Slot>,
        write: &Write,
        now: Timestamp,
    ) -> Result<(), Fault> {
        let room = current.map(|slot| slot.entry.value.len());
        let grows = write.expires_at > now && room.is_none_or(|room| write.value.len() > room);
        match self.is_tight && grows {
            true => Err(Fault::Verb(StoreError::Full)),
            false => Ok(()),
        }
    }

    pub(super) fn remove_group(&mut self, group: &Key, now: Timestamp) -> Result<u64, Fault> {
        let mut removed = 0;
        for id in members(&self.groups, &encode(group))? {
            let entry = self.remove(&id)?;
            removed += u64::from(entry.is_some_and(|entry| entry.is_live(now)));
        }
        Ok(removed)
    }

    /// Removes up to `limit` entries that have expired, the earliest first.
    pub(super) fn purge(&mut self, now: Timestamp, limit: usize) -> Result<(), redb::StorageError> {
        let end = now.as_millis().saturating_add(1);
        let expired = self.expiries.range(..(end, &[][..]))?.take(limit);
        let ids: Vec<_> = expired
            .map(|row| Ok(row?.0.value().1.to_vec()))
            .collect::<Result<_, redb::StorageError>>()?;
        for id in ids {
            self.remove(&id)?;
        }
        Ok(())
    }

    /// Writes over `current`. What has expired already is not written.
    fn replace(
        &mut self,
        id: &[u8],
        current: Option<&Slot>,
        write: &Write,
        now: Timestamp,
    ) -> Result<(), redb::StorageError> {
        if write.expires_at <= now {
            return self.remove(id).map(drop);
        }
        self.has_changed = true;
        let group = write.group.as_ref().map(encode).unwrap_or_default();
        let expires_at = write.expires_at;
        if let Some(slot) = current {
            self.unlist(id, slot, Some((&group, expires_at)))?;
        }
        let row = (
            write.version.as_u64(),
            expires_at.as_millis(),
            &*group,
            &*write.value,
        );
        self.entries.insert(id, row)?;
        if !group.is_empty() && current.is_none_or(|slot| slot.group != group) {
            self.groups.insert((&*group, id), ())?;
        }
        let is_new = current.is_none_or(|slot| slot.entry.expires_at != expires_at);
        if is_new && expires_at != Timestamp::NEVER {
            self.expiries.insert((expires_at.as_millis(), id), ())?;
        }
        Ok(())
    }

    fn remove(&mut self, id: &[u8]) -> Result<Option<Entry>, redb::StorageError> {
        let Some(slot) = self.entries.remove(id)?.map(|row| Slot::new(row.value())) else {
            return Ok(None);
        };
        self.has_changed = true;
        self.unlist(id, &slot, None)?;
        Ok(Some(slot.entry))
    }

    /// Takes a slot out of the indexes, but for the places that its successor has too.
    fn unlist(
        &mut self,
        id: &[u8],
        slot: &Slot,
        successor: Option<(&[u8], Timestamp)>,
    ) -> Result<(), redb::StorageError> {
        let expires_at = slot.entry.expires_at;
        let stays = |group: &[u8]| successor.is_some_and(|(next, _)| next == group);
        if !slot.group.is_empty() && !stays(&slot.group) {
            self.groups.remove((&*slot.group, id))?;
        }
        if expires_at != Timestamp::NEVER && successor.is_none_or(|(_, next)| next != expires_at) {
            self.expiries.remove((expires_at.as_millis(), id))?;
        }
        Ok(())
    }
}

/// An entry with its place in a group.
struct Slot {
    entry: Entry,
    /// The group's key as it is stored, empty for none.
    group: Vec<u8>,
}

impl Slot {
    fn new((version, expires_at, group, value): (u64, u64, &[u8], &[u8])) -> Self {
        let entry = Entry::new(
            Bytes::copy_from_slice(value),
            Version::from_stored(version),
            Timestamp::from_millis(expires_at),
        );
        Self {
            entry,
            group: group.to_vec(),
        }
    }
}

fn find(
    entries: &impl ReadableTable<&'static [u8], Row>,
    id: &[u8],
) -> Result<Option<Slot>, redb::StorageError> {
    Ok(entries.get(id)?.map(|row| Slot::new(row.value())))
}

fn members(
    groups: &impl ReadableTable<Groups, ()>,
    group: &[u8],
) -> Result<Vec<Vec<u8>>, redb::StorageError> {
    let mut ids = Vec::new();
    for row in groups.range((group, &[][..])..)? {
        let (place, _) = row?;
        let (found, id) = place.value();
        if found != group {
            break;
        }
        ids.push(id.to_vec());
    }
    Ok(ids)
}

/// The namespace, then the digest. The digest's length is fixed, so no two keys look alike.
fn encode(key: &Key) -> Vec<u8> {
    [key.namespace().as_bytes(), key.digest()].concat()
}

fn decode(id: &[u8]) -> Result<Key, Fault> {
    id.split_last_chunk()
        .and_then(|(namespace, digest)| {
            let namespace = std::str::from_utf8(namespace).ok()?;
            Some(Key::from_stored(namespace, *digest))
        })
        .ok_or_else(|| Fault::Verb(StoreError::Corrupt("a stored key is none".into())))
}

/// What the tables below mean. It is raised when an older version would misread them.
pub(super) const FORMAT: u64 = 1;
pub(super) const FORMAT_NAME: &str = "format";
/// How many transactions the file has seen, which tells whether one whose answer was lost is among them.
pub(super) const COMMITS_NAME: &str = "commits";
pub(super) const META: TableDefinition<'_, &str, u64> = TableDefinition::new("tower-jam");

pub(super) const ENTRIES: TableDefinition<'_, &[u8], Row> = TableDefinition::new("entries");
pub(super) const GROUPS: TableDefinition<'_, Groups, ()> = TableDefinition::new("groups");
pub(super) const EXPIRIES: TableDefinition<'_, Expiries, ()> = TableDefinition::new("expiries");
