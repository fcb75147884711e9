//! A store in Redis or Valkey.
//!
//! [`RedisStore`] is for services that run as several processes. It connects to one server, to a
//! Cluster, or to the primary that the Sentinels name. It supports Redis 6.2 or later and any
//! Valkey, and is based on [fred](https://github.com/aembke/fred.rs). It guarantees the conditions
//! of the [`Store`] trait, and these:
//!
//! * **The URL names the kind of deployment**: `redis://user:password@host:port/database` for one
//!   server, `redis-cluster://` with any of the nodes and `?node=host:port` for more of them,
//!   `redis-sentinel://` with any of the Sentinels, `?sentinelServiceName=name` and
//!   `&node=host:port`, and `sentinelUsername` and `sentinelPassword` if they require
//!   authentication. With `rediss` instead of `redis` the connections use TLS. The certificate must
//!   be valid for the host of the URL, or for the addresses that the nodes of a cluster and the
//!   Sentinels report for themselves. It must be signed by an authority that the system trusts or
//!   that is in the [`ca_file`](RedisStoreBuilder::ca_file). The password appears in no error, log
//!   line or `Debug` output.
//! * **One prefix per application.** Every key begins with the
//!   [`prefix`](RedisStoreBuilder::prefix). Two applications that share a prefix, an issuer and a
//!   master secret accept each other's users.
//! * **The server must be available at start-up.** [`RedisStore::connect`] fails if the server
//!   cannot be reached, is older than 6.2, is a replica, or may evict entries: a `maxmemory-policy`
//!   other than `noeviction` needs
//!   [`dangerous_allow_eviction`](RedisStoreBuilder::dangerous_allow_eviction). In a cluster this
//!   applies to every primary. The user needs permission for `INFO`, not for `CONFIG`. A server
//!   that takes over later is not checked.
//! * **It may disappear afterwards.** Without a connection an operation is
//!   [`StoreError::Unavailable`] immediately; on a connection that does not answer it fails after
//!   the command time-out, one second by default. The store tries to reconnect indefinitely, at
//!   least every half second. No restart is needed after a failover.
//! * **An error states what is known.** [`StoreError::Unavailable`] means that nothing was written,
//!   [`StoreError::Unknown`] that something may have been: the time-out passed or the connection
//!   broke before the answer. A command that may have run is never sent again. A command without an
//!   answer may still run later, when a server that was suspended resumes. Exhausted memory is
//!   [`StoreError::Full`].
//! * **Revocation works without memory.** Removals, and replacements by an entry that is no longer
//!   than the old one, succeed even if `maxmemory` is reached: sessions and devices can be revoked,
//!   logins fail. A *new* entry, such as a token id on a deny list, needs some memory. If that
//!   fails, raise `maxmemory` (`CONFIG SET maxmemory`) and try again; nothing else is lost in the
//!   meantime.
//! * **One atomic step per operation.** A script on the server decides every condition and touches
//!   one key. An operation on a group takes several steps: the entry is added to the group's index
//!   before it is written, and stays there until its expiry. So a cluster needs no hash tags, and a
//!   list finds every live entry.
//! * **Operations start at the first poll.** A future that was never polled has done nothing. Once
//!   it was polled, dropping it loses only the answer: the operation continues to its end or its
//!   time-out.
//! * **Time comes from the [`Clock`].** The caller's clock decides whether an entry is live; the
//!   server's own expiry only frees memory. An index keeps members an hour longer, far beyond the
//!   30 seconds by which clocks may differ.
//! * **Durability is the server's.** A machine that crashes may lose writes that Redis
//!   acknowledged: the last second with `appendonly yes`, without it everything since the last
//!   snapshot. Writes that revoke (`take`, `remove_group` and changes of sessions, accounts and
//!   token lists that are not [quiet](Write::without_invalidation)) wait on a separate connection
//!   until a replica has them, for at most 100 ms in addition to the time-out. This applies to a
//!   Cluster, to Sentinel, and to a single server that had replicas at the start. If no replica
//!   confirms the write, the operation still succeeds, a warning is logged, and no write waits for
//!   the next five seconds. So a failover may lose a login, a touch or a count. It loses a
//!   revocation only if no replica kept up at that moment, or if a different replica takes over.
//! * **Slot migration.** While a cluster moves a slot, keys that were already moved are
//!   [`StoreError::Unavailable`] until the slot has a new owner; then they are found without a
//!   restart. While a primary of a cluster is down, other slots may be unavailable too, until a
//!   replica has taken over.
//! * **Foreign values are errors.** A value that this crate did not write is
//!   [`StoreError::Corrupt`], and only a `put` under [`When::Always`] replaces it.
//!
//! ```no_run
//! use tower_jam::{Clock, SystemClock, store::{StoreKey, RedisStore, Store, When, Write}};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let builder = RedisStore::builder("redis://:password@localhost:6379").prefix("acme");
//! let store = builder.connect().await?;
//!
//! let key = StoreKey::new("example", &[b"alice"]);
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
    doubts::UnsettledWrites,
    format::KeyNames,
    link::{DetachedWrite, Link},
    plan::ConnectionPlan,
    replicas::Replicas,
};
use super::{Entry, Store, StoreFuture, StoreKey, When, Write};
use crate::{
    clock::{Clock, Timestamp},
    error::ConfigError,
};

