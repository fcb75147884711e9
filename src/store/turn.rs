//! Who lost a compare-and-swap waits for those of this node who lost one on the same key before.
//!
//! Nobody waits who has not lost. A hundred tasks that change one value would else read it a hundred times for each of their
//! writes; in turns each reads it once or twice. A turn ends with the future that holds it, so a wait is as long as the
//! deadlines of those before, which began earlier and end earlier.

use std::{
    collections::{HashMap, VecDeque},
    future::poll_fn,
    sync::{LazyLock, Mutex, MutexGuard, PoisonError},
    task::{Poll, Waker},
};

use super::{Key, Store};

/// A place in the line of those who want to change one value. Dropping it leaves the line.
pub(super) struct Turn {
    place: Place,
    ticket: u64,
}

/// A store, by its address, and a key in it.
type Place = (usize, Key);

#[derive(Default)]
struct Lines {
    by_place: HashMap<Place, VecDeque<Waiting>>,
    tickets: u64,
}

struct Waiting {
    ticket: u64,
    waker: Option<Waker>,
}

impl Turn {
    /// Waits in the line until it is first.
    pub(super) async fn wait(store: &dyn Store, key: &Key) -> Self {
        let address = std::ptr::from_ref(store).cast::<()>().addr();
        let turn = Self::join((address, key.clone()));
        poll_fn(|cx| {
            let mut lines = lines();
            let line = lines.by_place.get_mut(&turn.place);
            let own = line.and_then(|line| {
                let is_own = |(_, waiting): &(usize, &mut Waiting)| waiting.ticket == turn.ticket;
                line.iter_mut().enumerate().find(is_own)
            });
            match own {
                Some((at, waiting)) if at > 0 => {
                    waiting.waker = Some(cx.waker().clone());
                    Poll::Pending
                }
                _ => Poll::Ready(()),
            }
        })
        .await;
        turn
    }

    fn join(place: Place) -> Self {
        let mut lines = lines();
        lines.tickets += 1;
        let ticket = lines.tickets;
        let line = lines.by_place.entry(place.clone()).or_default();
        line.push_back(Waiting {
            ticket,
            waker: None,
        });
        Self { place, ticket }
    }

    /// Leaves the line, and returns who is first now.
    fn leave(&self) -> Option<Waker> {
        let mut lines = lines();
        let line = lines.by_place.get_mut(&self.place)?;
        line.retain(|waiting| waiting.ticket != self.ticket);
        match line.front_mut() {
            Some(first) => first.waker.take(),
            None => {
                lines.by_place.remove(&self.place);
                None
            }
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        // Foreign code, and so without the lock.
        if let Some(waker) = self.leave() {
            waker.wake();
        }
    }
}

fn lines() -> MutexGuard<'static, Lines> {
    static LINES: LazyLock<Mutex<Lines>> = LazyLock::new(Mutex::default);
    LINES.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::{pin::pin, task::Context};

    use super::*;
    use crate::store::MemoryStore;

    fn is_ready(future: &mut std::pin::Pin<&mut impl Future<Output = Turn>>) -> Option<Turn> {
        match future
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
        {
            Poll::Ready(turn) => Some(turn),
            Poll::Pending => None,
        }
    }

    #[test]
    fn turns_come_one_after_the_other_whoever_vanishes() {
        let (store, other) = (MemoryStore::new(), MemoryStore::new());
        let key = Key::new("example", &[b"turns"]);
        let mut first = pin!(Turn::wait(&store, &key));
        let held = is_ready(&mut first).expect("nobody is before it");
        let mut elsewhere = pin!(Turn::wait(&other, &key));
        assert!(is_ready(&mut elsewhere).is_some(), "another store");
        let mut second = Box::pin(Turn::wait(&store, &key));
        let mut third = pin!(Turn::wait(&store, &key));
        assert!(is_ready(&mut second.as_mut()).is_none());
        assert!(is_ready(&mut third).is_none());
        drop(second);
        assert!(is_ready(&mut third).is_none());
        drop(held);
        let held = is_ready(&mut third).expect("those before it have left");
        drop(held);
        let is_forgotten = |store: &MemoryStore| {
            let address = std::ptr::from_ref(store).addr();
            !lines().by_place.keys().any(|(place, _)| *place == address)
        };
        assert!(is_forgotten(&store) && is_forgotten(&other));
    }
}
