//! The builder of the store.

use std::{fmt, sync::Arc, time::Duration};

use sqlx::PgPool;
use tokio::runtime::Handle;

use super::{
    PostgresStore, names::TableNames, opening, purge::Purge, shared::PostgresInner, sql::Statements,
};
use crate::{
    clock::{Clock, SystemClock},
    error::ConfigError,
};

/// The settings of a [`PostgresStore`].
#[must_use]
pub struct PostgresStoreBuilder {
    server: Server,
    schema: String,
    table_prefix: String,
    clock: Arc<dyn Clock>,
    connections: Option<u32>,
    time_limit: Duration,
    purge_interval: Duration,
}

enum Server {
    Url(String),
    Pool(PgPool),
}

impl PostgresStoreBuilder {
    pub(super) fn for_url(url: String) -> Self {
        Self::new(Server::Url(url))
    }

    pub(super) fn for_pool(pool: PgPool) -> Self {
        Self::new(Server::Pool(pool))
    }

    fn new(server: Server) -> Self {
        Self {
            server,
            schema: "tower_jam".to_owned(),
            table_prefix: String::new(),
            clock: Arc::new(SystemClock),
            connections: None,
            time_limit: Duration::from_secs(1),
            purge_interval: Duration::from_secs(60),
        }
    }

    /// Sets the schema of the tables, `tower_jam` by default. It is created if it is missing.
    ///
    /// Up to 31 lower-case ASCII letters, digits and `_`. Two applications that share a schema and
    /// a prefix accept each other's sessions.
    pub fn schema(mut self, schema: impl Into<String>) -> Self {
        self.schema = schema.into();
        self
    }

    /// Sets the prefix of the tables' names, empty by default: up to 24 lower-case ASCII letters,
    /// digits and `_`.
    pub fn table_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.table_prefix = prefix.into();
        self
    }

    /// Uses `clock` to decide which entries have expired.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Sets the maximum number of connections, 10 by default. A server accepts 100 by default, and
    /// a few serve hundreds of requests. Does not apply to a shared pool.
    pub fn max_connections(mut self, connections: u32) -> Self {
        self.connections = Some(connections);
        self
    }

    /// Sets the time limit for an operation, including the wait for a connection and all retries: 1
    /// second by default, from 10 milliseconds to 2 seconds.
    pub fn command_timeout(mut self, limit: Duration) -> Self {
        self.time_limit = limit;
        self
    }

    /// Sets how often expired rows are removed, about every minute by default; from 10 milliseconds
    /// to a day.
    pub fn purge_interval(mut self, interval: Duration) -> Self {
        self.purge_interval = interval;
        self
    }

    /// Connects, checks the server, and creates or migrates the tables.
    ///
    /// # Errors
    ///
    /// Those of [`PostgresStore::connect`], and [`ConfigError`] about `schema`, `table_prefix`,
    /// `connections`, `time_limit` or `purge_interval` if it is out of range.
    pub async fn connect(self) -> Result<PostgresStore, ConfigError> {
        let built = self.connect_to_server().await;
        built.map_err(|error| error.in_engine("PostgresStore"))
    }

    async fn connect_to_server(self) -> Result<PostgresStore, ConfigError> {
        let names = TableNames::new(&self.schema, &self.table_prefix)?;
        within(self.time_limit, "command_timeout", SHORTEST..=LONGEST)?;
        within(self.purge_interval, "purge_interval", SHORTEST..=DAY)?;
        let runtime = Handle::try_current().map_err(|error| {
            ConfigError::new("url", "the store needs a tokio runtime").with_source(error)
        })?;
        let limit = self.time_limit;
        let (options, pool) = match self.server {
            Server::Url(url) => {
                let connections = self.connections.unwrap_or(CONNECTIONS);
                if !(1..=MOST_CONNECTIONS).contains(&connections) {
                    let reason = format!("must be from 1 to {MOST_CONNECTIONS}");
                    return Err(ConfigError::new("max_connections", reason));
                }
                let options = opening::parse(&url, limit)?;
                opening::prepare_alone(&options, &names, limit).await?;
                let pool = opening::pool(options.clone(), connections, limit);
                (options, pool)
            }
            Server::Pool(pool) => {
                if self.connections.is_some() {
                    let reason = "a shared pool has a size already";
                    return Err(ConfigError::new("max_connections", reason));
                }
                opening::prepare_in(&pool, &names, limit).await?;
                ((*pool.connect_options()).clone(), pool)
            }
        };
        let inner = Arc::new(PostgresInner {
            pool,
            options,
            sql: Statements::new(&names),
            names,
            clock: self.clock,
            limit,
            runtime,
        });
        let purge = Purge::start(Arc::clone(&inner), self.purge_interval);
        Ok(PostgresStore {
            inner,
            _purge: purge,
        })
    }
}

/// Omits the URL and the pool, which contain the password.
impl fmt::Debug for PostgresStoreBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStoreBuilder")
            .field("schema", &self.schema)
            .field("table_prefix", &self.table_prefix)
            .field("connections", &self.connections)
            .field("time_limit", &self.time_limit)
            .field("purge_interval", &self.purge_interval)
            .finish_non_exhaustive()
    }
}

fn within(
    value: Duration,
    setting: &'static str,
    range: std::ops::RangeInclusive<Duration>,
) -> Result<(), ConfigError> {
    if range.contains(&value) {
        return Ok(());
    }
    let reason = format!("must be from {:?} to {:?}", range.start(), range.end());
    Err(ConfigError::new(setting, reason))
}

const CONNECTIONS: u32 = 10;
const MOST_CONNECTIONS: u32 = 1000;
const SHORTEST: Duration = Duration::from_millis(10);
const LONGEST: Duration = Duration::from_secs(2);
const DAY: Duration = Duration::from_secs(86_400);
