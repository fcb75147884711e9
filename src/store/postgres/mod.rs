//! The store in PostgreSQL.
//!
//! [`PostgresStore`] is for services that run as several processes and have a PostgreSQL, 12 or later, at hand. It
//! keeps the conditions of the [`Store`] trait, and these of its own:
//!
//! * **One statement a verb.** Conditions are decided by the server's row locks, so of two racing writers one wins
//!   under any isolation level. What the server rolls back because of others (serialisation failures, deadlocks) is
//!   tried again after a short random pause; what stays so until the time limit is [`StoreError::Contended`].
//! * **The clock is the program's.** Every statement carries the time of the store's [`Clock`]; the server is never asked
//!   for its own. Keep the clocks of all nodes synchronised.
//! * **A verb ends within the [time limit](PostgresStoreBuilder::time_limit)**, 1 second by default, whatever the server
//!   and the network do. Without a connection by then, or with an error that the server rolled the statement back
//!   for, it is [`StoreError::Unavailable`]: nothing was done. When the connection breaks or the time runs out
//!   after a write was sent, it is [`StoreError::Unknown`]. A full disk is [`StoreError::Full`], and a row
//!   that this crate did not write [`StoreError::Corrupt`].
//! * **It recovers by itself.** Connections that broke are replaced, and a connection whose caller went away is only used
//!   again after the rest of its answer was read. While the server is away, a verb tries until its time limit to reach it.
//! * **Expired rows are removed** by a task that ends with the store, about once a minute, up to ten thousand at a time, an
//!   hour after they expired at the latest. Nodes do not wait for each other there.
//! * **It brings its tables along.** They are created and changed under a lock, so that any number of nodes may start
//!   together. A node refuses tables of a later version. Where the tables are current, a role that may
//!   `SELECT`, `INSERT`, `UPDATE` and `DELETE` in them is enough.
//!
//! Caveats:
//!
//! * **Two applications must not share a schema and a prefix.** With one issuer and one master secret each would accept
//!   the other's sessions: an authentication bypass. Nodes of one application must share both.
//! * Over a network, say `sslmode=verify-full` in the URL. The default of PostgreSQL clients, `prefer`, does without
//!   encryption if whoever answers says so.
//! * Connect to the primary. A standby is refused, since it would show sessions that have ended. With asynchronous
//!   replication a failover loses the last writes, logouts among them, and so does a crash under
//!   `synchronous_commit = off`.
//! * The pools of all nodes and a connection for each near-cache must fit into the server's `max_connections`. Where they
//!   do not, verbs are unavailable even while other connections of their pool come free.
//! * A [shared pool](PostgresStore::with_pool) keeps its own settings. The time limit holds there too, but on this side
//!   only: a statement that was given up goes on on the server until its `statement_timeout`, which the store sets on
//!   its own connections alone. So does the check for a standby after the start. Under an isolation level above
//!   `READ COMMITTED` verbs collide and are repeated more often.
//! * A pooler between (PgBouncer) must pool sessions. One that pools transactions loses `LISTEN`, which a
//!   [near-cache](super::NearCache) stands on, and prepared statements.
//! * Changes to sessions, accounts and token lists are announced with `NOTIFY`, except for the touch that only prolongs
//!   a session's life. PostgreSQL lets one transaction with a notification commit at a time, in the whole server.
//!   Whoever changes rows by hand, or truncates the table, tells the nodes with `SELECT pg_notify('tower_jam.entries', '')`:
//!   the channel is the schema, a dot and the table.
//!
//! ```no_run
//! use tower_jam::{Clock, SystemClock, store::{Key, PostgresStore, Store, When, Write}};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let store = PostgresStore::builder("postgres://jam:secret@db.acme.dev/acme?sslmode=verify-full")
//!     .schema("auth")
//!     .connect()
//!     .await?;
//!
//! let key = Key::new("example", &[b"alice"]);
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
    shared::Shared,
    sql::Bound,
};
use super::{Entry, Key, Store, StoreFuture, When, Write, number};
use crate::{
    clock::Timestamp,
    error::{ConfigError, StoreError},
};

/// Keeps entries in a PostgreSQL database. Share it as an `Arc`.
#[must_use = "the connections are closed when the store is dropped"]
pub struct PostgresStore {
    shared: Arc<Shared>,
    _purge: Purge,
}

impl PostgresStore {
    /// Connects to the database at `url`, such as `postgres://user:password@host:5432/database`, with default settings
    /// and the system's clock. What the URL leaves out is taken from the variables of libpq, such as `PGPASSWORD`.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] about `url`, naming host and port, when the server cannot be reached, is too old or is a
    /// standby; about `schema` when the tables cannot be made or are of a later version.
    pub async fn connect(url: impl Into<String>) -> Result<Self, ConfigError> {
        Self::builder(url).connect().await
    }

    /// A store in the database at `url`, to be connected once its settings are made.
    pub fn builder(url: impl Into<String>) -> PostgresStoreBuilder {
        PostgresStoreBuilder::for_url(url.into())
    }

