//! The members of each group.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard},
};

use super::{SHARDS, Seeded, StoreKey, lock, shard::is_sparse};

/// The members of every group. They change under the lock of the entry's shard, so an entry and its
/// membership change together for every observer.
pub(super) struct Groups {
    hashing: Seeded,
    shards: Box<[Mutex<GroupMembers>]>,
}

type GroupMembers = HashMap<StoreKey, HashSet<StoreKey, Seeded>, Seeded>;

impl Groups {
    pub(super) fn new(hashing: Seeded) -> Self {
        Self {
            hashing,
            shards: (0..SHARDS)
                .map(|_| Mutex::new(HashMap::with_hasher(hashing)))
                .collect(),
        }
    }

    pub(super) fn add_member(&self, group: &StoreKey, member: &StoreKey) {
        self.shard(group)
            .entry(group.clone())
            .or_insert_with(|| HashSet::with_hasher(self.hashing))
            .insert(member.clone());
    }

    /// Also removes the group if it is empty; otherwise the groups of former users would remain for
    /// ever.
    pub(super) fn remove_member(&self, group: &StoreKey, member: &StoreKey) {
        let mut shard = self.shard(group);
        let Some(members) = shard.get_mut(group) else {
            return;
        };
        members.remove(member);
        if is_sparse(members.len(), members.capacity()) {
            members.shrink_to(members.len() * 2);
        }
        if members.is_empty() {
            shard.remove(group);
        }
        if is_sparse(shard.len(), shard.capacity()) {
            let capacity = shard.len() * 2;
            shard.shrink_to(capacity);
        }
    }

    /// Returns a copy, since the entries are read under their own locks, which come before this
    /// one.
    pub(super) fn members(&self, group: &StoreKey) -> Vec<StoreKey> {
        let shard = self.shard(group);
        shard
            .get(group)
            .map(|members| members.iter().cloned().collect())
            .unwrap_or_default()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).len()).sum()
    }

    /// The allocated capacity for groups and their members.
    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        let capacities = self.shards.iter().map(|shard| {
            let shard = lock(shard);
            let members = shard.values().map(HashSet::capacity);
            shard.capacity() + members.sum::<usize>()
        });
        capacities.sum()
    }

    fn shard(&self, group: &StoreKey) -> MutexGuard<'_, GroupMembers> {
        lock(&self.shards[self.hashing.shard(&group.digest, SHARDS)])
    }
}
