//! A fair queue for compare-and-swap: a task that loses a race waits for the other tasks of this
//! node that lost one on the same key before.
//!
//! A task that has not lost does not wait. Without the queue, a hundred tasks that change one value
//! would each read it about a hundred times per write; with it, each reads it once or twice. A
//! permit is released with the future that holds it, so no wait exceeds the deadlines of the tasks
//! ahead, which began earlier and end earlier.

use std::{
    collections::{HashMap, VecDeque},
    future::poll_fn,
    sync::{LazyLock, Mutex, MutexGuard, PoisonError},
    task::{Poll, Waker},
};

use super::{Store, StoreKey};

/// A position in the queue of tasks that change one value. Dropping it leaves the queue.
pub(super) struct SwapPermit {
    key: QueueKey,
    id: u64,
}

/// The address of a store, and a key in it.
type QueueKey = (usize, StoreKey);

#[derive(Default)]
struct SwapQueues {
    by_key: HashMap<QueueKey, VecDeque<QueuedSwap>>,
    last_id: u64,
}

struct QueuedSwap {
    id: u64,
    waker: Option<Waker>,
}

impl SwapPermit {
    /// Waits until the caller is first in the queue.
    pub(super) async fn acquire(store: &dyn Store, key: &StoreKey) -> Self {
        let address = std::ptr::from_ref(store).cast::<()>().addr();
        let permit = Self::join((address, key.clone()));
        poll_fn(|cx| {
            let mut queues = queues();
            let queue = queues.by_key.get_mut(&permit.key);
            let found = queue.and_then(|queue| {
                let is_this = |(_, queued): &(usize, &mut QueuedSwap)| queued.id == permit.id;
                queue.iter_mut().enumerate().find(is_this)
            });
            match found {
                Some((at, queued)) if at > 0 => {
                    queued.waker = Some(cx.waker().clone());
                    Poll::Pending
                }
                _ => Poll::Ready(()),
            }
        })
        .await;
        permit
    }

    fn join(key: QueueKey) -> Self {
        let mut queues = queues();
        queues.last_id += 1;
        let id = queues.last_id;
        let queue = queues.by_key.entry(key.clone()).or_default();
        queue.push_back(QueuedSwap { id, waker: None });
        Self { key, id }
    }

    /// Leaves the queue, and returns the waker of the task that is first now.
    fn leave(&self) -> Option<Waker> {
        let mut queues = queues();
        let queue = queues.by_key.get_mut(&self.key)?;
        queue.retain(|queued| queued.id != self.id);
        match queue.front_mut() {
            Some(first) => first.waker.take(),
            None => {
                queues.by_key.remove(&self.key);
                None
            }
        }
    }
}

impl Drop for SwapPermit {
    fn drop(&mut self) {
        // A waker runs foreign code, so the lock must not be held.
        if let Some(waker) = self.leave() {
            waker.wake();
        }
    }
}

fn queues() -> MutexGuard<'static, SwapQueues> {
    static QUEUES: LazyLock<Mutex<SwapQueues>> = LazyLock::new(Mutex::default);
    QUEUES.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::{pin::pin, task::Context};

    use super::*;
    use crate::store::MemoryStore;

    fn is_ready(
        future: &mut std::pin::Pin<&mut impl Future<Output = SwapPermit>>,
    ) -> Option<SwapPermit> {
        match future
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
        {
            Poll::Ready(permit) => Some(permit),
            Poll::Pending => None,
        }
    }

    #[test]
    fn permits_are_granted_in_order_even_if_a_waiting_task_goes_away() {
        let (store, other) = (MemoryStore::new(), MemoryStore::new());
        let key = StoreKey::new("example", &[b"queue"]);
        let mut first = pin!(SwapPermit::acquire(&store, &key));
        let held = is_ready(&mut first).expect("the queue is empty");
        let mut elsewhere = pin!(SwapPermit::acquire(&other, &key));
        assert!(is_ready(&mut elsewhere).is_some(), "another store");
        let mut second = Box::pin(SwapPermit::acquire(&store, &key));
        let mut third = pin!(SwapPermit::acquire(&store, &key));
        assert!(is_ready(&mut second.as_mut()).is_none());
        assert!(is_ready(&mut third).is_none());
        drop(second);
        assert!(is_ready(&mut third).is_none());
        drop(held);
        let held = is_ready(&mut third).expect("the tasks ahead have left");
        drop(held);
        let is_removed = |store: &MemoryStore| {
            let address = std::ptr::from_ref(store).addr();
            !queues().by_key.keys().any(|(key, _)| *key == address)
        };
        assert!(is_removed(&store) && is_removed(&other));
    }
}
