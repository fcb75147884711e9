//! Tracks the times in which the store did not answer, as far as this node knows.
//!
//! A client whose refresh ends in 503 retries with the same token. If the write of its first
//! attempt was made after all, the time in which no client could get a response must not count
//! against the client.

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
    store::{Entry, Store, StoreFuture, StoreKey, When, Write},
};

/// The store of the devices, which records its outages.
pub(super) struct WatchedStore {
    inner: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    state: Mutex<OutageState>,
    is_failing: AtomicBool,
}

#[derive(Default)]
struct OutageState {
    /// When the first failed call since the last successful one began.
    since: Option<Timestamp>,
    past: VecDeque<Outage>,
}

/// The time from the first failed call to the next successful one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outage {
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
}

/// Returns how long the store did not answer between two times.
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
            is_failing: AtomicBool::new(false),
        }
    }

    /// Returns the outages of the last hour, which do not overlap.
    pub(super) fn outages(&self) -> Vec<Outage> {
        let now = self.clock.now();
        let mut state = self.state();
        while let Some(first) = state.past.front()
            && now.since(first.to) > RETENTION
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
        let started_at = self.clock.now();
        let mut pending = PendingCall {
            store: self,
            started_at: Some(started_at),
        };
        let result = call.await;
        pending.started_at = None;
        match &result {
            Err(StoreError::Unavailable(_) | StoreError::Unknown(_)) => {
                let mut state = self.state();
                // Time that an earlier outage covers is counted only once.
                let last = state.past.back().map(|outage| outage.to);
                let from = last.map_or(started_at, |last| started_at.max(last));
                state.since = Some(state.since.map_or(from, |since| since.min(from)));
                self.is_failing.store(true, Ordering::Release);
            }
            Ok(_) if self.is_failing.load(Ordering::Acquire) => {
                let to = self.clock.now();
                let mut state = self.state();
                self.is_failing.store(false, Ordering::Release);
                if let Some(from) = state.since.take() {
                    state.push(Outage { from, to });
                }
            }
            _ => {}
        }
        result
    }

    fn state(&self) -> MutexGuard<'_, OutageState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call whose caller may cancel it before the response. The time that it waited is an outage too,
/// since its write may still be made. Only that time counts, so that a client cannot create a
/// longer outage by disconnecting.
struct PendingCall<'a> {
    store: &'a WatchedStore,
    started_at: Option<Timestamp>,
}

impl Drop for PendingCall<'_> {
    fn drop(&mut self) {
        let Some(started_at) = self.started_at else {
            return;
        };
        let to = self.store.clock.now();
        let mut state = self.store.state();
        let last = state.past.back().map(|outage| outage.to);
        let from = last.map_or(started_at, |last| started_at.max(last));
        // Time that the current outage covers is counted with it.
        let to = state.since.map_or(to, |since| to.min(since));
        if from < to {
            state.push(Outage { from, to });
        }
    }
}

impl OutageState {
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
    fn get<'a>(&'a self, key: &'a StoreKey) -> StoreFuture<'a, Option<Entry>> {
        Box::pin(self.watch(self.inner.get(key)))
    }

    fn put<'a>(&'a self, key: &'a StoreKey, write: Write, when: When) -> StoreFuture<'a, bool> {
        Box::pin(self.watch(self.inner.put(key, write, when)))
    }

    fn take<'a>(&'a self, key: &'a StoreKey) -> StoreFuture<'a, Option<Entry>> {
        Box::pin(self.watch(self.inner.take(key)))
    }

    fn list<'a>(&'a self, group: &'a StoreKey) -> StoreFuture<'a, Vec<(StoreKey, Entry)>> {
        Box::pin(self.watch(self.inner.list(group)))
    }
}

/// Not shorter than the maximum `outage_grace`.
const RETENTION: Duration = Duration::from_secs(60 * 60);
/// Bounds the memory for a store that fails often; the latest outages are kept.
const MAX_OUTAGES: usize = 256;
