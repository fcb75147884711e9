//! A near-cache: what every request reads comes from this process's memory, and leaves it the moment
//! another node changes it.
//!
//! A [`NearCache`] stands before a store that many nodes share and is a [`Store`] itself, so engines take it
//! as any other. Only [`glance`](Store::glance) is answered from memory; every other verb goes to the store. The
//! rules, each with a test:
//!
//! * **Announced keys only.** Only [cached](Key::is_cached) keys are remembered, absent ones too, because
//!   only their changes are announced.
//! * **A fill that a change overtook is not kept.** If anything was announced while an entry was being read,
//!   whichever of the two arrived first, the answer goes to the caller and not into memory.
//! * **A yes may come from memory, a no is confirmed.** An answer from memory says so; an engine that would
//!   refuse because of it asks the store first. So nobody is logged out by an old memory.
//! * **Our own write drops the key**, whatever its outcome, and also when its caller went away. Whoever wrote
//!   through this cache reads what was written.
//! * **No heartbeat, no answers.** The connection that brings the announcements is asked four times a second
//!   whether everything has been brought. Memory answers only within one second of a question that was
//!   answered; after that the store is asked, as if there were no cache.
//! * **A break forgets everything**: a lost connection, a cluster that moves its keys, a database that was emptied.
//! * **Deadlines hold.** An entry's own expiry, and a maximum age of ten seconds, end a memory whatever was
//!   announced. They bound what a change past the announcements, such as an operator's, can do.
//! * **Bounded** in entries; when it is full, some entry gives way.
//!
//! How late can a revocation be seen? On a healthy network within some milliseconds: an announcement needs less
//! than half a millisecond on loopback. At worst after **two seconds**: a node that is cut off from its store
//! and does not know it yet answers from memory for the rest of its second, and a request may take its time. A
//! node that knows answers nothing, and the request is refused with 503.
//!
//! That bound is between a node and its store. Where the store itself is split, a node that is cut off together with an
//! old primary has its heartbeats answered and hears of nothing until the split heals: with Redis set
//! `min-replicas-to-write`, so that such a primary takes no writes, and keep the times of access tokens and sessions short.
//!
//! ```no_run
//! # #[cfg(feature = "store-redis")] {
//! use std::sync::Arc;
//! use tower_jam::{MasterSecret, Sessions, store::{NearCache, RedisStore}};
//!
//! # async fn run(secret: MasterSecret) -> Result<(), Box<dyn std::error::Error>> {
//! let redis = Arc::new(RedisStore::connect("redis://127.0.0.1:6379").await?);
//! let store = Arc::new(NearCache::new(redis)?);
//! let sessions = Sessions::<String>::builder(store, &secret).build()?;
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

use self::memory::{Forgetting, Memory};
use super::{Entry, Glance, Key, Store, StoreFuture, When, Write};
use crate::{
    clock::{Clock, SystemClock, Timestamp},
    error::{ConfigError, StoreError},
};

/// A store that says what is changed in it, by whomever.
pub trait Announce: Store {
    /// Connects for announcements, and from then on tells `news` of every change to a
    /// [cached](Key::is_announced) key, those by [quiet](Write::quietly) writes aside.
    ///
    /// It must not wait for longer than a command may take. When it fails, the cache asks again and reads
    /// from the store meanwhile.
    fn watch(&self, news: News) -> StoreFuture<'_, Box<dyn Watch>>;
}

/// A connection that brings announcements. It ends when it is dropped.
pub trait Watch: fmt::Debug + Send + Sync + 'static {
    /// Reads the live entry under `key`, so that its next change will be announced.
    fn get<'a>(&'a self, key: &'a Key) -> StoreFuture<'a, Option<Entry>>;

    /// Answers once every change that was made before the call has been told to the news. An error says that
    /// the connection is of no more use; the cache then forgets everything and asks for another one.
    fn heartbeat(&self) -> StoreFuture<'_, ()>;
}

/// Where a [`Watch`] tells what changed.
#[derive(Clone, Debug)]
pub struct News(Arc<Memory>);

