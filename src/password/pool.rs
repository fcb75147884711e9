//! Limits how many hashes run at a time and how many wait, and decides which is next.
//!
//! A slot is reserved before any other work is spent on a request, and held until its hash is done.
//! An account, a device and a network each have a limit of slots. Networks take turns, so that a
//! network that floods the queue only delays itself.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{runtime::Handle, sync::oneshot};

use super::requester::{QuotaKey, Requester};
use crate::{error::StoreError, rejection::Rejection};

/// Limits the hashes that run, and those that run or wait.
pub(super) struct Pool(Arc<PoolInner>);

struct PoolInner {
    limits: Limits,
    state: Mutex<PoolState>,
}

#[derive(Clone, Copy, Debug)]
struct Limits {
    running: usize,
    slots: usize,
}

#[derive(Default)]
struct PoolState {
    running: usize,
    /// The number of slots in use, in total and by quota.
    taken: usize,
    held: HashMap<QuotaKey, usize>,
    /// The waiters by network.
    waiting: HashMap<QuotaKey, VecDeque<Waiter>>,
    /// The networks with waiters, in round-robin order.
    network_queue: VecDeque<QuotaKey>,
    next_id: u64,
}

struct Waiter {
    id: u64,
    permit: oneshot::Sender<RunPermit>,
}

impl Pool {
    pub(super) fn new(running: usize, waiting: usize) -> Self {
        let limits = Limits {
            running,
            slots: running + waiting,
        };
        Self(Arc::new(PoolInner {
            limits,
            state: Mutex::default(),
        }))
    }

    /// Reserves a slot in the queue. Refused at once if the queue is full, or a quota of the
    /// requester is used up.
    pub(super) fn admit(&self, requester: Requester) -> Result<QueueSlot, Rejection> {
        let inner = &self.0;
        let mut state = inner.lock();
        let is_full = state.taken >= inner.limits.slots;
        let limits = inner.limits;
        let holds_enough = |key: &QuotaKey| {
            let held = state.held.get(key).copied().unwrap_or(0);
            held >= limits.of(key)
        };
        if is_full || requester.quota_keys().any(holds_enough) {
            return Err(Rejection::throttled(
                RETRY,
                "too many passwords are waiting to be hashed",
            ));
        }
        state.taken += 1;
        for key in requester.quota_keys() {
            *state.held.entry(key.clone()).or_default() += 1;
        }
        Ok(QueueSlot {
            inner: Arc::clone(inner),
            requester,
        })
    }
}

impl Limits {
    fn of(self, key: &QuotaKey) -> usize {
        let share = match key {
            QuotaKey::Account(_) => ACCOUNT.min(self.slots.div_ceil(2)),
            QuotaKey::AccountNetwork(_) => ACCOUNT_NETWORK.min(self.slots.div_ceil(4)),
            QuotaKey::Device(_) => DEVICE.min(self.slots.div_ceil(4)),
            QuotaKey::Network(_) => self.slots - self.slots / 4,
            QuotaKey::Internal => self.slots,
        };
        share.max(1)
    }
}

impl PoolInner {
    fn lock(&self) -> MutexGuard<'_, PoolState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts waiters while there is room, one of each network in turn.
    fn start_waiters(self: &Arc<Self>, state: &mut PoolState) {
        while state.running < self.limits.running {
            let Some(network) = state.network_queue.pop_front() else {
                return;
            };
            let Some(queue) = state.waiting.get_mut(&network) else {
                continue;
            };
            let next = queue.pop_front();
            if queue.is_empty() {
                state.waiting.remove(&network);
            } else {
                state.network_queue.push_back(network);
            }
            let Some(waiter) = next else { continue };
            let permit = RunPermit(Some(Arc::clone(self)));
            match waiter.permit.send(permit) {
                Ok(()) => state.running += 1,
                // The waiter is gone. The lock is held, so this permit must not release itself.
                Err(mut unused) => drop(unused.0.take()),
            }
        }
    }
}

/// A slot in the queue. It is released when it and all work in it have finished.
pub(super) struct QueueSlot {
    inner: Arc<PoolInner>,
    requester: Requester,
}

impl QueueSlot {
    /// Runs `work` on a blocking thread of the runtime once it is this slot's turn. The slot stays
    /// reserved until the work has finished, even if the caller is dropped.
    pub(super) async fn run<T: Send + 'static>(
        self: Arc<Self>,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Rejection> {
        let permit = self.permit().await?;
        let runtime = Handle::try_current()
            .map_err(|error| Rejection::misconfigured("no tokio runtime").with_source(error))?;
        let task = runtime.spawn_blocking(move || {
            let output = work();
            drop((permit, self));
            output
        });
        let result = task.await;
        result.map_err(|error| StoreError::Unavailable(error.into()).into())
    }

