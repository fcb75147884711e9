//! A store that answers late: a write whose answer was lost is executed all the same, after its
//! caller has looked for it.

use std::sync::Mutex;

use tower_jam::{
    StoreError,
    store::{Entry, MemoryStore, Store, StoreFuture, StoreKey, When, Write},
};

/// A [`MemoryStore`] that holds one write back, like a server that hung when the client gave up.
#[derive(Debug)]
pub struct LateStore {
    inner: MemoryStore,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Which write from now on is held back, counted from 1; 0 for none.
    holds: usize,
    held: Option<(StoreKey, Write, When)>,
}

impl LateStore {
    pub fn new(inner: MemoryStore) -> Self {
        Self {
            inner,
            state: Mutex::default(),
        }
    }

    /// The answer to the `n`th write from now on is lost. The write is executed when the next one
    /// arrives, before it.
    pub fn hold(&self, n: usize) {
        self.state.lock().unwrap().holds = n;
    }

    /// Whether a write was held back and has been executed since.
    pub fn was_late(&self) -> bool {
        let state = self.state.lock().unwrap();
        state.holds == 0 && state.held.is_none()
    }

    async fn land(&self) {
        let held = self.state.lock().unwrap().held.take();
        if let Some((key, write, when)) = held {
            self.inner.put(&key, write, when).await.unwrap();
        }
    }

    fn is_held(&self) -> bool {
        let mut state = self.state.lock().unwrap();
        let is_held = state.holds == 1;
        state.holds = state.holds.saturating_sub(1);
        is_held
    }
}

impl Store for LateStore {
    fn get<'a>(&'a self, key: &'a StoreKey) -> StoreFuture<'a, Option<Entry>> {
        self.inner.get(key)
    }

    fn put<'a>(&'a self, key: &'a StoreKey, write: Write, when: When) -> StoreFuture<'a, bool> {
        Box::pin(async move {
            self.land().await;
            if self.is_held() {
                self.state.lock().unwrap().held = Some((key.clone(), write, when));
                return Err(StoreError::Unknown("the server stood still".into()));
            }
            self.inner.put(key, write, when).await
        })
    }

    fn take<'a>(&'a self, key: &'a StoreKey) -> StoreFuture<'a, Option<Entry>> {
        Box::pin(async move {
            self.land().await;
            self.inner.take(key).await
        })
    }

    fn list<'a>(&'a self, group: &'a StoreKey) -> StoreFuture<'a, Vec<(StoreKey, Entry)>> {
        self.inner.list(group)
    }
}
