//! A store in PostgreSQL.
//!
//! [`PostgresStore`] is for services that run as several processes and have PostgreSQL 12 or later.
//! It guarantees the conditions of the [`Store`] trait, and these:
//!
//! * **One statement per operation.** The server's row locks decide conditions, so of two racing
//!   writers one wins under any isolation level. A statement that the server rolls back because of
//!   others (serialisation failures, deadlocks) is retried after a short random delay; if that
//!   continues until the time limit, the operation is [`StoreError::Contended`].
//! * **Time comes from the program.** Every statement carries the time of the store's [`Clock`];
//!   the server's own time is never used. Keep the clocks of all nodes synchronised.
//! * **An operation ends within the [time limit](PostgresStoreBuilder::command_timeout)**, 1 second
//!   by default, regardless of the server and the network. If it gets no connection in that time,
//!   or an error after which the server rolled the statement back, it is
//!   [`StoreError::Unavailable`]: nothing was done. If the connection breaks or the time runs out
//!   after a write was sent, it is [`StoreError::Unknown`]. A full disk is [`StoreError::Full`],
//!   and a row that this crate did not write is [`StoreError::Corrupt`].
//! * **It recovers by itself.** Broken connections are replaced. A connection whose caller went
//!   away is reused only after the rest of its answer was read. While the server is down, an
//!   operation tries to reach it until its time limit.
//! * **Expired rows are removed** by a task that stops with the store: about once a minute, up to
//!   ten thousand at a time, at the latest an hour after they expired. The tasks of several nodes
//!   do not wait for each other.
//! * **It creates its tables.** They are created and migrated under a lock, so any number of nodes
//!   may start together. A node refuses tables of a later version. If the tables are current, a
//!   role with `SELECT`, `INSERT`, `UPDATE` and `DELETE` on them is sufficient.
//!
//! Caveats:
//!
//! * **Two applications must not share a schema and a prefix.** With one issuer and one master
//!   secret each would accept the other's sessions: an authentication bypass. Nodes of one
//!   application must share both.
//! * Over a network, set `sslmode=verify-full` in the URL. The default of PostgreSQL clients,
//!   `prefer`, falls back to an unencrypted connection if the peer asks for that.
//! * Connect to the primary. A standby is refused, since it could return revoked sessions. With
//!   asynchronous replication a failover loses the last writes, including logouts, and so does a
//!   crash with `synchronous_commit = off`.
//! * The pools of all nodes and one connection for each near-cache must fit into the server's
//!   `max_connections`. If they do not, operations are unavailable even while other connections of
//!   their pool become free.
//! * A [shared pool](PostgresStore::with_pool) has its own settings. The time limit applies to it
//!   too, but only on the client side: an abandoned statement continues on the server until its
//!   `statement_timeout`, which the store sets only on its own connections. The same is true of the
//!   check for a standby after the start. Under an isolation level above `READ COMMITTED`
//!   operations conflict and are retried more often.
//! * A pooler in between (PgBouncer) must use session pooling. Transaction pooling breaks `LISTEN`,
//!   on which a [near-cache](super::NearCache) depends, and prepared statements.
//! * Changes of sessions, accounts and token lists send invalidations with `NOTIFY`, except for the
//!   touch that only extends a session's lifetime. PostgreSQL commits transactions with
//!   notifications one at a time, in the whole server. After manual changes of rows, or a
//!   truncation of the table, invalidate all nodes with
//!   `SELECT pg_notify('tower_jam.entries', '')`: the channel is the schema, a dot and the table.
//!
//! ```no_run
//! use tower_jam::{Clock, SystemClock, store::{StoreKey, PostgresStore, Store, When, Write}};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let store = PostgresStore::builder("postgres://jam:secret@db.acme.dev/acme?sslmode=verify-full")
//!     .schema("auth")
//!     .connect()
//!     .await?;
//!
//! let key = StoreKey::new("example", &[b"alice"]);
//! let expires_at = SystemClock.now().after(std::time::Duration::from_secs(60));
//! assert!(store.put(&key, Write::new("kept", expires_at), When::Absent).await?);
//! assert_eq!(store.get(&key).await?.expect("it was just written").value, "kept");
//! # Ok(())
//! # }
//! ```

mod builder;
mod fault;
mod names;
mod opening;
mod purge;
mod row;
mod schema;
mod shared;
mod sql;
#[cfg(test)]
#[cfg(unix)]
mod tests;
mod told;
mod watch;

use std::{fmt, sync::Arc};

use sqlx::PgPool;

pub use self::builder::PostgresStoreBuilder;
#[cfg(feature = "account")]
pub(crate) use self::told::SqlError;
use self::{
    fault::Effect,
    purge::Purge,
    row::{bits, millis},
    shared::PostgresInner,
    sql::BoundQuery,
};
use super::{Entry, Store, StoreFuture, StoreKey, When, Write, number};
use crate::{
    clock::Timestamp,
    error::{ConfigError, StoreError},
};

/// Stores entries in a PostgreSQL database. Share it as an `Arc`.
#[must_use = "the connections are closed when the store is dropped"]
pub struct PostgresStore {
    inner: Arc<PostgresInner>,
    _purge: Purge,
}

impl PostgresStore {
    /// Connects to the database at `url`, such as `postgres://user:password@host:5432/database`,
    /// with default settings and the system's clock. Parts that the URL omits come from the
    /// environment variables of libpq, such as `PGPASSWORD`.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] about `url`, with host and port, if the server cannot be reached, is too old
    /// or is a standby; about `schema` if the tables cannot be created or are of a later version.
    pub async fn connect(url: impl Into<String>) -> Result<Self, ConfigError> {
        Self::builder(url).connect().await
    }

