//! The store in Redis or Valkey.
//!
//! [`RedisStore`] is for services of several processes. It speaks to one server, to a Cluster, or to whatever primary
//! the Sentinels name, from Redis 6.2 on and to any Valkey; underneath is [fred](https://github.com/aembke/fred.rs). It
//! keeps the conditions of the [`Store`] trait, and these of its own:
//!
//! * **The URL says what is there**: `redis://user:password@host:port/database` for one server, `redis-cluster://` with
//!   any of the nodes and `?node=host:port` for more of them, `redis-sentinel://` with any of the Sentinels,
//!   `?sentinelServiceName=name` and `&node=host:port`, and `sentinelUsername` and `sentinelPassword` where they want
//!   any. With `rediss` for `redis` the connections use TLS: the certificate must be for the host of the URL, or for
//!   the addresses that the nodes of a cluster and the Sentinels tell of themselves, and
//!   signed by an authority that the system trusts or that is in the [`ca_file`](RedisStoreBuilder::ca_file).
//!   The password is in no error, log line or `Debug`.
//! * **One prefix, one application.** Every key begins with the [`prefix`](RedisStoreBuilder::prefix). Two applications
//!   that share one, with one issuer and one master secret, accept each other's users.
//! * **It must be there at the start.** [`RedisStore::connect`] fails when the server cannot be reached, is older than
//!   6.2, a replica, or set to forget: a `maxmemory-policy` other than `noeviction` needs
//!   [`dangerous_allow_eviction`](RedisStoreBuilder::dangerous_allow_eviction). In a cluster that goes for every primary. The
//!   user needs `INFO`, not `CONFIG`. A server that takes over later is not asked.
//! * **Afterwards it may go.** While there is no connection a verb is [`StoreError::Unavailable`] at once; on one that
//!   gives no answer it fails after the command time-out, one second by default. Attempts to reconnect never end and
//!   are half a second apart at most. No restart is needed after a failover.
//! * **An error says what is known.** [`StoreError::Unavailable`] means that nothing was written,
//!   [`StoreError::Unknown`] that it may have been: the time-out passed or the connection broke before the answer. No
//!   command that may have run is sent again. A command that was not answered may run later still, when a server that
//!   stood still goes on. Memory that is used up is [`StoreError::Full`].
//! * **Revoking works without memory.** What is taken, and what replaces an entry that is no shorter, is written also when
//!   `maxmemory` is reached: sessions and devices end, logins fail. A *new* note, such as a token's on a black list, needs some
//!   memory. Where that fails, raise `maxmemory` (`CONFIG SET maxmemory`) and ask again: nothing else is lost meanwhile.
//! * **One step per verb.** Every condition is decided by a script on the server, which touches one key. A verb on a
//!   group is several: the entry's place in its index is written before the entry, and never removed before its
//!   expiry. So a cluster needs no hash tags, and nothing is alive that a list does not find.
//! * **Begun at the first poll.** A future that was never polled has done nothing. Once it was polled, dropping it loses
//!   the answer only: the verb goes on, to its end or its time-out.
//! * **Time is the [`Clock`]'s.** Whether an entry is alive is decided by the clock of whoever asks; the server's own
//!   expiry only frees memory. An index remembers an hour longer, far beyond the 30 seconds by which clocks may differ.
//! * **No crash-safety but the server's.** What Redis acknowledged may be lost with the machine: within a second with
//!   `appendonly yes`, all since the last snapshot without. What ends a session, `take`, `remove_group` and the
//!   changes of sessions, accounts and token lists that are not [quiet](Write::quietly), waits on a connection of its own until a replica has it,
//!   for 100 ms at most and beyond its time-out, in a Cluster, behind a Sentinel, and where a single server had replicas at the start. If none
//!   confirms it the verb succeeds all the same, a warning is logged, and nobody waits for the next five seconds. So
//!   what may be lost in a failover is a login, a touch or a count, and a revocation only if at that moment no replica
//!   kept up or the one that did is not the one that took over.
//! * **A slot on the move.** While a cluster moves a slot, what has been moved of it already is
//!   [`StoreError::Unavailable`] until the slot has a new owner; then it is found without a restart. While a primary of
//!   a cluster is gone, other slots may be unavailable too, until a replica has taken over.
//! * **Foreign bytes are errors.** What this crate did not write under a key is [`StoreError::Corrupt`], and only a `put`
//!   under [`When::Always`] replaces it.
//!
//! ```no_run
//! use tower_jam::{Clock, SystemClock, store::{Key, RedisStore, Store, When, Write}};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let store = RedisStore::builder("redis://:password@localhost:6379").prefix("acme").connect().await?;
//!
//! let key = Key::new("example", &[b"alice"]);
//! let expires_at = SystemClock.now().after(std::time::Duration::from_secs(60));
//! store.put(&key, Write::new("kept", expires_at), When::Absent).await?;
//! assert_eq!(store.get(&key).await?.expect("it was just written").value, "kept");
//! # Ok(())
//! # }
//! ```