impl News {
    /// `key` was written or removed.
    pub fn changed(&self, key: &Key) {
        self.0.forget(key);
    }

    /// Anything may have changed.
    pub fn anything_changed(&self) {
        self.0.forget_all();
    }
}

/// Stands before a store and remembers what requests glance at. See the [module](self).
pub struct NearCache {
    store: Arc<dyn Store>,
    memory: Arc<Memory>,
    connection: Connection,
    keeper: Option<AbortHandle>,
}

/// The connection that brings announcements, while there is one.
type Connection = Arc<RwLock<Option<Arc<dyn Watch>>>>;

impl NearCache {
    /// How many keys are remembered unless told otherwise: with sessions of 250 bytes some 25 MB.
    pub const DEFAULT_CAPACITY: usize = 65_536;

    /// A near-cache before `store`, with the system's clock and the defaults.
    ///
    /// # Errors
    ///
    /// Those of [`NearCacheBuilder::build`].
    pub fn new(store: Arc<impl Announce>) -> Result<Self, ConfigError> {
        Self::builder(store).build()
    }

    /// A near-cache before `store`, to be built once its settings are made.
    pub fn builder(store: Arc<impl Announce>) -> NearCacheBuilder {
        let announcer: Arc<dyn Announce> = store.clone();
        NearCacheBuilder::new(store, Some(announcer))
    }

    /// A near-cache before a store that announces nothing, since nobody but this cache writes to it: a
    /// file, say. What is written past the cache is seen when the maximum age is over.
    pub fn alone(store: Arc<dyn Store>) -> NearCacheBuilder {
        NearCacheBuilder::new(store, None)
    }

    /// Reads by the connection that will announce the next change, and remembers the answer.
    async fn fill(&self, key: &Key) -> Result<Option<Entry>, StoreError> {
        // Taken before the connection: a break that comes between spoils the ticket.
        let ticket = self.memory.ticket(key);
        let connection = self.connection();
        let began = self.memory.monotonic();
        let entry = match (&connection, &self.keeper) {
            (Some(connection), _) => match connection.get(key).await {
                // Only the announcements are gone, as far as one can tell; a second time-out nobody waits for.
                Err(_) if self.memory.monotonic() < began + AT_ONCE => {
                    return self.store.get(key).await;
                }
                answer => answer?,
            },
            (None, Some(_)) => return self.store.get(key).await,
            (None, None) => self.store.get(key).await?,
        };
        self.memory.remember(ticket, key, entry.clone());
        Ok(entry)
    }

    fn connection(&self) -> Option<Arc<dyn Watch>> {
        keeper::read(&self.connection).clone()
    }

    /// Forgets `key` when the answer is dropped: at the end of a write, or when its caller goes away.
    fn writing<'a>(&'a self, key: &'a Key) -> Option<Forgetting<'a>> {
        key.is_announced().then(|| self.memory.forgetting(key))
    }
}

impl Store for NearCache {
    fn get<'a>(&'a self, key: &'a Key) -> StoreFuture<'a, Option<Entry>> {
        if !key.is_announced() {
            return self.store.get(key);
        }
        Box::pin(async move {
            let entry = self.store.get(key).await?;
            self.memory.correct(key, entry.as_ref());
            Ok(entry)
        })
    }

    fn glance<'a>(&'a self, key: &'a Key) -> StoreFuture<'a, Glance> {
        if !key.is_announced() {
            return self.store.glance(key);
        }
        if let Some(glance) = self.memory.find(key) {
            return Box::pin(ready(Ok(glance)));
        }
        // What is remembered under such a key came by its engine's own, whose changes are announced.
        if !key.is_cached() {
            return self.store.glance(key);
        }
        Box::pin(async move { Ok(Glance::fresh(self.fill(key).await?)) })
    }

    fn put<'a>(&'a self, key: &'a Key, write: Write, when: When) -> StoreFuture<'a, bool> {
        Box::pin(async move {
            let writing = self.writing(key);
            let answer = self.store.put(key, write, when).await;
            writing.into_iter().for_each(Forgetting::end);
            answer
        })
    }

