//! A store with invalidations. A test decides when it sends them, and when it answers.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{sync::Semaphore, time::sleep};
use tower_jam::{
    Clock, StoreError,
    store::{
        Entry, MemoryStore, Store, StoreFuture, StoreKey, When, Write,
        near::{Invalidator, Watch, WatchChanges},
    },
};

/// One handle of a store that many nodes share.
#[derive(Clone, Debug)]
pub struct Hub(Arc<State>);

#[derive(Debug)]
struct State {
    inner: MemoryStore,
    news: Mutex<Vec<(usize, Invalidator)>>,
    next: AtomicUsize,
    /// Permits for reads by a watching connection, after they have read and before they answer.
    answers: Semaphore,
    reads: AtomicUsize,
    watched_reads: AtomicUsize,
    groups_removed: AtomicUsize,
    fails_watched_reads: AtomicBool,
    is_silent: AtomicBool,
    is_down: AtomicBool,
    beats: Beats,
}

#[derive(Debug, Default)]
struct Beats {
    fail: AtomicBool,
    hang: AtomicBool,
    requested: AtomicUsize,
    answered: AtomicUsize,
}

impl Hub {
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self(Arc::new(State {
            inner: MemoryStore::new().with_clock(clock),
            news: Mutex::default(),
            next: AtomicUsize::new(0),
            answers: Semaphore::new(1_000_000),
            reads: AtomicUsize::new(0),
            watched_reads: AtomicUsize::new(0),
            groups_removed: AtomicUsize::new(0),
            fails_watched_reads: AtomicBool::new(false),
            is_silent: AtomicBool::new(false),
            is_down: AtomicBool::new(false),
            beats: Beats::default(),
        }))
    }

    /// How often the store itself was read, on any connection.
    pub fn reads(&self) -> usize {
        self.0.reads.load(Ordering::SeqCst)
    }

    /// How many reads by a watching connection have begun.
    pub fn watched_reads(&self) -> usize {
        self.0.watched_reads.load(Ordering::SeqCst)
    }

    /// How often a whole group was removed by one operation.
    pub fn groups_removed(&self) -> usize {
        self.0.groups_removed.load(Ordering::SeqCst)
    }

    /// Whether reads by a watching connection fail.
    pub fn fail_watched_reads(&self, fail: bool) {
        self.0.fails_watched_reads.store(fail, Ordering::SeqCst);
    }

    pub fn connections(&self) -> usize {
        self.0.news.lock().unwrap().len()
    }

    pub fn heartbeats(&self) -> usize {
        self.0.beats.answered.load(Ordering::SeqCst)
    }

    pub fn heartbeats_requested(&self) -> usize {
        self.0.beats.requested.load(Ordering::SeqCst)
    }

    /// Whether changes are made without an invalidation.
    pub fn silence(&self, is_silent: bool) {
        self.0.is_silent.store(is_silent, Ordering::SeqCst);
    }

    pub fn set_down(&self, is_down: bool) {
        self.0.is_down.store(is_down, Ordering::SeqCst);
    }

    pub fn fail_heartbeats(&self, fail: bool) {
        self.0.beats.fail.store(fail, Ordering::SeqCst);
    }

    pub fn hang_heartbeats(&self, hang: bool) {
        self.0.beats.hang.store(hang, Ordering::SeqCst);
    }

    /// Reads by a watching connection do not answer until they are released.
    pub async fn hold_answers(&self) {
        let all = self.0.answers.available_permits();
        let permits = u32::try_from(all).unwrap();
        self.0.answers.acquire_many(permits).await.unwrap().forget();
    }

    pub fn release_answers(&self) {
        self.0.answers.add_permits(1_000_000);
    }

    /// Sends every connection an invalidation of everything.
    pub fn invalidate_everything(&self) {
        for (_, news) in self.0.news.lock().unwrap().iter() {
            news.anything_changed();
        }
    }

    pub fn invalidate(&self, key: &StoreKey) {
        for (_, news) in self.0.news.lock().unwrap().iter() {
            news.changed(key);
        }
    }

    fn written(&self, key: &StoreKey, skips_invalidation: bool) {
        if key.needs_invalidation()
            && !skips_invalidation
            && !self.0.is_silent.load(Ordering::SeqCst)
        {
            self.invalidate(key);
        }
    }

    fn check(&self) -> Result<(), StoreError> {
        if self.0.is_down.load(Ordering::SeqCst) {
            Err(StoreError::Unavailable("connection refused".into()))
        } else {
            Ok(())
        }
    }
}

