//! The members of each group.

use std::collections::{HashMap, HashSet};

use foldhash::quality::RandomState;

use crate::store::{StoreKey, sharded::Sharded};

/// The members of every group. They change under the lock of the entry's shard, so an entry and its
/// membership change together for every observer.
pub(super) struct Groups(Sharded<GroupMembers>);

type GroupMembers = HashMap<StoreKey, HashSet<StoreKey, RandomState>, RandomState>;

impl Groups {
    pub(super) fn new(shards: usize) -> Self {
        Self(Sharded::new(shards, HashMap::with_hasher))
    }

    pub(super) fn add_member(&self, group: &StoreKey, member: &StoreKey) {
        let mut shard = self.0.of(group);
        let hashing = shard.hasher().clone();
        shard
            .entry(group.clone())
            .or_insert_with(|| HashSet::with_hasher(hashing))
            .insert(member.clone());
    }

    /// Also removes the group if it is empty; otherwise the groups of former users would remain for
    /// ever.
    pub(super) fn remove_member(&self, group: &StoreKey, member: &StoreKey) {
        let mut shard = self.0.of(group);
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
        let shard = self.0.of(group);
        shard
            .get(group)
            .map(|members| members.iter().cloned().collect())
            .unwrap_or_default()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.iter().map(|shard| shard.len()).sum()
    }

    /// The allocated capacity for groups and their members.
    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        let capacities = self.0.iter().map(|shard| {
            let members = shard.values().map(HashSet::capacity);
            shard.capacity() + members.sum::<usize>()
        });
        capacities.sum()
    }
}

/// Returns whether a table is so much larger than its contents that it should shrink.
pub(super) fn is_sparse(length: usize, capacity: usize) -> bool {
    capacity > SMALL && length < capacity / 8
}

/// A table with no more slots than this is not worth shrinking.
const SMALL: usize = 256;