mod doubts;
mod fault;
mod format;
mod link;
mod plan;
mod replicas;
mod scripts;
mod server;
mod settings;
mod tls;
mod verbs;
mod watch;

use std::{fmt, sync::Arc};

pub use self::settings::RedisStoreBuilder;
use self::{
    doubts::Doubts,
    format::Names,
    link::{Change, Link},
    plan::Plan,
    replicas::Replicas,
};
use super::{Entry, Key, Store, StoreFuture, When, Write};
use crate::{
    clock::{Clock, Timestamp},
    error::ConfigError,
};

#[allow(unused_imports, reason = "the manual names it")]
use crate::error::StoreError;

/// Keeps entries in Redis or Valkey. Share it as an `Arc`; dropping it closes its connections.
#[must_use = "the connections are closed again when the store is dropped"]
pub struct RedisStore {
    shared: Arc<Shared>,
}

/// What a verb needs that outlives its caller.
struct Shared {
    names: Names,
    clock: Arc<dyn Clock>,
    main: Link,
    /// Where revoking writes go, if there are replicas that should have them.
    replicas: Option<Replicas>,
    doubts: Doubts,
    plan: Plan,
}

impl RedisStore {
    /// Connects to what `url` names, with the prefix `tower-jam`, time-outs of one second and the system's clock.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] about `url` when it is none, or when what it names cannot be reached in time, refuses the
    /// password, is older than 6.2 or a replica; about `dangerous_allow_eviction` when it may drop live entries.
    pub async fn connect(url: &str) -> Result<Self, ConfigError> {
        Self::builder(url).connect().await
    }

    /// A store in what `url` names, to be connected once its settings are made.
    pub fn builder(url: &str) -> RedisStoreBuilder {
        RedisStoreBuilder::new(url)
    }

    /// Begins a verb at the first poll, and lets it go on when its caller goes away.
    fn change<'a, T, F>(&self, work: impl FnOnce(Arc<Shared>) -> F) -> StoreFuture<'a, T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, crate::error::StoreError>> + Send + 'static,
    {
        Box::pin(Change::new(work(Arc::clone(&self.shared))))
    }
}

impl Store for RedisStore {
    fn get<'a>(&'a self, key: &'a Key) -> StoreFuture<'a, Option<Entry>> {
        Box::pin(self.shared.get(key))
    }

    fn put<'a>(&'a self, key: &'a Key, write: Write, when: When) -> StoreFuture<'a, bool> {
        let key = key.clone();
        self.change(|shared| async move { shared.put(&key, &write, when).await })
    }

    fn take<'a>(&'a self, key: &'a Key) -> StoreFuture<'a, Option<Entry>> {
        let key = key.clone();
        self.change(|shared| async move { shared.take(&key, None).await })
    }

    fn list<'a>(&'a self, group: &'a Key) -> StoreFuture<'a, Vec<(Key, Entry)>> {
        Box::pin(self.shared.list(group))
    }

    fn add<'a>(&'a self, key: &'a Key, delta: i64, expires_at: Timestamp) -> StoreFuture<'a, i64> {
        let key = key.clone();
        self.change(move |shared| async move { shared.add(&key, delta, expires_at).await })
    }

    fn remove_group<'a>(&'a self, group: &'a Key) -> StoreFuture<'a, u64> {
        let group = group.clone();
        self.change(|shared| async move { shared.remove_group(&group).await })
    }
}

/// Names the servers, not the password.
impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore")
            .field("hosts", &self.shared.plan.hosts())
            .field("names", &self.shared.names)
            .field("is_connected", &self.shared.main.is_connected())
            .finish_non_exhaustive()
    }
}
