//! When the store did not answer, as far as this node knows.
//!
//! A client whose refresh ends in 503 tries again with the same token. If the write of its first attempt was made
//! after all, the time in which nobody could have been answered must not count as time in which the client
//! has kept silent.

use std::{
    collections::VecDeque,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use crate::{
    clock::{Clock, Timestamp},
    error::StoreError,
    store::{Entry, Key, Store, StoreFuture, When, Write},
};

/// The store of the devices, which notes when it does not answer.
pub(super) struct WatchedStore {
    inner: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    is_away: AtomicBool,
}

#[derive(Default)]
struct State {
    /// The beginning of the first call that failed since the last one that did not.
    since: Option<Timestamp>,
    past: VecDeque<Outage>,
}

/// From the first call that failed to the first one that was answered again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outage {
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
}

/// For how long the store did not answer between two moments.
pub(super) fn outage_between(outages: &[Outage], from: Timestamp, to: Timestamp) -> Duration {
    let overlaps = outages
        .iter()
        .map(|outage| outage.to.min(to).since(outage.from.max(from)));
    overlaps.sum()
}

impl WatchedStore {
    pub(super) fn new(inner: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self {
            inner,
            clock,
            state: Mutex::default(),
            is_away: AtomicBool::new(false),
        }
    }

    /// The outages of the last hour, none of which overlaps another.
    pub(super) fn outages(&self) -> Vec<Outage> {
        let now = self.clock.now();
        let mut state = self.state();
        while let Some(first) = state.past.front()
            && now.since(first.to) > REMEMBERED
        {
            state.past.pop_front();
        }
        let open = state.since.map(|from| Outage { from, to: now });
        state.past.iter().copied().chain(open).collect()
    }

    async fn watch<T>(
        &self,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let began = self.clock.now();
        let mut pending = Pending {
            store: self,
            began: Some(began),
        };
        let answer = call.await;
        pending.began = None;
        match &answer {
            Err(StoreError::Unavailable(_) | StoreError::Unknown(_)) => {
                let mut state = self.state();
                // What an earlier outage covers is counted once.
                let last = state.past.back().map(|outage| outage.to);
                let from = last.map_or(began, |last| began.max(last));
                state.since = Some(state.since.map_or(from, |since| since.min(from)));
                self.is_away.store(true, Ordering::Release);
            }
            Ok(_) if self.is_away.load(Ordering::Acquire) => {
                let to = self.clock.now();
                let mut state = self.state();
                self.is_away.store(false, Ordering::Release);
                if let Some(from) = state.since.take() {
                    state.push(Outage { from, to });
                }
            }
            _ => {}
        }
        answer
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call whose caller may go away before it is answered. The time in which it waited is an outage, too: its write
/// may still be made. Only that time, so that nobody makes an outage by hanging up.
struct Pending<'a> {
    store: &'a WatchedStore,
    began: Option<Timestamp>,
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        let Some(began) = self.began else {
            return;
        };
        let to = self.store.clock.now();
        let mut state = self.store.state();
        let last = state.past.back().map(|outage| outage.to);
        let from = last.map_or(began, |last| began.max(last));
        // What an outage that goes on covers is counted with it.
        let to = state.since.map_or(to, |since| to.min(since));
        if from < to {
            state.push(Outage { from, to });
        }
    }
}

impl State {
    fn push(&mut self, outage: Outage) {
        self.past.push_back(outage);
        if self.past.len() > MAX_OUTAGES {
            self.past.pop_front();
        }
    }
}

impl fmt::Debug for WatchedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl Store for WatchedStore {
    fn get<'a>(&'a self, key: &'a Key) -> StoreFuture<'a, Option<Entry>> {
        Box::pin(self.watch(self.inner.get(key)))
    }

    fn put<'a>(&'a self, key: &'a Key, write: Write, when: When) -> StoreFuture<'a, bool> {
        Box::pin(self.watch(self.inner.put(key, write, when)))
    }

    fn take<'a>(&'a self, key: &'a Key) -> StoreFuture<'a, Option<Entry>> {
        Box::pin(self.watch(self.inner.take(key)))
    }

    fn list<'a>(&'a self, group: &'a Key) -> StoreFuture<'a, Vec<(Key, Entry)>> {
        Box::pin(self.watch(self.inner.list(group)))
    }
}

/// Longer than any outage that is forgiven.
const REMEMBERED: Duration = Duration::from_secs(60 * 60);
/// A store that comes and goes is remembered by its last outages.
const MAX_OUTAGES: usize = 256;
