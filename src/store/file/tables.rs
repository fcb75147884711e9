//! The tables in the file, and the operations on them within one transaction.
//!
//! `entries` holds each entry under its key. `groups` and `expiries` are indexes that change in the
//! same transaction: the keys of each group, and the keys by their expiry, except for those that
//! never expire.

use bytes::Bytes;
use redb::{Database, ReadTransaction, ReadableTable, Table, TableDefinition, WriteTransaction};

use super::fault::FileFault;
use crate::{
    clock::Timestamp,
    error::StoreError,
    store::{Entry, StoreKey, Version, When, Write, number, permits},
};

/// Version, expiry, encoded key of the group or nothing, value.
type EntryRow = (u64, u64, &'static [u8], &'static [u8]);
type GroupRow = (&'static [u8], &'static [u8]);
type ExpiryRow = (u64, &'static [u8]);

/// Creates the tables of a new file.
pub(super) fn create(database: &Database) -> Result<(), redb::Error> {
    let mut transaction = database.begin_write()?;
    transaction.set_two_phase_commit(true);
    {
        transaction.open_table(META)?.insert(FORMAT_NAME, FORMAT)?;
        Tables::open(&transaction, false).map(drop)?;
    }
    Ok(transaction.commit()?)
}

/// Removes up to `limit` expired entries in a separate transaction.
pub(super) fn purge(database: &Database, now: Timestamp, limit: usize) -> Result<(), redb::Error> {
    let mut transaction = database.begin_write()?;
    transaction.set_two_phase_commit(true);
    let mut tables = Tables::open(&transaction, false)?;
    tables.purge(now, limit)?;
    let has_changed = tables.has_changed();
    drop(tables);
    if has_changed {
        Ok(transaction.commit()?)
    } else {
        Ok(transaction.abort()?)
    }
}

/// The last committed state. Each operation opens only the tables that it needs, which takes half
/// the time of a `get`.
pub(super) struct ReadView {
    transaction: ReadTransaction,
    now: Timestamp,
}

impl ReadView {
    pub(super) fn new(transaction: ReadTransaction, now: Timestamp) -> Self {
        Self { transaction, now }
    }

    pub(super) fn get(&self, key: &StoreKey) -> Result<Option<Entry>, FileFault> {
        let entries = self.transaction.open_table(ENTRIES)?;
        let found = find(&entries, &encode(key))?;
        Ok(found
            .map(|row| row.entry)
            .filter(|entry| entry.is_live(self.now)))
    }

    pub(super) fn list(&self, group: &StoreKey) -> Result<Vec<(StoreKey, Entry)>, FileFault> {
        let entries = self.transaction.open_table(ENTRIES)?;
        let groups = self.transaction.open_table(GROUPS)?;
        let group = encode(group);
        let mut live = Vec::new();
        for id in members(&groups, &group)? {
            if let Some(row) = find(&entries, &id)?
                && row.group == group
                && row.entry.is_live(self.now)
            {
                live.push((decode(&id)?, row.entry));
            }
        }
        Ok(live)
    }
}

/// The state of a transaction after the writes so far.
pub(super) struct Tables<'t> {
    entries: Table<'t, &'static [u8], EntryRow>,
    groups: Table<'t, GroupRow, ()>,
    expiries: Table<'t, ExpiryRow, ()>,
    has_changed: bool,
    /// Whether the disk is full, so that no entry may grow.
    is_disk_full: bool,
}

impl<'t> Tables<'t> {
    pub(super) fn open(
        transaction: &'t WriteTransaction,
        is_disk_full: bool,
    ) -> Result<Self, redb::Error> {
        Ok(Self {
            entries: transaction.open_table(ENTRIES)?,
            groups: transaction.open_table(GROUPS)?,
            expiries: transaction.open_table(EXPIRIES)?,
            has_changed: false,
            is_disk_full,
        })
    }

    /// Returns whether there is anything to commit.
    pub(super) fn has_changed(&self) -> bool {
        self.has_changed
    }

    pub(super) fn put(
        &mut self,
        key: &StoreKey,
        write: &Write,
        when: When,
        now: Timestamp,
    ) -> Result<bool, FileFault> {
        let id = encode(key);
        let current = find(&self.entries, &id)?;
        let is_permitted = permits(when, current.as_ref().map(|row| &row.entry), now);
        if is_permitted {
            self.check_space(current.as_ref(), write, now)?;
            self.replace(&id, current.as_ref(), write, now)?;
        }
        Ok(is_permitted)
    }

    pub(super) fn take(
        &mut self,
        key: &StoreKey,
        now: Timestamp,
    ) -> Result<Option<Entry>, FileFault> {
        let id = encode(key);
        let taken = self.remove(&id)?;
        Ok(taken.filter(|entry| entry.is_live(now)))
    }

    /// `fresh` has the version of this addition, and the expiry in case it is the first.
    pub(super) fn add(
        &mut self,
        key: &StoreKey,
        delta: i64,
        mut fresh: Write,
        now: Timestamp,
    ) -> Result<i64, FileFault> {
        let id = encode(key);
        let current = find(&self.entries, &id)?;
        let mut sum = delta;
        let mut group = Vec::new();
        if let Some(row) = current.as_ref().filter(|row| row.entry.is_live(now)) {
            let before = number(&row.entry.value).map_err(FileFault::Operation)?;
            sum = before.saturating_add(delta);
            fresh.expires_at = row.entry.expires_at;
            group.clone_from(&row.group);
        }
        if sum == 0 {
            self.remove(&id)?;
            return Ok(0);
        }
        fresh.value = sum.to_string().into();
        if !group.is_empty() {
            fresh.group = Some(decode(&group)?);
        }
        self.check_space(current.as_ref(), &fresh, now)?;
        self.replace(&id, current.as_ref(), &fresh, now)?;
        Ok(sum)
    }