impl Store for Hub {
    fn get<'a>(&'a self, key: &'a StoreKey) -> StoreFuture<'a, Option<Entry>> {
        Box::pin(async move {
            self.check()?;
            self.0.reads.fetch_add(1, Ordering::SeqCst);
            self.0.inner.get(key).await
        })
    }

    fn put<'a>(&'a self, key: &'a StoreKey, write: Write, when: When) -> StoreFuture<'a, bool> {
        Box::pin(async move {
            self.check()?;
            let skips_invalidation = write.skips_invalidation;
            let is_written = self.0.inner.put(key, write, when).await?;
            if is_written {
                self.written(key, skips_invalidation);
            }
            Ok(is_written)
        })
    }

    fn take<'a>(&'a self, key: &'a StoreKey) -> StoreFuture<'a, Option<Entry>> {
        Box::pin(async move {
            self.check()?;
            let taken = self.0.inner.take(key).await?;
            self.written(key, taken.is_none());
            Ok(taken)
        })
    }

    fn list<'a>(&'a self, group: &'a StoreKey) -> StoreFuture<'a, Vec<(StoreKey, Entry)>> {
        Box::pin(async move {
            self.check()?;
            self.0.inner.list(group).await
        })
    }

    fn remove_group<'a>(&'a self, group: &'a StoreKey) -> StoreFuture<'a, u64> {
        Box::pin(async move {
            self.check()?;
            self.0.groups_removed.fetch_add(1, Ordering::SeqCst);
            let listed = self.0.inner.list(group).await?;
            let removed = self.0.inner.remove_group(group).await?;
            for (key, _) in &listed {
                self.written(key, false);
            }
            Ok(removed)
        })
    }
}

impl WatchChanges for Hub {
    fn watch(&self, news: Invalidator) -> StoreFuture<'_, Box<dyn Watch>> {
        Box::pin(async move {
            self.check()?;
            let number = self.0.next.fetch_add(1, Ordering::SeqCst);
            self.0.news.lock().unwrap().push((number, news));
            let hub = self.clone();
            Ok(Box::new(Listening { hub, number }) as Box<dyn Watch>)
        })
    }
}

#[derive(Debug)]
struct Listening {
    hub: Hub,
    number: usize,
}

impl Watch for Listening {
    fn get<'a>(&'a self, key: &'a StoreKey) -> StoreFuture<'a, Option<Entry>> {
        Box::pin(async move {
            self.hub.0.watched_reads.fetch_add(1, Ordering::SeqCst);
            if self.hub.0.fails_watched_reads.load(Ordering::SeqCst) {
                return Err(StoreError::Unavailable("the connection broke".into()));
            }
            let entry = self.hub.get(key).await;
            self.hub.0.answers.acquire().await.unwrap().forget();
            entry
        })
    }

    fn heartbeat(&self) -> StoreFuture<'_, ()> {
        Box::pin(async move {
            let beats = &self.hub.0.beats;
            beats.requested.fetch_add(1, Ordering::SeqCst);
            while beats.hang.load(Ordering::SeqCst) {
                sleep(Duration::from_millis(1)).await;
            }
            if beats.fail.load(Ordering::SeqCst) {
                return Err(StoreError::Unavailable("the connection broke".into()));
            }
            self.hub.check()?;
            beats.answered.fetch_add(1, Ordering::SeqCst);
            Ok(())
        })
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let mut news = self.hub.0.news.lock().unwrap();
        news.retain(|(number, _)| *number != self.number);
    }
}