#[allow(unused_imports, reason = "the manual names it")]
use crate::error::StoreError;

/// Stores entries in Redis or Valkey. Share it as an `Arc`; dropping it closes its connections.
#[must_use = "the connections are closed again when the store is dropped"]
pub struct RedisStore {
    inner: Arc<RedisInner>,
}

/// The state that an operation needs after its caller went away.
struct RedisInner {
    names: KeyNames,
    clock: Arc<dyn Clock>,
    main: Link,
    /// The connection for revoking writes, if there are replicas to wait for.
    replicas: Option<Replicas>,
    unsettled: UnsettledWrites,
    plan: ConnectionPlan,
}

impl RedisStore {
    /// Connects to `url` with the prefix `tower-jam`, time-outs of one second and the system's
    /// clock.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] about `url` if it is not a valid URL, or if its server cannot be reached in
    /// time, refuses the password, is older than 6.2 or is a replica; about
    /// `dangerous_allow_eviction` if the server may evict live entries.
    pub async fn connect(url: &str) -> Result<Self, ConfigError> {
        Self::builder(url).connect().await
    }

    /// Returns a builder for a store at `url`.
    pub fn builder(url: &str) -> RedisStoreBuilder {
        RedisStoreBuilder::new(url)
    }

    /// Starts an operation at the first poll. It continues if its caller goes away.
    fn detached<'a, T, F>(&self, work: impl FnOnce(Arc<RedisInner>) -> F) -> StoreFuture<'a, T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, crate::error::StoreError>> + Send + 'static,
    {
        Box::pin(DetachedWrite::new(work(Arc::clone(&self.inner))))
    }
}

impl Store for RedisStore {
    fn get<'a>(&'a self, key: &'a StoreKey) -> StoreFuture<'a, Option<Entry>> {
        Box::pin(self.inner.get(key))
    }

    fn put<'a>(&'a self, key: &'a StoreKey, write: Write, when: When) -> StoreFuture<'a, bool> {
        let key = key.clone();
        self.detached(|inner| async move { inner.put(&key, &write, when).await })
    }

    fn take<'a>(&'a self, key: &'a StoreKey) -> StoreFuture<'a, Option<Entry>> {
        let key = key.clone();
        self.detached(|inner| async move { inner.take(&key, None).await })
    }

    fn list<'a>(&'a self, group: &'a StoreKey) -> StoreFuture<'a, Vec<(StoreKey, Entry)>> {
        Box::pin(self.inner.list(group))
    }

    fn add<'a>(
        &'a self,
        key: &'a StoreKey,
        delta: i64,
        expires_at: Timestamp,
    ) -> StoreFuture<'a, i64> {
        let key = key.clone();
        self.detached(move |inner| async move { inner.add(&key, delta, expires_at).await })
    }

    fn remove_group<'a>(&'a self, group: &'a StoreKey) -> StoreFuture<'a, u64> {
        let group = group.clone();
        self.detached(|inner| async move { inner.remove_group(&group).await })
    }
}

/// Shows the servers, but not the password.
impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore")
            .field("hosts", &self.inner.plan.hosts())
            .field("names", &self.inner.names)
            .field("is_connected", &self.inner.main.is_connected())
            .finish_non_exhaustive()
    }
}
