//! Metrics of a store's calls.

use std::{fmt, future::Future, sync::Arc, time::Instant};

use super::{CachedRead, Entry, Store, StoreFuture, StoreKey, When, Write};
use crate::{clock::Timestamp, error::StoreError};

/// A store that forwards every call, and counts and times it: see [`metrics`](crate::metrics).
///
/// It wraps the store that the engines get, including a [`NearCache`](crate::store), and so shows
/// how long they wait. [`Jam`](crate) wraps the store of the table `store` in it.
pub struct Metered {
    inner: Arc<dyn Store>,
}

impl Metered {
    /// Wraps `inner`.
    pub fn new(inner: Arc<dyn Store>) -> Self {
        Self { inner }
    }
}

impl fmt::Debug for Metered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

/// `call` must do nothing before it is polled; the time of such work would not be measured.
async fn measured<T>(
    operation: &'static str,
    call: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    let began = Instant::now();
    let answer = call.await;
    let outcome = answer.as_ref().map_or_else(StoreError::code, |_| "ok");
    crate::metrics::record_store_call(operation, outcome, began.elapsed());
    answer
}

impl Store for Metered {
    fn get<'a>(&'a self, key: &'a StoreKey) -> StoreFuture<'a, Option<Entry>> {
        Box::pin(measured("get", async move { self.inner.get(key).await }))
    }

    fn put<'a>(&'a self, key: &'a StoreKey, write: Write, when: When) -> StoreFuture<'a, bool> {
        Box::pin(measured("put", async move {
            self.inner.put(key, write, when).await
        }))
    }

    fn take<'a>(&'a self, key: &'a StoreKey) -> StoreFuture<'a, Option<Entry>> {
        Box::pin(measured("take", async move { self.inner.take(key).await }))
    }

    fn list<'a>(&'a self, group: &'a StoreKey) -> StoreFuture<'a, Vec<(StoreKey, Entry)>> {
        Box::pin(measured(
            "list",
            async move { self.inner.list(group).await },
        ))
    }

    fn read_cached<'a>(&'a self, key: &'a StoreKey) -> StoreFuture<'a, CachedRead> {
        Box::pin(measured("read_cached", async move {
            self.inner.read_cached(key).await
        }))
    }

    fn add<'a>(
        &'a self,
        key: &'a StoreKey,
        delta: i64,
        expires_at: Timestamp,
    ) -> StoreFuture<'a, i64> {
        Box::pin(measured("add", async move {
            self.inner.add(key, delta, expires_at).await
        }))
    }

    fn remove_group<'a>(&'a self, group: &'a StoreKey) -> StoreFuture<'a, u64> {
        Box::pin(measured("remove_group", async move {
            self.inner.remove_group(group).await
        }))
    }
}
