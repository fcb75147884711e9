//! A near-cache in this process's memory, which other nodes invalidate when they change an entry.
//!
//! A [`NearCache`] wraps a store that many nodes share. It is a [`Store`] itself, so engines use it
//! like any other. Only a cached read, [`read_cached`](Store::read_cached), is answered from
//! memory; every other method goes to the store. The rules, each with a test:
//!
//! * **Only [cached](StoreKey::is_cached) keys are held**: only their changes send invalidations.
//! * **A fill that races with a change is discarded.** If an invalidation arrives while an entry is
//!   being read, in either order, the answer goes to the caller but not into the cache.
//! * **A cached answer may admit; a refusal is confirmed.** A cached answer is marked as such. An
//!   engine that would refuse because of it asks the store first, so a stale entry logs nobody out.
//! * **A write through the cache drops the key**, whatever its outcome, even if its caller is gone.
//! * **Without a heartbeat, no cached answers.** Four times a second the cache asks whether all
//!   invalidations have been delivered. It answers from memory only within one second of such a
//!   question that was answered. After that it asks the store, as if there were no cache.
//! * **A lost connection, moved slots or a flushed database** drop everything.
//! * **Bounded** in entries and in age: by their own expiry, and by a maximum age of ten seconds.
//!
//! A revocation is usually seen after some milliseconds, and after **two seconds** at most: a node
//! that does not know yet that it is cut off answers from memory for the rest of its second.
//!
//! If the store itself is partitioned, a node on the side of an old primary receives no
//! invalidations until the partition heals. With Redis set `min-replicas-to-write`, so that such a
//! primary accepts no writes, and keep the lifetimes of access tokens and sessions short.
//!
//! ```no_run
//! # #[cfg(feature = "store-redis")] {
//! use std::sync::Arc;
//! use tower_jam::{Env, MasterSecret, Sessions, store::{NearCache, RedisStore}};
//!
//! # async fn run(secret: MasterSecret) -> Result<(), Box<dyn std::error::Error>> {
//! let redis = Arc::new(RedisStore::connect("redis://127.0.0.1:6379").await?);
//! let store = Arc::new(NearCache::new(redis)?);
//! let env = Env::new("self", store, &secret);
//! let sessions = Sessions::<String>::builder(&env).build()?;
//! # Ok(())
//! # }
//! # }
//! ```

mod keeper;
mod memory;

use std::{
    fmt,
    future::ready,
    sync::{Arc, RwLock},
    time::Duration,
};

use tokio::{runtime::Handle, task::AbortHandle};

use self::memory::{InvalidateOnDrop, NearEntries};
use super::{CachedRead, Entry, Store, StoreFuture, StoreKey, When, Write};
use crate::{
    clock::{Clock, SystemClock, Timestamp},
    error::{ConfigError, StoreError},
};

/// A store that sends an invalidation for each change in it, no matter which node makes the change.
pub trait WatchChanges: Store {
    /// Connects for invalidations, and from then on reports to `news` every change of a key that
    /// [needs them](StoreKey::needs_invalidation), except changes by
    /// [quiet](Write::without_invalidation) writes.
    ///
    /// It must not wait longer than a command may take. If it fails, the cache tries again later
    /// and meanwhile reads from the store.
    fn watch(&self, news: Invalidator) -> StoreFuture<'_, Box<dyn Watch>>;
}

/// A connection that delivers invalidations. Dropping it closes it.
pub trait Watch: fmt::Debug + Send + Sync + 'static {
    /// Reads the live entry under `key` such that its next change sends an invalidation.
    fn get<'a>(&'a self, key: &'a StoreKey) -> StoreFuture<'a, Option<Entry>>;

    /// Returns once every change that was made before the call has been reported. After an error
    /// the connection is unusable: the cache drops everything and opens another one.
    fn heartbeat(&self) -> StoreFuture<'_, ()>;
}

/// The receiver of a [`Watch`]'s invalidations.
#[derive(Clone, Debug)]
pub struct Invalidator(Arc<NearEntries>);

impl Invalidator {
    /// Invalidates `key`, which was written or removed.
    pub fn changed(&self, key: &StoreKey) {
        self.0.invalidate(key);
    }

    /// Invalidates everything, since anything may have changed.
    pub fn anything_changed(&self) {
        self.0.invalidate_all();
    }
}