    async fn permit(&self) -> Result<RunPermit, Rejection> {
        let (sender, receiver) = oneshot::channel();
        let waiting = {
            let mut state = self.inner.lock();
            let id = state.next_id;
            state.next_id += 1;
            let network = self.requester.network.clone();
            let queue = state.waiting.entry(network.clone()).or_default();
            let is_first = queue.is_empty();
            queue.push_back(Waiter { id, permit: sender });
            if is_first {
                state.network_queue.push_back(network);
            }
            self.inner.start_waiters(&mut state);
            QueuePosition { slot: self, id }
        };
        let permit = receiver.await;
        drop(waiting);
        permit.map_err(|error| StoreError::Unavailable(error.into()).into())
    }
}

impl Drop for QueueSlot {
    fn drop(&mut self) {
        let mut state = self.inner.lock();
        state.taken -= 1;
        for key in self.requester.quota_keys() {
            if let Some(held) = state.held.get_mut(key) {
                *held -= 1;
                if *held == 0 {
                    state.held.remove(key);
                }
            }
        }
    }
}

/// Removes a caller that is dropped while it waits from the queue.
struct QueuePosition<'a> {
    slot: &'a QueueSlot,
    id: u64,
}

impl Drop for QueuePosition<'_> {
    fn drop(&mut self) {
        let mut state = self.slot.inner.lock();
        let network = &self.slot.requester.network;
        let Some(queue) = state.waiting.get_mut(network) else {
            return;
        };
        queue.retain(|waiter| waiter.id != self.id);
        if queue.is_empty() {
            state.waiting.remove(network);
            state.network_queue.retain(|queued| queued != network);
        }
    }
}

/// The permission to compute now. Dropping it releases it.
struct RunPermit(Option<Arc<PoolInner>>);

impl Drop for RunPermit {
    fn drop(&mut self) {
        if let Some(inner) = self.0.take() {
            let mut state = inner.lock();
            state.running -= 1;
            inner.start_waiters(&mut state);
        }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.0.lock();
        f.debug_struct("Pool")
            .field("limits", &self.0.limits)
            .field("running", &state.running)
            .field("taken", &state.taken)
            .finish()
    }
}

/// Nobody types a password in more windows at once.
const ACCOUNT_NETWORK: usize = 8;
/// For all networks together, so that strangers in one cannot take every slot of a user elsewhere.
const ACCOUNT: usize = 24;
const DEVICE: usize = 4;

