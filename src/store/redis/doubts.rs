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

    /// Whether a write of the key was in doubt until now.
    pub(super) fn forget(&self, key: &Key) -> bool {
        self.count.load(Ordering::Acquire) != 0 && self.change(|keys| keys.remove(key))
    }

    fn change(&self, change: impl FnOnce(&mut HashSet<Key>) -> bool) -> bool {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let outcome = change(&mut keys);
        self.count.store(keys.len(), Ordering::Release);
        outcome
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
        assert!(!doubts.forget(&key(0)));
        doubts.note(&key(0));
        assert!(!doubts.forget(&key(1)));
        assert!(doubts.forget(&key(0)));
        assert!(!doubts.forget(&key(0)));
        for number in 0..2 * MOST {
            doubts.note(&key(number));
        }
        assert_eq!(doubts.count.load(Ordering::Acquire), MOST);
    }
}
