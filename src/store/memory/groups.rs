//! Which entries are in which group.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard},
};

use super::{Key, SHARDS, Seeded, lock, shard::is_sparse};

/// The members of every group. It is changed under the lock of the entry's shard, so that an entry
/// and its membership cannot be seen apart.
pub(super) struct Groups {
    hashing: Seeded,
    shards: Box<[Mutex<Members>]>,
}

type Members = HashMap<Key, HashSet<Key, Seeded>, Seeded>;

impl Groups {
    pub(super) fn new(hashing: Seeded) -> Self {
        Self {
            hashing,
            shards: (0..SHARDS)
                .map(|_| Mutex::new(HashMap::with_hasher(hashing)))
                .collect(),
        }
    }

    pub(super) fn join(&self, group: &Key, member: &Key) {
        self.shard(group)
            .entry(group.clone())
            .or_insert_with(|| HashSet::with_hasher(self.hashing))
            .insert(member.clone());
    }

    /// A group without members is forgotten, or users who have gone would be kept for ever.
    pub(super) fn leave(&self, group: &Key, member: &Key) {
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
            let room = shard.len() * 2;
            shard.shrink_to(room);
        }
    }

    /// A copy, since the entries are read under their own locks, which come before this one.
    pub(super) fn members(&self, group: &Key) -> Vec<Key> {
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

    /// For how many groups, and members of them, there is room.
    #[cfg(test)]
    pub(super) fn room(&self) -> usize {
        let rooms = self.shards.iter().map(|shard| {
            let shard = lock(shard);
            let members = shard.values().map(HashSet::capacity);
            shard.capacity() + members.sum::<usize>()
        });
        rooms.sum()
    }

    fn shard(&self, group: &Key) -> MutexGuard<'_, Members> {
        lock(&self.shards[self.hashing.shard(&group.digest, SHARDS)])
    }
}