/// A store that answers cached reads from memory. See the [module](self).
pub struct NearCache {
    store: Arc<dyn Store>,
    entries: Arc<NearEntries>,
    connection: Connection,
    task: Option<AbortHandle>,
}

/// The connection for invalidations, while there is one.
type Connection = Arc<RwLock<Option<Arc<dyn Watch>>>>;

impl NearCache {
    /// The default capacity in keys: about 25 MB with sessions of 250 bytes.
    pub const DEFAULT_CAPACITY: usize = 65_536;

    /// A near-cache in front of `store` with the system's clock and the defaults.
    ///
    /// # Errors
    ///
    /// Those of [`NearCacheBuilder::build`].
    pub fn new(store: Arc<impl WatchChanges>) -> Result<Self, ConfigError> {
        Self::builder(store).build()
    }

    /// Returns a builder for a near-cache in front of `store`.
    pub fn builder(store: Arc<impl WatchChanges>) -> NearCacheBuilder {
        let source: Arc<dyn WatchChanges> = store.clone();
        NearCacheBuilder::new(store, Some(source))
    }

    /// Returns a builder for a near-cache in front of a store to which only this cache writes, such
    /// as a file. A write that bypasses the cache is noticed after the maximum age.
    pub fn for_sole_writer(store: Arc<dyn Store>) -> NearCacheBuilder {
        NearCacheBuilder::new(store, None)
    }

    /// Reads over the connection that will deliver the next invalidation, and caches the answer.
    async fn fill(&self, key: &StoreKey) -> Result<Option<Entry>, StoreError> {
        // Before the connection: an interruption in between invalidates the ticket.
        let ticket = self.entries.ticket(key);
        let connection = self.connection();
        let began = self.entries.monotonic();
        let entry = match (&connection, &self.task) {
            (Some(connection), _) => match connection.get(key).await {
                // Probably only the connection for invalidations failed. A second time-out would
                // take too long.
                Err(_) if self.entries.monotonic() < began + FAST_ANSWER => {
                    return self.store.get(key).await;
                }
                answer => answer?,
            },
            (None, Some(_)) => return self.store.get(key).await,
            (None, None) => self.store.get(key).await?,
        };
        self.entries.insert(ticket, key, entry.clone());
        Ok(entry)
    }

    fn connection(&self) -> Option<Arc<dyn Watch>> {
        keeper::read(&self.connection).clone()
    }

    /// Invalidates `key` when the guard is dropped: after a write, or when its caller goes away.
    fn guard<'a>(&'a self, key: &'a StoreKey) -> Option<InvalidateOnDrop<'a>> {
        key.needs_invalidation()
            .then(|| self.entries.invalidate_on_drop(key))
    }
}

impl Store for NearCache {
    fn get<'a>(&'a self, key: &'a StoreKey) -> StoreFuture<'a, Option<Entry>> {
        if !key.needs_invalidation() {
            return self.store.get(key);
        }
        Box::pin(async move {
            let entry = self.store.get(key).await?;
            self.entries.invalidate_stale(key, entry.as_ref());
            Ok(entry)
        })
    }

    fn read_cached<'a>(&'a self, key: &'a StoreKey) -> StoreFuture<'a, CachedRead> {
        if !key.needs_invalidation() {
            return self.store.read_cached(key);
        }
        if let Some(read_cached) = self.entries.find(key) {
            return Box::pin(ready(Ok(read_cached)));
        }
        // An engine's declared key filled this entry, and its changes send invalidations.
        if !key.is_cached() {
            return self.store.read_cached(key);
        }
        Box::pin(async move { Ok(CachedRead::fresh(self.fill(key).await?)) })
    }

    fn put<'a>(&'a self, key: &'a StoreKey, write: Write, when: When) -> StoreFuture<'a, bool> {
        Box::pin(async move {
            let guard = self.guard(key);
            let answer = self.store.put(key, write, when).await;
            guard.into_iter().for_each(InvalidateOnDrop::complete);
            answer
        })
    }

    fn take<'a>(&'a self, key: &'a StoreKey) -> StoreFuture<'a, Option<Entry>> {
        Box::pin(async move {
            let guard = self.guard(key);
            let answer = self.store.take(key).await;
            guard.into_iter().for_each(InvalidateOnDrop::complete);
            answer
        })
    }