/// A full queue at OWASP's cost takes a second or two on two cores.
const RETRY: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use std::sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc,
    };

    use super::*;

    fn from(account: &str, address: &str) -> Requester {
        Requester::new(account, address.parse().unwrap(), None)
    }

    /// Keeps a slot busy until the sender is dropped.
    fn busy(slot: QueueSlot) -> (tokio::task::JoinHandle<()>, mpsc::Sender<()>) {
        let (sender, receiver) = mpsc::channel::<()>();
        let work = move || {
            let _ = receiver.recv();
        };
        let working = tokio::spawn(async move { Arc::new(slot).run(work).await.unwrap() });
        (working, sender)
    }

    fn admit(pool: &Pool) -> Result<QueueSlot, Rejection> {
        pool.admit(Requester::internal())
    }

    async fn until(holds: impl Fn() -> bool) {
        while !holds() {
            tokio::task::yield_now().await;
        }
    }

    /// Callers start and are dropped at every point. The running work is counted inside itself and
    /// ends only on request.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn no_more_runs_than_the_bound_when_callers_vanish() {
        const BOUND: usize = 3;
        let pool = Arc::new(Pool::new(BOUND, 5));
        let running = Arc::new(AtomicUsize::new(0));
        for _ in 0..200 {
            let (starts, started) = mpsc::channel();
            let (finish, finishes) = mpsc::channel::<()>();
            let finishes = Arc::new(Mutex::new(finishes));
            let callers: Vec<_> = (0..12)
                .map(|_| {
                    let pool = Arc::clone(&pool);
                    let (running, starts) = (Arc::clone(&running), starts.clone());
                    let finishes = Arc::clone(&finishes);
                    tokio::spawn(async move {
                        let slot = Arc::new(admit(&pool)?);
                        let work = move || {
                            let now = running.fetch_add(1, Ordering::SeqCst) + 1;
                            let _ = starts.send(now);
                            // Returns when the sender is dropped.
                            let _ = finishes.lock().map(|finishes| finishes.recv());
                            running.fetch_sub(1, Ordering::SeqCst);
                        };
                        slot.run(work).await
                    })
                })
                .collect();
            for _ in 0..BOUND {
                assert!(started.recv().unwrap() <= BOUND);
            }
            // All callers are dropped, including those with running work. Nobody else may start
            // before it ends.
            for caller in callers {
                caller.abort();
                let _ = caller.await;
            }
            {
                let state = pool.0.lock();
                assert_eq!((state.running, state.taken), (BOUND, BOUND));
                assert!(state.waiting.is_empty() && state.network_queue.is_empty());
            }
            assert!(started.try_recv().is_err());
            drop(finish);
            // Every slot is released.
            until(|| pool.0.lock().taken == 0).await;
            assert_eq!(pool.0.lock().running, 0);
        }
    }

    #[tokio::test]
    async fn waiters_run_in_order_and_excess_callers_are_refused() {
        let pool = Pool::new(1, 1);
        let (first, finish) = busy(admit(&pool).unwrap());
        until(|| pool.0.lock().running == 1).await;
        let (second, finish_second) = busy(admit(&pool).unwrap());
        until(|| !pool.0.lock().network_queue.is_empty()).await;
        assert_eq!(admit(&pool).err().unwrap().status(), 429);
        drop((finish, finish_second));
        first.await.unwrap();
        second.await.unwrap();
    }

    #[tokio::test]
    async fn work_that_panics_is_unavailable_and_releases_its_slot() {
        let pool = Pool::new(1, 0);
        for _ in 0..3 {
            let slot = Arc::new(admit(&pool).unwrap());
            let refused = slot.run(|| assert!(pool_is_broken())).await.unwrap_err();
            assert_eq!(refused.status(), 503);
        }
    }

    fn pool_is_broken() -> bool {
        false
    }

    #[test]
    fn no_requester_exceeds_its_share_of_the_slots() {
        let pool = Pool::new(2, 62);
        let take = |requester: &dyn Fn(usize) -> Requester| {
            let slots: Vec<_> = (0..100)
                .map_while(|n| pool.admit(requester(n)).ok())
                .collect();
            slots.len()
        };
        assert_eq!(take(&|n| from("alice", &format!("192.0.2.{n}"))), ACCOUNT);
        assert_eq!(take(&|_| from("alice", "192.0.2.1")), ACCOUNT_NETWORK);
        let device = |_| Requester::new("alice", "192.0.2.1".parse().unwrap(), Some(b"phone"));
        assert_eq!(take(&device), DEVICE);
        assert_eq!(take(&|n| from(&format!("{n}"), "192.0.2.1")), 48);
        let site = |n| from(&format!("{n}"), &format!("2001:db8:1:{n:x}::1"));
        assert_eq!(take(&site), 48, "a site is one network");
        let all = |n| from(&format!("{n}"), &format!("192.0.2.{n}"));
        assert_eq!(take(&all), 64);
        assert_eq!(pool.0.lock().taken, 0);
        assert!(pool.0.lock().held.is_empty());
    }

    #[test]
    fn one_requester_cannot_fill_a_small_queue() {
        let pool = Pool::new(1, 3);
        let first = pool.admit(from("alice", "192.0.2.1")).unwrap();
        assert!(pool.admit(from("alice", "192.0.2.1")).is_err());
        let elsewhere = pool.admit(from("alice", "192.0.2.2")).unwrap();
        assert!(pool.admit(from("alice", "192.0.2.3")).is_err());
        let second = pool.admit(from("bob", "192.0.2.1")).unwrap();
        drop((first, elsewhere, second));
        assert!(pool.admit(from("alice", "192.0.2.1")).is_ok());
    }

    /// Thirty callers of one network wait when one of another arrives: it runs second.
    #[tokio::test]
    async fn networks_take_turns() {
        let pool = Pool::new(1, 63);
        let (working, finish) = busy(admit(&pool).unwrap());
        until(|| pool.0.lock().running == 1).await;
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut callers = Vec::new();
        for number in 0..31 {
            let address = if number == 30 {
                "198.51.100.1"
            } else {
                "192.0.2.1"
            };
            let slot = Arc::new(pool.admit(from(&format!("{number}"), address)).unwrap());
            let order = Arc::clone(&order);
            callers.push(tokio::spawn(async move {
                slot.run(move || order.lock().unwrap().push(number)).await
            }));
            let waits =
                |state: &PoolState| state.waiting.values().map(VecDeque::len).sum::<usize>();
            until(|| waits(&pool.0.lock()) == number + 1).await;
        }
        drop(finish);
        working.await.unwrap();
        for caller in callers {
            caller.await.unwrap().unwrap();
        }
        assert_eq!(order.lock().unwrap()[..3], [0, 30, 1]);
    }
}