    /// A store that draws its connections from the application's own `pool`, to be connected once its settings are
    /// made. Announcements take one more connection, made with the pool's options.
    pub fn with_pool(pool: PgPool) -> PostgresStoreBuilder {
        PostgresStoreBuilder::for_pool(pool)
    }

    async fn write(&self, key: &Key, write: Write, when: When) -> Result<bool, StoreError> {
        let now = self.shared.clock.now();
        if write.expires_at <= now {
            return self.remove(key, when, now).await;
        }
        let announces = key.is_announced() && !write.is_quiet;
        let sql = &self.shared.sql;
        let query = || {
            let query = match when {
                When::Always => sql.put_always.query(announces),
                When::Absent => sql.put_absent.query(announces),
                When::Unchanged(_) => sql.put_unchanged.query(announces),
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
        Ok(!self.shared.run(Effect::Write, query).await?.is_empty())
    }

    /// A write that is over already. Where nothing may be there, there is nothing to remove.
    async fn remove(&self, key: &Key, when: When, now: Timestamp) -> Result<bool, StoreError> {
        let sql = &self.shared.sql;
        match when {
            When::Absent => Ok(self.shared.get(key).await?.is_none()),
            When::Always => {
                let query = || named(sql.remove_always.query(key.is_announced()), key);
                self.shared.run(Effect::Write, query).await?;
                Ok(true)
            }
            When::Unchanged(version) => {
                let query = || {
                    let query = named(sql.remove_unchanged.query(key.is_announced()), key);
                    query.bind(millis(now)).bind(bits(version))
                };
                Ok(!self.shared.run(Effect::Write, query).await?.is_empty())
            }
        }
    }

    async fn sum(&self, key: &Key, delta: i64, expires_at: Timestamp) -> Result<i64, StoreError> {
        let now = millis(self.shared.clock.now());
        let Write { version, .. } = Write::new("", expires_at);
        // A first addition of nothing leaves nothing.
        let expires_at = if delta == 0 { 0 } else { millis(expires_at) };
        let query = || {
            let query = named(self.shared.sql.add.query(key.is_announced()), key);
            let query = query.bind(bits(version)).bind(delta);
            query.bind(expires_at).bind(now)
        };
        let rows = self.shared.run(Effect::Write, query).await?;
        let Some(row) = rows.first() else {
            return Err(StoreError::Corrupt("what is there is no number".into()));
        };
        number(&row::value(row)?)
    }
}

impl Store for PostgresStore {
    fn get<'a>(&'a self, key: &'a Key) -> StoreFuture<'a, Option<Entry>> {
        Box::pin(self.shared.get(key))
    }

    fn put<'a>(&'a self, key: &'a Key, write: Write, when: When) -> StoreFuture<'a, bool> {
        Box::pin(self.write(key, write, when))
    }

    fn take<'a>(&'a self, key: &'a Key) -> StoreFuture<'a, Option<Entry>> {
        Box::pin(async move {
            let now = millis(self.shared.clock.now());
            let take = &self.shared.sql.take;
            let query = || named(take.query(key.is_announced()), key).bind(now);
            let rows = self.shared.run(Effect::Write, query).await?;
            rows.first().map(row::entry).transpose()
        })
    }

    fn list<'a>(&'a self, group: &'a Key) -> StoreFuture<'a, Vec<(Key, Entry)>> {
        Box::pin(async move {
            let now = millis(self.shared.clock.now());
            let query = || named(self.shared.sql.list.query(), group).bind(now);
            let rows = self.shared.run(Effect::Read, query).await?;
            let pair = |row| Ok((row::key(row)?, row::entry(row)?));
            rows.iter().map(pair).collect()
        })
    }

    fn add<'a>(&'a self, key: &'a Key, delta: i64, expires_at: Timestamp) -> StoreFuture<'a, i64> {
        Box::pin(self.sum(key, delta, expires_at))
    }

    fn remove_group<'a>(&'a self, group: &'a Key) -> StoreFuture<'a, u64> {
        Box::pin(async move {
            let now = millis(self.shared.clock.now());
            let remove = &self.shared.sql.remove_group;
            let query = || named(remove.query(group.is_announced()), group).bind(now);
            let rows = self.shared.run(Effect::Write, query).await?;
            Ok(rows.len() as u64)
        })
    }
}

/// Names the place, not the user.
impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let options = &self.shared.options;
        f.debug_struct("PostgresStore")
            .field("host", &options.get_host())
            .field("port", &options.get_port())
            .field("database", &options.get_database())
            .field("table", &self.shared.names.channel())
            .finish_non_exhaustive()
    }
}

fn named(query: Bound, key: &Key) -> Bound {
    query.bind(key.namespace()).bind(key.digest().as_slice())
}

fn columns(group: Option<&Key>) -> (Option<&str>, Option<&[u8]>) {
    let digest = group.map(|group| group.digest().as_slice());
    (group.map(Key::namespace), digest)
}
