//! Writes with an unknown outcome.

use std::{
    collections::HashSet,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use crate::store::StoreKey;

/// The keys of writes whose answers were lost. The next read of such a key is meant to find out
/// what became of the write, and its result must be as durable as the answer would have been.
#[derive(Default)]
pub(super) struct UnsettledWrites {
    keys: Mutex<HashSet<StoreKey>>,
    /// The number of keys, so that a read takes no lock if there are none.
    count: AtomicUsize,
}

impl UnsettledWrites {
    pub(super) fn insert(&self, key: &StoreKey) {
        self.change(|keys| {
            // With so many, nobody waits for the outcomes any more.
            if keys.len() >= CAPACITY {
                keys.clear();
            }
            keys.insert(key.clone())
        });
    }

    /// Removes and returns the unsettled write of the key, if there is one. Only this caller can
    /// settle it.
    pub(super) fn take<'a>(&'a self, key: &'a StoreKey) -> Option<UnsettledWrite<'a>> {
        let is_unsettled =
            self.count.load(Ordering::Acquire) != 0 && self.change(|keys| keys.remove(key));
        // Made only if there is one: dropping the value inserts the key again.
        is_unsettled.then(|| UnsettledWrite {
            unsettled: self,
            key,
            is_settled: false,
        })
    }

    fn change(&self, change: impl FnOnce(&mut HashSet<StoreKey>) -> bool) -> bool {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let outcome = change(&mut keys);
        self.count.store(keys.len(), Ordering::Release);
        outcome
    }
}

/// A write with an unknown outcome. Dropping it without [`settle`](Self::settle) inserts it again,
/// so a caller that goes away early settles nothing.
pub(super) struct UnsettledWrite<'a> {
    unsettled: &'a UnsettledWrites,
    key: &'a StoreKey,
    is_settled: bool,
}

impl UnsettledWrite<'_> {
    pub(super) fn settle(mut self) {
        self.is_settled = true;
    }
}

impl Drop for UnsettledWrite<'_> {
    fn drop(&mut self) {
        if !self.is_settled {
            self.unsettled.insert(self.key);
        }
    }
}

const CAPACITY: usize = 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unsettled_write_is_settled_once_and_their_number_is_bounded() {
        let unsettled = UnsettledWrites::default();
        let key = |number: usize| StoreKey::new("example", &[&number.to_be_bytes()]);
        let (first, second) = (key(0), key(1));
        assert!(unsettled.take(&first).is_none());
        unsettled.insert(&first);
        assert!(unsettled.take(&second).is_none());
        let taken = unsettled.take(&first).unwrap();
        assert!(unsettled.take(&first).is_none(), "only one caller gets it");
        drop(taken);
        unsettled.take(&first).unwrap().settle();
        assert!(unsettled.take(&first).is_none());
        let left = unsettled.count.load(Ordering::Acquire);
        assert_eq!(left, 0, "a failed take adds nothing");
        for number in 0..2 * CAPACITY {
            unsettled.insert(&key(number));
        }
        assert_eq!(unsettled.count.load(Ordering::Acquire), CAPACITY);
    }
}
