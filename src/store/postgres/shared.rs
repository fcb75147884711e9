//! A statement's way to the server and back, within a deadline.

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
    fault::{Effect, Fault, lost},
    names::Names,
    row,
    sql::{Bound, Statements},
    told::SqlError,
};
use crate::{
    clock::Clock,
    error::StoreError,
    secret,
    store::{Entry, Key},
};

/// What the store, its purge and its watches have in common.
pub(super) struct Shared {
    pub(super) pool: PgPool,
    /// How an announcement's own connection is made.
    pub(super) options: PgConnectOptions,
    pub(super) names: Names,
    pub(super) sql: Statements,
    pub(super) clock: Arc<dyn Clock>,
    /// How long a verb may take.
    pub(super) limit: Duration,
    pub(super) runtime: Handle,
}

impl Shared {
    pub(super) async fn get(&self, key: &Key) -> Result<Option<Entry>, StoreError> {
        let now = row::millis(self.clock.now());
        let query = || {
            let digest = key.digest().as_slice();
            let query = self.sql.get.query().bind(key.namespace());
            query.bind(digest).bind(now)
        };
        let rows = self.run(Effect::Read, query).await?;
        rows.first().map(row::entry).transpose()
    }

    /// Runs a statement and returns its rows. It is tried again where that is certain to do nothing twice.
    pub(super) async fn run(
        &self,
        effect: Effect,
        query: impl Fn() -> Bound,
    ) -> Result<Vec<PgRow>, StoreError> {
        let deadline = Instant::now() + self.limit;
        let mut attempt = 1;
        loop {
            let (fault, error) = match self.attempt(effect, query(), deadline).await? {
                Ok(rows) => return Ok(rows),
                Err(error) => (Fault::of(&error), error),
            };
            let pause = pause(attempt);
            let is_over = attempt == ATTEMPTS || Instant::now() + pause >= deadline;
            if is_over || !fault.is_passing(effect) {
                return Err(fault.to_error(effect, error));
            }
            sleep_until(Instant::now() + pause).await;
            attempt += 1;
        }
    }

    /// The outer error is final. The inner one is the statement's own.
    async fn attempt(
        &self,
        effect: Effect,
        query: Bound,
        deadline: Instant,
    ) -> Result<Result<Vec<PgRow>, sqlx::Error>, StoreError> {
        let mut lease = self.lease(deadline).await?;
        let asked = query.fetch_all(lease.connection()?);
        let Ok(answer) = timeout_at(deadline, asked).await else {
            lease.is_broken = true;
            return Err(lost(effect, "the server did not answer in time"));
        };
        let ends = |error: &sqlx::Error| Fault::of(error).ends_connection();
        lease.is_broken = answer.as_ref().is_err_and(ends);
        Ok(answer)
    }

    /// A connection from the pool. Without one nothing was done.
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

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (host, port) = (self.options.get_host(), self.options.get_port());
        f.debug_struct("Shared")
            .field("host", &host)
            .field("port", &port)
            .field("table", &self.names.entries())
            .finish_non_exhaustive()
    }
}

/// A connection that goes back to the pool in whatever way the statement on it ended, also when its future
/// was dropped in the middle.
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
        connection.ok_or_else(|| StoreError::Unavailable("the connection was given back".into()))
    }
}

impl Drop for Lease {
    /// sqlx reads what is left of an answer before it lends the connection again, so nobody is given the answer
    /// to another's question. It would wait for that for ever, and keep the connection's place in the pool,
    /// when the server hangs or its network is gone; hence the limit.
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

/// A random while, longer with each attempt, so that those who collided part.
fn pause(attempt: u32) -> Duration {
    let longest = (1_u64 << attempt.min(5)) * 500;
    let random = u64::from(u16::from_be_bytes(secret::random()));
    Duration::from_micros(random % longest)
}

/// Sixteen writers of one row under serializable isolation need a handful.
const ATTEMPTS: u32 = 50;
