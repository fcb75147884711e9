//! Helpers of the checks: a store that must answer, unique keys, and races.

use std::{future::Future, sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::{sync::Barrier, task::JoinSet};

use crate::{
    clock::{Clock, Timestamp},
    error::StoreError,
    secret,
    store::{Entry, Store, StoreKey, Version, When, Write},
};

/// Calls the store for one check. An error fails the check, since no check expects one.
#[derive(Clone)]
pub(super) struct Probe {
    pub(super) store: Arc<dyn Store>,
    /// An hour after the check began.
    pub(super) in_an_hour: Timestamp,
    salt: [u8; 16],
}

impl Probe {
    pub(super) fn new(store: &Arc<dyn Store>, clock: &impl Clock) -> Self {
        Self {
            store: Arc::clone(store),
            in_an_hour: clock.now().after(HOUR),
            salt: secret::random(),
        }
    }

    /// A key that no other check and no other run uses, in a namespace with cached reads.
    pub(super) fn key(&self, name: &str) -> StoreKey {
        StoreKey::new("session", &[&self.salt, name.as_bytes()])
    }

    /// The keys `<name>-0`, `<name>-1` and so on.
    pub(super) fn keys(&self, name: &str, count: usize) -> Vec<StoreKey> {
        (0..count)
            .map(|number| self.key(&format!("{name}-{number}")))
            .collect()
    }

    /// A write that expires in an hour, in no group.
    pub(super) fn write(&self, value: impl Into<Bytes>) -> Write {
        Write::new(value, self.in_an_hour)
    }

    /// Reads either by `get` or by `read_cached`: if every write goes through one store, both
    /// return the same.
    pub(super) async fn get(&self, key: &StoreKey) -> Option<Entry> {
        hesitate().await;
        if secret::random::<1>()[0].is_multiple_of(2) {
            let read_cached = self.store.read_cached(key).await;
            return read_cached.expect("`read_cached` is answered").entry;
        }
        self.store.get(key).await.expect("`get` is answered")
    }

    /// Reads an entry that must be live.
    pub(super) async fn read(&self, key: &StoreKey) -> Entry {
        self.get(key).await.expect("a live entry is found")
    }

    pub(super) async fn put(&self, key: &StoreKey, write: Write, when: When) -> bool {
        hesitate().await;
        self.store
            .put(key, write, when)
            .await
            .expect("`put` is answered")
    }

    /// Writes unconditionally, and returns the version.
    pub(super) async fn set(&self, key: &StoreKey, write: Write) -> Version {
        let version = write.version;
        assert!(
            self.put(key, write, When::Always).await,
            "an unconditional write was refused"
        );
        version
    }

    pub(super) async fn take(&self, key: &StoreKey) -> Option<Entry> {
        hesitate().await;
        self.store.take(key).await.expect("`take` is answered")
    }

    pub(super) async fn list(&self, group: &StoreKey) -> Vec<(StoreKey, Entry)> {
        hesitate().await;
        self.store.list(group).await.expect("`list` is answered")
    }

    /// The sorted keys of a group. A key that is listed twice appears twice.
    pub(super) async fn listed(&self, group: &StoreKey) -> Vec<StoreKey> {
        let mut keys: Vec<_> = self
            .list(group)
            .await
            .into_iter()
            .map(|(key, _)| key)
            .collect();
        keys.sort();
        keys
    }

    pub(super) async fn remove_group(&self, group: &StoreKey) -> u64 {
        hesitate().await;
        self.store
            .remove_group(group)
            .await
            .expect("`remove_group` is answered")
    }

    /// Adds with an expiry in an hour. Retries after [`StoreError::Contended`], which means that
    /// nothing was added.
    pub(super) async fn add(&self, key: &StoreKey, delta: i64) -> i64 {
        self.add_until(key, delta, self.in_an_hour).await
    }

    pub(super) async fn add_until(&self, key: &StoreKey, delta: i64, expires_at: Timestamp) -> i64 {
        for _ in 0..PATIENCE {
            hesitate().await;
            match self.store.add(key, delta, expires_at).await {
                Err(StoreError::Contended) => {}
                answer => return answer.expect("`add` is answered"),
            }
        }
        panic!("`add` stayed contended");
    }
}

/// Runs `tasks` futures that start together, and returns their results in order.
pub(super) async fn race<T, F>(tasks: usize, racer: impl Fn(usize) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let start = Arc::new(Barrier::new(tasks));
    let mut running = JoinSet::new();
    // The last task to arrive at the barrier runs first, and often that is the one that was spawned
    // last.
    let first = usize::from(secret::random::<1>()[0]) % tasks;
    for task in (first..tasks).chain(0..first) {
        let (start, racer) = (Arc::clone(&start), racer(task));
        running.spawn(async move {
            start.wait().await;
            (task, racer.await)
        });
    }
    let mut answers = running.join_all().await;
    answers.sort_by_key(|(task, _)| *task);
    answers.into_iter().map(|(_, answer)| answer).collect()
}

/// Yields to other tasks at random. Otherwise a store that never waits would run each task to
/// its end before the next, and only one order would be tested.
async fn hesitate() {
    for _ in 0..secret::random::<1>()[0] % 4 {
        tokio::task::yield_now().await;
    }
}

/// Returns `keys`, sorted like those of [`Probe::listed`].
pub(super) fn sorted(mut keys: Vec<StoreKey>) -> Vec<StoreKey> {
    keys.sort();
    keys
}

/// The lifetime of entries in the checks: longer than any backend takes to run one.
pub(super) const HOUR: Duration = Duration::from_secs(3_600);

const PATIENCE: usize = 10_000;