    fn take<'a>(&'a self, key: &'a Key) -> StoreFuture<'a, Option<Entry>> {
        Box::pin(async move {
            let writing = self.writing(key);
            let answer = self.store.take(key).await;
            writing.into_iter().for_each(Forgetting::end);
            answer
        })
    }

    fn list<'a>(&'a self, group: &'a Key) -> StoreFuture<'a, Vec<(Key, Entry)>> {
        self.store.list(group)
    }

    fn add<'a>(&'a self, key: &'a Key, delta: i64, expires_at: Timestamp) -> StoreFuture<'a, i64> {
        Box::pin(async move {
            let writing = self.writing(key);
            let answer = self.store.add(key, delta, expires_at).await;
            writing.into_iter().for_each(Forgetting::end);
            answer
        })
    }

    fn remove_group<'a>(&'a self, group: &'a Key) -> StoreFuture<'a, u64> {
        Box::pin(async move {
            let listed = self.store.list(group).await;
            let keys = listed.iter().flatten().map(|(key, _)| key);
            let writing: Vec<_> = keys.filter_map(|key| self.writing(key)).collect();
            if listed.is_err() {
                self.memory.forget_all();
            }
            let answer = self.store.remove_group(group).await;
            if listed.is_err() {
                self.memory.forget_all();
            }
            writing.into_iter().for_each(Forgetting::end);
            answer
        })
    }
}

impl Drop for NearCache {
    fn drop(&mut self) {
        if let Some(keeper) = &self.keeper {
            keeper.abort();
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
    announcer: Option<Arc<dyn Announce>>,
    capacity: usize,
    max_age: Duration,
    clock: Arc<dyn Clock>,
}

impl NearCacheBuilder {
    fn new(store: Arc<dyn Store>, announcer: Option<Arc<dyn Announce>>) -> Self {
        Self {
            store,
            announcer,
            capacity: NearCache::DEFAULT_CAPACITY,
            max_age: DEFAULT_MAX_AGE,
            clock: Arc::new(SystemClock),
        }
    }

    /// How many keys are remembered at most. Default: [`NearCache::DEFAULT_CAPACITY`].
    pub const fn with_capacity(mut self, capacity: usize) -> Self {
        self.capacity = capacity;
        self
    }

    /// After how long an entry is read again, though no change was announced. Default: ten seconds, at
    /// which a busy session costs next to nothing, and an operator's change by hand is soon seen.
    pub const fn with_max_age(mut self, max_age: Duration) -> Self {
        self.max_age = max_age;
        self
    }

    /// Measures by `clock`. Give it the clock of the store.
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Starts the task that keeps the connection for announcements; it ends with the cache.
    ///
    /// # Errors
    ///
    /// When there is no tokio runtime to run the task on, the capacity is zero, or the maximum age is less than a
    /// millisecond or more than a minute.
    pub fn build(self) -> Result<NearCache, ConfigError> {
        if self.capacity == 0 {
            return Err(ConfigError::new("capacity", "is zero"));
        }
        if self.max_age < Duration::from_millis(1) || self.max_age > MAX_AGE {
            let reason = "is not between a millisecond and a minute";
            return Err(ConfigError::new("max_age", reason));
        }
        let memory = Arc::new(Memory::new(self.capacity, self.max_age, self.clock));
        let connection = Connection::default();
        let keeper = match self.announcer {
            Some(announcer) => {
                let runtime = Handle::try_current().map_err(|error| {
                    let reason = "a near-cache has a task, and needs a tokio runtime";
                    ConfigError::new("store", reason).because(error)
                })?;
                let keeping = keeper::keep(announcer, Arc::clone(&memory), connection.clone());
                Some(runtime.spawn(keeping).abort_handle())
            }
            None => {
                memory.answer_alone();
                None
            }
        };
        Ok(NearCache {
            store: self.store,
            memory,
            connection,
            keeper,
        })
    }
}

/// What an answer takes that is no time-out.
const AT_ONCE: Duration = Duration::from_millis(100);
const DEFAULT_MAX_AGE: Duration = Duration::from_secs(10);
const MAX_AGE: Duration = Duration::from_secs(60);