    fn list<'a>(&'a self, group: &'a StoreKey) -> StoreFuture<'a, Vec<(StoreKey, Entry)>> {
        self.store.list(group)
    }

    fn add<'a>(
        &'a self,
        key: &'a StoreKey,
        delta: i64,
        expires_at: Timestamp,
    ) -> StoreFuture<'a, i64> {
        Box::pin(async move {
            let guard = self.guard(key);
            let answer = self.store.add(key, delta, expires_at).await;
            guard.into_iter().for_each(InvalidateOnDrop::complete);
            answer
        })
    }

    fn remove_group<'a>(&'a self, group: &'a StoreKey) -> StoreFuture<'a, u64> {
        Box::pin(async move {
            let listed = self.store.list(group).await;
            let keys = listed.iter().flatten().map(|(key, _)| key);
            let guards: Vec<_> = keys.filter_map(|key| self.guard(key)).collect();
            if listed.is_err() {
                self.entries.invalidate_all();
            }
            let answer = self.store.remove_group(group).await;
            if listed.is_err() {
                self.entries.invalidate_all();
            }
            guards.into_iter().for_each(InvalidateOnDrop::complete);
            answer
        })
    }
}

impl Drop for NearCache {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

impl fmt::Debug for NearCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NearCache")
            .field("store", &self.store)
            .finish_non_exhaustive()
    }
}

/// The settings of a [`NearCache`].
#[derive(Debug)]
#[must_use]
pub struct NearCacheBuilder {
    store: Arc<dyn Store>,
    source: Option<Arc<dyn WatchChanges>>,
    capacity: usize,
    max_age: Duration,
    clock: Arc<dyn Clock>,
}

impl NearCacheBuilder {
    fn new(store: Arc<dyn Store>, source: Option<Arc<dyn WatchChanges>>) -> Self {
        Self {
            store,
            source,
            capacity: NearCache::DEFAULT_CAPACITY,
            max_age: DEFAULT_MAX_AGE,
            clock: Arc::new(SystemClock),
        }
    }

    /// Sets the maximum number of cached keys. Default: [`NearCache::DEFAULT_CAPACITY`].
    pub const fn capacity(mut self, capacity: usize) -> Self {
        self.capacity = capacity;
        self
    }

    /// Sets the age at which an entry is read again even without an invalidation. Default: ten
    /// seconds. At that age a busy session costs almost nothing, and an operator's manual change is
    /// noticed soon.
    pub const fn max_age(mut self, max_age: Duration) -> Self {
        self.max_age = max_age;
        self
    }

    /// Measures time with `clock`, which should be the clock of the store.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Starts the task that holds the connection for invalidations. It stops when the cache is
    /// dropped.
    ///
    /// # Errors
    ///
    /// If there is no tokio runtime to run the task on, the capacity is zero, or the maximum age
    /// is less than a millisecond or more than a minute.
    pub fn build(self) -> Result<NearCache, ConfigError> {
        let invalid =
            |name: &'static str, reason| ConfigError::new(name, reason).in_engine("NearCache");
        if self.capacity == 0 {
            return Err(invalid("capacity", "is zero"));
        }
        if self.max_age < Duration::from_millis(1) || self.max_age > MAX_AGE {
            let reason = "is not between a millisecond and a minute";
            return Err(invalid("max_age", reason));
        }
        let entries = Arc::new(NearEntries::new(self.capacity, self.max_age, self.clock));
        let connection = Connection::default();
        let task = match self.source {
            Some(source) => {
                let runtime = Handle::try_current().map_err(|error| {
                    let reason = "a near-cache needs a tokio runtime for its task";
                    invalid("store", reason).with_source(error)
                })?;
                let running = keeper::run(source, Arc::clone(&entries), connection.clone());
                Some(runtime.spawn(running).abort_handle())
            }
            None => {
                entries.grant_permanent_lease();
                None
            }
        };
        Ok(NearCache {
            store: self.store,
            entries,
            connection,
            task,
        })
    }
}

/// An error that takes longer than this counts as a time-out.
const FAST_ANSWER: Duration = Duration::from_millis(100);
const DEFAULT_MAX_AGE: Duration = Duration::from_secs(10);
const MAX_AGE: Duration = Duration::from_secs(60);
