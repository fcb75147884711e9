//! Writes of which nobody knows whether they were made.

use std::{
    collections::HashSet,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use crate::store::Key;

/// The keys of writes whose answers were lost. Whoever reads such a key next does so to learn what became of the write,
/// and what it finds must be as safe as an answer would have been.
#[derive(Default)]
pub(super) struct Doubts {
    keys: Mutex<HashSet<Key>>,
    /// Their number, so that a read with nothing in doubt takes no lock.
    count: AtomicUsize,
}

impl Doubts {
    pub(super) fn note(&self, key: &Key) {
        self.change(|keys| {
            // Of so many nobody asks any more.
            if keys.len() >= MOST {
                keys.clear();
            }
            keys.insert(key.clone())
        });
    }

    /// The doubt about a write of the key, if there is one: one caller's to settle.
    pub(super) fn take<'a>(&'a self, key: &'a Key) -> Option<Doubt<'a>> {
        let is_doubted =
            self.count.load(Ordering::Acquire) != 0 && self.change(|keys| keys.remove(key));
        // Made only then: dropping one notes it.
        is_doubted.then(|| Doubt {
            doubts: self,
            key,
            is_settled: false,
        })
    }

    fn change(&self, change: impl FnOnce(&mut HashSet<Key>) -> bool) -> bool {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let outcome = change(&mut keys);
        self.count.store(keys.len(), Ordering::Release);
        outcome
    }
}

/// Is back among the others when it is dropped, so that a caller who goes away half-way settles nothing.
pub(super) struct Doubt<'a> {
    doubts: &'a Doubts,
    key: &'a Key,
    is_settled: bool,
}

impl Doubt<'_> {
    pub(super) fn settle(mut self) {
        self.is_settled = true;
    }
}

impl Drop for Doubt<'_> {
    fn drop(&mut self) {
        if !self.is_settled {
            self.doubts.note(self.key);
        }
    }
}

const MOST: usize = 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_doubt_is_settled_once_and_their_number_is_bounded() {
        let doubts = Doubts::default();
        let key = |number: usize| Key::new("example", &[&number.to_be_bytes()]);
        let (first, second) = (key(0), key(1));
        assert!(doubts.take(&first).is_none());
        doubts.note(&first);
        assert!(doubts.take(&second).is_none());
        let taken = doubts.take(&first).unwrap();
        assert!(doubts.take(&first).is_none(), "it is one caller's");
        drop(taken);
        doubts.take(&first).unwrap().settle();
        assert!(doubts.take(&first).is_none());
        let left = doubts.count.load(Ordering::Acquire);
        assert_eq!(left, 0, "to ask is not to doubt");
        for number in 0..2 * MOST {
            doubts.note(&key(number));
        }
        assert_eq!(doubts.count.load(Ordering::Acquire), MOST);
    }
}
