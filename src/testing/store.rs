//! A store that fails when it is told to.

use std::{
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{
    clock::Timestamp,
    error::StoreError,
    store::{Entry, Glance, Key, Store, StoreFuture, When, Write},
};

/// Passes every call on to another store, but for those that are to fail.
#[derive(Debug)]
pub struct FailingStore {
    inner: Arc<dyn Store>,
    state: Mutex<State>,
}

/// How a call fails.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(
    clippy::exhaustive_enums,
    reason = "a call that fails was made or was not"
)]
pub enum Failure {
    /// The store cannot be reached: nothing was done ([`StoreError::Unavailable`]).
    Away,
    /// What was asked was done, and the answer was lost ([`StoreError::Unknown`]).
    AnswerLost,
}

#[derive(Debug)]
struct State {
    calls: usize,
    plan: Plan,
}

#[derive(Clone, Copy, Debug)]
enum Plan {
    Work,
    FailAt(usize, Failure),
    FailAlways(Failure),
}

impl FailingStore {
    /// A store that works as `inner` does.
    pub fn new(inner: Arc<dyn Store>) -> Self {
        let state = State {
            calls: 0,
            plan: Plan::Work,
        };
        Self {
            inner,
            state: Mutex::new(state),
        }
    }

    /// The `n`th call from now on fails, counted from 1, and no other.
    pub fn fail_at(&self, n: usize, failure: Failure) {
        let mut state = self.state();
        state.plan = Plan::FailAt(state.calls.saturating_add(n), failure);
    }

    /// Every call fails from now on.
    pub fn fail(&self, failure: Failure) {
        self.state().plan = Plan::FailAlways(failure);
    }

    /// Every call works from now on.
    pub fn recover(&self) {
        self.state().plan = Plan::Work;
    }

    /// How many calls there were, those that failed included.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.state().calls
    }

    /// `call` must do nothing before it is polled.
    async fn run<T>(
        &self,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        match self.next() {
            None => call.await,
            Some(Failure::Away) => Err(StoreError::Unavailable("told to be away".into())),
            Some(Failure::AnswerLost) => {
                call.await?;
                Err(StoreError::Unknown("told to lose the answer".into()))
            }
        }
    }

    fn next(&self) -> Option<Failure> {
        let mut state = self.state();
        state.calls += 1;
        match state.plan {
            Plan::FailAt(at, failure) if at == state.calls => Some(failure),
            Plan::FailAlways(failure) => Some(failure),
            Plan::Work | Plan::FailAt(..) => None,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for FailingStore {
    fn get<'a>(&'a self, key: &'a Key) -> StoreFuture<'a, Option<Entry>> {
        Box::pin(self.run(async move { self.inner.get(key).await }))
    }

    fn put<'a>(&'a self, key: &'a Key, write: Write, when: When) -> StoreFuture<'a, bool> {
        Box::pin(self.run(async move { self.inner.put(key, write, when).await }))
    }

    fn take<'a>(&'a self, key: &'a Key) -> StoreFuture<'a, Option<Entry>> {
        Box::pin(self.run(async move { self.inner.take(key).await }))
    }

    fn list<'a>(&'a self, group: &'a Key) -> StoreFuture<'a, Vec<(Key, Entry)>> {
        Box::pin(self.run(async move { self.inner.list(group).await }))
    }

    fn glance<'a>(&'a self, key: &'a Key) -> StoreFuture<'a, Glance> {
        Box::pin(self.run(async move { self.inner.glance(key).await }))
    }

    fn add<'a>(&'a self, key: &'a Key, delta: i64, expires_at: Timestamp) -> StoreFuture<'a, i64> {
        Box::pin(self.run(async move { self.inner.add(key, delta, expires_at).await }))
    }

    fn remove_group<'a>(&'a self, group: &'a Key) -> StoreFuture<'a, u64> {
        Box::pin(self.run(async move { self.inner.remove_group(group).await }))
    }
}
