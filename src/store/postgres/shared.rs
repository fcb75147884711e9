//! The execution of statements within a deadline.

use std::{fmt, sync::Arc, time::Duration};

use sqlx::{
    PgConnection, PgPool,
    pool::PoolConnection,
    postgres::{PgConnectOptions, PgRow, Postgres},
};
use tokio::{
    runtime::Handle,
    time::{Instant, sleep_until, timeout, timeout_at},
};

use super::{
    fault::{Effect, PostgresFault, lost},
    names::TableNames,
    row,
    sql::{BoundQuery, Statements},
    told::SqlError,
};
use crate::{
    clock::Clock,
    error::StoreError,
    secret,
    store::{Entry, StoreKey},
};

/// The state that the store, its purge and its watches share.
pub(super) struct PostgresInner {
    pub(super) pool: PgPool,
    /// The options of the separate connection for invalidations.
    pub(super) options: PgConnectOptions,
    pub(super) names: TableNames,
    pub(super) sql: Statements,
    pub(super) clock: Arc<dyn Clock>,
    /// The time limit of an operation.
    pub(super) limit: Duration,
    pub(super) runtime: Handle,
}

impl PostgresInner {
    pub(super) async fn get(&self, key: &StoreKey) -> Result<Option<Entry>, StoreError> {
        let now = row::millis(self.clock.now());
        let query = || {
            let digest = key.digest().as_slice();
            let query = self.sql.get.query().bind(key.namespace());
            query.bind(digest).bind(now)
        };
        let rows = self.run(Effect::Read, query).await?;
        rows.first().map(row::entry).transpose()
    }

    /// Runs a statement and returns its rows. Retries it if that certainly does nothing twice.
    pub(super) async fn run(
        &self,
        effect: Effect,
        query: impl Fn() -> BoundQuery,
    ) -> Result<Vec<PgRow>, StoreError> {
        let deadline = Instant::now() + self.limit;
        let mut attempt = 1;
        loop {
            let (fault, error) = match self.attempt(effect, query(), deadline).await? {
                Ok(rows) => return Ok(rows),
                Err(error) => (PostgresFault::of(&error), error),
            };
            let backoff = backoff(attempt);
            let is_last = attempt == ATTEMPTS || Instant::now() + backoff >= deadline;
            if is_last || !fault.is_transient(effect) {
                return Err(fault.to_error(effect, error));
            }
            sleep_until(Instant::now() + backoff).await;
            attempt += 1;
        }
    }

    /// The outer error is final. The inner one is the statement's.
    async fn attempt(
        &self,
        effect: Effect,
        query: BoundQuery,
        deadline: Instant,
    ) -> Result<Result<Vec<PgRow>, sqlx::Error>, StoreError> {
        let mut lease = self.lease(deadline).await?;
        let answer = query.fetch_all(lease.connection()?);
        let Ok(answer) = timeout_at(deadline, answer).await else {
            lease.is_broken = true;
            return Err(lost(effect, "the server did not answer in time"));
        };
        let breaks = |error: &sqlx::Error| PostgresFault::of(error).breaks_connection();
        lease.is_broken = answer.as_ref().is_err_and(breaks);
        Ok(answer)
    }

    /// Returns a connection from the pool. An error means that nothing was done.
    async fn lease(&self, deadline: Instant) -> Result<Lease, StoreError> {
        let acquired = timeout_at(deadline, self.pool.acquire()).await;
        let connection = acquired
            .map_err(|_| StoreError::Unavailable("no connection in time".into()))?
            .map_err(|error| StoreError::Unavailable(SqlError::from(error).into()))?;
        Ok(Lease {
            connection: Some(connection),
            is_broken: false,
            limit: self.limit,
            runtime: self.runtime.clone(),
        })
    }
}

impl fmt::Debug for PostgresInner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (host, port) = (self.options.get_host(), self.options.get_port());
        f.debug_struct("PostgresInner")
            .field("host", &host)
            .field("port", &port)
            .field("table", &self.names.entries())
            .finish_non_exhaustive()
    }
}

/// A connection that returns to the pool however the statement on it ended, even if its future
/// was dropped half-way.
struct Lease {
    /// Taken by `Drop` alone.
    connection: Option<PoolConnection<Postgres>>,
    is_broken: bool,
    limit: Duration,
    runtime: Handle,
}

impl Lease {
    fn connection(&mut self) -> Result<&mut PgConnection, StoreError> {
        let connection = self.connection.as_deref_mut();
        connection.ok_or_else(|| {
            StoreError::Unavailable("the connection was returned to the pool".into())
        })
    }
}

impl Drop for Lease {
    /// sqlx reads the rest of an answer before it reuses the connection, so no caller gets the
    /// answer to another's statement. If the server hangs or its network is down, sqlx would wait
    /// indefinitely, and the connection would occupy the pool, so a limit applies.
    fn drop(&mut self) {
        let Some(mut connection) = self.connection.take() else {
            return;
        };
        let _entered = self.runtime.enter();
        if self.is_broken {
            drop(connection.detach());
            return;
        }
        let limit = self.limit;
        self.runtime.spawn(async move {
            let _ = timeout(limit, connection.return_to_pool()).await;
        });
    }
}

/// Returns a random delay that grows with each attempt, so that colliding writers separate.
fn backoff(attempt: u32) -> Duration {
    let longest = (1_u64 << attempt.min(5)) * 500;
    let random = u64::from(u16::from_be_bytes(secret::random()));
    Duration::from_micros(random % longest)
}

/// Sixteen writers of one row under serializable isolation need only a few.
const ATTEMPTS: u32 = 50;
