//! A store that fails on request.

use std::{
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{
    clock::Timestamp,
    error::StoreError,
    store::{CachedRead, Entry, Store, StoreFuture, StoreKey, When, Write},
};

/// Forwards every call to another store, except those that are set to fail.
#[derive(Debug)]
pub struct FailingStore {
    inner: Arc<dyn Store>,
    state: Mutex<FailingState>,
}

/// How a call fails.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(
    clippy::exhaustive_enums,
    reason = "a failed call was either executed or not"
)]
pub enum Failure {
    /// The store cannot be reached. Nothing was done ([`StoreError::Unavailable`]).
    Away,
    /// The operation was done, but its reply was lost ([`StoreError::Unknown`]).
    AnswerLost,
}

#[derive(Debug)]
struct FailingState {
    calls: usize,
    plan: FailurePlan,
}

#[derive(Clone, Copy, Debug)]
enum FailurePlan {
    Never,
    At(usize, Failure),
    Always(Failure),
}

impl FailingStore {
    /// Creates a store that works as `inner` does.
    pub fn new(inner: Arc<dyn Store>) -> Self {
        let state = FailingState {
            calls: 0,
            plan: FailurePlan::Never,
        };
        Self {
            inner,
            state: Mutex::new(state),
        }
    }

    /// Makes the `n`th call from now on fail, counted from 1, and no other.
    pub fn fail_at(&self, n: usize, failure: Failure) {
        let mut state = self.state();
        state.plan = FailurePlan::At(state.calls.saturating_add(n), failure);
    }

    /// Makes every call fail from now on.
    pub fn fail(&self, failure: Failure) {
        self.state().plan = FailurePlan::Always(failure);
    }

    /// Makes every call succeed from now on.
    pub fn recover(&self) {
        self.state().plan = FailurePlan::Never;
    }

    /// Returns the number of calls so far, including those that failed.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.state().calls
    }

    /// Runs `call`, which must do nothing before it is polled.
    async fn run<T>(
        &self,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        match self.next_failure() {
            None => call.await,
            Some(Failure::Away) => Err(StoreError::Unavailable("set to be unavailable".into())),
            Some(Failure::AnswerLost) => {
                call.await?;
                Err(StoreError::Unknown("set to lose the reply".into()))
            }
        }
    }

    fn next_failure(&self) -> Option<Failure> {
        let mut state = self.state();
        state.calls += 1;
        match state.plan {
            FailurePlan::At(at, failure) if at == state.calls => Some(failure),
            FailurePlan::Always(failure) => Some(failure),
            FailurePlan::Never | FailurePlan::At(..) => None,
        }
    }

    fn state(&self) -> MutexGuard<'_, FailingState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for FailingStore {
    fn get<'a>(&'a self, key: &'a StoreKey) -> StoreFuture<'a, Option<Entry>> {
        Box::pin(self.run(async move { self.inner.get(key).await }))
    }

    fn put<'a>(&'a self, key: &'a StoreKey, write: Write, when: When) -> StoreFuture<'a, bool> {
        Box::pin(self.run(async move { self.inner.put(key, write, when).await }))
    }

    fn take<'a>(&'a self, key: &'a StoreKey) -> StoreFuture<'a, Option<Entry>> {
        Box::pin(self.run(async move { self.inner.take(key).await }))
    }

    fn list<'a>(&'a self, group: &'a StoreKey) -> StoreFuture<'a, Vec<(StoreKey, Entry)>> {
        Box::pin(self.run(async move { self.inner.list(group).await }))
    }

    fn read_cached<'a>(&'a self, key: &'a StoreKey) -> StoreFuture<'a, CachedRead> {
        Box::pin(self.run(async move { self.inner.read_cached(key).await }))
    }

    fn add<'a>(
        &'a self,
        key: &'a StoreKey,
        delta: i64,
        expires_at: Timestamp,
    ) -> StoreFuture<'a, i64> {
        Box::pin(self.run(async move { self.inner.add(key, delta, expires_at).await }))
    }

    fn remove_group<'a>(&'a self, group: &'a StoreKey) -> StoreFuture<'a, u64> {
        Box::pin(self.run(async move { self.inner.remove_group(group).await }))
    }
}