    /// Returns a builder for a store in the database at `url`.
    pub fn builder(url: impl Into<String>) -> PostgresStoreBuilder {
        PostgresStoreBuilder::for_url(url.into())
    }

    /// Returns a builder for a store that uses the connections of the application's `pool`.
    /// Invalidations need one more connection, which is made with the pool's options.
    pub fn with_pool(pool: PgPool) -> PostgresStoreBuilder {
        PostgresStoreBuilder::for_pool(pool)
    }

    async fn write(&self, key: &StoreKey, write: Write, when: When) -> Result<bool, StoreError> {
        let now = self.inner.clock.now();
        if write.expires_at <= now {
            return self.remove(key, when, now).await;
        }
        let notifies = key.needs_invalidation() && !write.skips_invalidation;
        let sql = &self.inner.sql;
        let query = || {
            let query = match when {
                When::Always => sql.put_always.query(notifies),
                When::Absent => sql.put_absent.query(notifies),
                When::Unchanged(_) => sql.put_unchanged.query(notifies),
            };
            let (namespace, digest) = columns(write.group.as_ref());
            let query = named(query, key).bind(bits(write.version));
            let query = query.bind(&write.value[..]).bind(millis(write.expires_at));
            let query = query.bind(namespace).bind(digest);
            match when {
                When::Always => query,
                When::Absent => query.bind(millis(now)),
                When::Unchanged(version) => query.bind(millis(now)).bind(bits(version)),
            }
        };
        Ok(!self.inner.run(Effect::Write, query).await?.is_empty())
    }

    /// Performs a write that has already expired. Under `When::Absent` there is nothing to remove.
    async fn remove(&self, key: &StoreKey, when: When, now: Timestamp) -> Result<bool, StoreError> {
        let sql = &self.inner.sql;
        match when {
            When::Absent => Ok(self.inner.get(key).await?.is_none()),
            When::Always => {
                let query = || named(sql.remove_always.query(key.needs_invalidation()), key);
                self.inner.run(Effect::Write, query).await?;
                Ok(true)
            }
            When::Unchanged(version) => {
                let query = || {
                    let query = named(sql.remove_unchanged.query(key.needs_invalidation()), key);
                    query.bind(millis(now)).bind(bits(version))
                };
                Ok(!self.inner.run(Effect::Write, query).await?.is_empty())
            }
        }
    }

    async fn add_number(
        &self,
        key: &StoreKey,
        delta: i64,
        expires_at: Timestamp,
    ) -> Result<i64, StoreError> {
        let now = millis(self.inner.clock.now());
        let Write { version, .. } = Write::new("", expires_at);
        // A first addition of zero leaves no entry.
        let expires_at = if delta == 0 { 0 } else { millis(expires_at) };
        let query = || {
            let query = named(self.inner.sql.add.query(key.needs_invalidation()), key);
            let query = query.bind(bits(version)).bind(delta);
            query.bind(expires_at).bind(now)
        };
        let rows = self.inner.run(Effect::Write, query).await?;
        let Some(row) = rows.first() else {
            return Err(StoreError::Corrupt(
                "the stored value is not a number".into(),
            ));
        };
        number(&row::value(row)?)
    }
}

impl Store for PostgresStore {
    fn get<'a>(&'a self, key: &'a StoreKey) -> StoreFuture<'a, Option<Entry>> {
        Box::pin(self.inner.get(key))
    }

    fn put<'a>(&'a self, key: &'a StoreKey, write: Write, when: When) -> StoreFuture<'a, bool> {
        Box::pin(self.write(key, write, when))
    }

    fn take<'a>(&'a self, key: &'a StoreKey) -> StoreFuture<'a, Option<Entry>> {
        Box::pin(async move {
            let now = millis(self.inner.clock.now());
            let take = &self.inner.sql.take;
            let query = || named(take.query(key.needs_invalidation()), key).bind(now);
            let rows = self.inner.run(Effect::Write, query).await?;
            rows.first().map(row::entry).transpose()
        })
    }

    fn list<'a>(&'a self, group: &'a StoreKey) -> StoreFuture<'a, Vec<(StoreKey, Entry)>> {
        Box::pin(async move {
            let now = millis(self.inner.clock.now());
            let query = || named(self.inner.sql.list.query(), group).bind(now);
            let rows = self.inner.run(Effect::Read, query).await?;
            let pair = |row| Ok((row::key(row)?, row::entry(row)?));
            rows.iter().map(pair).collect()
        })
    }

    fn add<'a>(
        &'a self,
        key: &'a StoreKey,
        delta: i64,
        expires_at: Timestamp,
    ) -> StoreFuture<'a, i64> {
        Box::pin(self.add_number(key, delta, expires_at))
    }

    fn remove_group<'a>(&'a self, group: &'a StoreKey) -> StoreFuture<'a, u64> {
        Box::pin(async move {
            let now = millis(self.inner.clock.now());
            let remove = &self.inner.sql.remove_group;
            let query = || named(remove.query(group.needs_invalidation()), group).bind(now);
            let rows = self.inner.run(Effect::Write, query).await?;
            Ok(rows.len() as u64)
        })
    }
}

/// Shows the database, but not the user.
impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let options = &self.inner.options;
        f.debug_struct("PostgresStore")
            .field("host", &options.get_host())
            .field("port", &options.get_port())
            .field("database", &options.get_database())
            .field("table", &self.inner.names.channel())
            .finish_non_exhaustive()
    }
}

fn named(query: BoundQuery, key: &StoreKey) -> BoundQuery {
    query.bind(key.namespace()).bind(key.digest().as_slice())
}

fn columns(group: Option<&StoreKey>) -> (Option<&str>, Option<&[u8]>) {
    let digest = group.map(|group| group.digest().as_slice());
    (group.map(StoreKey::namespace), digest)
}