    fn check_space(
        &self,
        current: Option<&GroupedEntry>,
        write: &Write,
        now: Timestamp,
    ) -> Result<(), FileFault> {
        let room = current.map(|row| row.entry.value.len());
        let grows = write.expires_at > now && room.is_none_or(|room| write.value.len() > room);
        if self.is_disk_full && grows {
            Err(FileFault::Operation(StoreError::Full))
        } else {
            Ok(())
        }
    }

    pub(super) fn remove_group(
        &mut self,
        group: &StoreKey,
        now: Timestamp,
    ) -> Result<u64, FileFault> {
        let mut removed = 0;
        for id in members(&self.groups, &encode(group))? {
            let entry = self.remove(&id)?;
            removed += u64::from(entry.is_some_and(|entry| entry.is_live(now)));
        }
        Ok(removed)
    }

    /// Removes up to `limit` expired entries, the earliest first.
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

    /// Overwrites `current`. A write that has already expired removes it.
    fn replace(
        &mut self,
        id: &[u8],
        current: Option<&GroupedEntry>,
        write: &Write,
        now: Timestamp,
    ) -> Result<(), redb::StorageError> {
        if write.expires_at <= now {
            return self.remove(id).map(drop);
        }
        self.has_changed = true;
        let group = write.group.as_ref().map(encode).unwrap_or_default();
        let expires_at = write.expires_at;
        if let Some(row) = current {
            self.unindex(id, row, Some((&group, expires_at)))?;
        }
        let row = (
            write.version.as_u64(),
            expires_at.as_millis(),
            &*group,
            &*write.value,
        );
        self.entries.insert(id, row)?;
        if !group.is_empty() && current.is_none_or(|row| row.group != group) {
            self.groups.insert((&*group, id), ())?;
        }
        let is_new = current.is_none_or(|row| row.entry.expires_at != expires_at);
        if is_new && expires_at != Timestamp::NEVER {
            self.expiries.insert((expires_at.as_millis(), id), ())?;
        }
        Ok(())
    }

    fn remove(&mut self, id: &[u8]) -> Result<Option<Entry>, redb::StorageError> {
        let Some(row) = self
            .entries
            .remove(id)?
            .map(|row| GroupedEntry::new(row.value()))
        else {
            return Ok(None);
        };
        self.has_changed = true;
        self.unindex(id, &row, None)?;
        Ok(Some(row.entry))
    }

    /// Removes an entry from the indexes, except for rows that its successor shares.
    fn unindex(
        &mut self,
        id: &[u8],
        row: &GroupedEntry,
        successor: Option<(&[u8], Timestamp)>,
    ) -> Result<(), redb::StorageError> {
        let expires_at = row.entry.expires_at;
        let stays = |group: &[u8]| successor.is_some_and(|(next, _)| next == group);
        if !row.group.is_empty() && !stays(&row.group) {
            self.groups.remove((&*row.group, id))?;
        }
        if expires_at != Timestamp::NEVER && successor.is_none_or(|(_, next)| next != expires_at) {
            self.expiries.remove((expires_at.as_millis(), id))?;
        }
        Ok(())
    }
}

/// An entry and its group.
struct GroupedEntry {
    entry: Entry,
    /// The group's encoded key, empty for none.
    group: Vec<u8>,
}

impl GroupedEntry {
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
    entries: &impl ReadableTable<&'static [u8], EntryRow>,
    id: &[u8],
) -> Result<Option<GroupedEntry>, redb::StorageError> {
    Ok(entries.get(id)?.map(|row| GroupedEntry::new(row.value())))
}

fn members(
    groups: &impl ReadableTable<GroupRow, ()>,
    group: &[u8],
) -> Result<Vec<Vec<u8>>, redb::StorageError> {
    let mut ids = Vec::new();
    for row in groups.range((group, &[][..])..)? {
        let (row_key, _) = row?;
        let (found, id) = row_key.value();
        if found != group {
            break;
        }
        ids.push(id.to_vec());
    }
    Ok(ids)
}

/// Encodes the namespace, then the digest. The digest has a fixed length, so no two keys have the
/// same encoding.
fn encode(key: &StoreKey) -> Vec<u8> {
    [key.namespace().as_bytes(), key.digest()].concat()
}

fn decode(id: &[u8]) -> Result<StoreKey, FileFault> {
    id.split_last_chunk()
        .and_then(|(namespace, digest)| {
            let namespace = std::str::from_utf8(namespace).ok()?;
            Some(StoreKey::from_stored(namespace, *digest))
        })
        .ok_or_else(|| FileFault::Operation(StoreError::Corrupt("a stored key is invalid".into())))
}

/// The version of the tables below. It increases when an older version of the crate would misread
/// them.
pub(super) const FORMAT: u64 = 1;
pub(super) const FORMAT_NAME: &str = "format";
/// The number of committed transactions, which shows whether one with a lost answer is among them.
pub(super) const COMMITS_NAME: &str = "commits";
pub(super) const META: TableDefinition<'_, &str, u64> = TableDefinition::new("tower-jam");

pub(super) const ENTRIES: TableDefinition<'_, &[u8], EntryRow> = TableDefinition::new("entries");
pub(super) const GROUPS: TableDefinition<'_, GroupRow, ()> = TableDefinition::new("groups");
pub(super) const EXPIRIES: TableDefinition<'_, ExpiryRow, ()> = TableDefinition::new("expiries");
