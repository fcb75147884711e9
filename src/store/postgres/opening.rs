//! Opens the database: from a URL or a pool to a server with current tables, or to an error that
//! states the problem.

use std::time::Duration;

use sqlx::{
    Connection, PgConnection, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::time::{Instant, timeout, timeout_at};

use super::{
    names::TableNames,
    schema::{self, StartError},
    told::SqlError,
};
use crate::{error::ConfigError, store::address};

pub(super) fn parse(url: &str, limit: Duration) -> Result<PgConnectOptions, ConfigError> {
    let (scheme, _) = url.split_once("://").unwrap_or_default();
    if !matches!(scheme, "postgres" | "postgresql") {
        let reason = "must begin with `postgres://`";
        return Err(ConfigError::new(URL, reason));
    }
    address::check(url)?;
    // The cause may quote a part of the URL, so it is omitted.
    let options: Result<PgConnectOptions, _> = url.parse();
    let options = options
        .map_err(|_| ConfigError::new(URL, "is not a database URL"))?
        .options(session_settings(limit));
    Ok(match options.get_application_name() {
        Some(_) => options,
        None => options.application_name("tower-jam"),
    })
}

/// Settings for the store's own connections. The server stops a statement a while before its caller
/// gives up, so the caller learns that nothing was done.
fn session_settings(limit: Duration) -> [(&'static str, String); 2] {
    let milliseconds = (limit * 3 / 4).as_millis();
    [
        ("statement_timeout", milliseconds.to_string()),
        ("default_transaction_isolation", "read committed".to_owned()),
    ]
}

/// A recently used connection is handed out without a check. An idle one is pinged first, but only
/// for a part of the time-out, since after a restart or a network change all of them are dead.
pub(super) fn pool(options: PgConnectOptions, connections: u32, limit: Duration) -> PgPool {
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(limit)
        .test_before_acquire(false)
        .before_acquire(move |connection, state| {
            Box::pin(async move {
                let is_fresh = state.idle_for < FRESH;
                Ok(is_fresh || matches!(timeout(limit / 4, connection.ping()).await, Ok(Ok(()))))
            })
        })
        .after_connect(|connection, _| {
            Box::pin(async move {
                match schema::check(connection).await {
                    Ok(()) => Ok(()),
                    Err(StartError::Server(error)) => Err(error),
                    Err(StartError::Config(error)) => Err(sqlx::Error::Configuration(error.into())),
                }
            })
        })
        .connect_lazy_with(options)
}

/// Prepares the tables on a separate connection. The pool would retry while the server is down and
/// would not report why.
pub(super) async fn prepare_alone(
    options: &PgConnectOptions,
    names: &TableNames,
    limit: Duration,
) -> Result<(), ConfigError> {
    let deadline = Instant::now() + limit;
    let connecting = PgConnection::connect_with(options);
    let mut connection = match timeout_at(deadline, connecting).await {
        Ok(connected) => connected.map_err(|error| unreachable(options, error))?,
        Err(_) => return Err(unreachable(options, "no answer in time")),
    };
    prepare(&mut connection, options, names, deadline).await?;
    let _ = timeout(limit, connection.close()).await;
    Ok(())
}

pub(super) async fn prepare_in(
    pool: &PgPool,
    names: &TableNames,
    limit: Duration,
) -> Result<(), ConfigError> {
    let deadline = Instant::now() + limit;
    let options = pool.connect_options();
    let mut connection = match timeout_at(deadline, pool.acquire()).await {
        Ok(acquired) => acquired.map_err(|error| unreachable(&options, error))?,
        Err(_) => return Err(unreachable(&options, "no connection in time")),
    };
    let prepared = prepare(&mut connection, &options, names, deadline).await;
    if prepared.is_err() {
        drop(connection.detach());
    }
    prepared
}

async fn prepare(
    connection: &mut PgConnection,
    options: &PgConnectOptions,
    names: &TableNames,
    deadline: Instant,
) -> Result<(), ConfigError> {
    let checking = async {
        schema::check(connection).await?;
        schema::is_current(connection, names).await
    };
    let is_current = match timeout_at(deadline, checking).await {
        Ok(checked) => checked.map_err(|error| config_error(options, error))?,
        Err(_) => return Err(unreachable(options, "no answer in time")),
    };
    if is_current {
        return Ok(());
    }
    match timeout(MIGRATION_LIMIT, schema::migrate(connection, names)).await {
        Ok(migrated) => migrated.map_err(|error| config_error(options, error)),
        Err(_) => Err(unreachable(options, "the tables were not created in time")),
    }
}

fn config_error(options: &PgConnectOptions, error: StartError) -> ConfigError {
    match error {
        StartError::Config(error) => error,
        StartError::Server(error @ sqlx::Error::Database(_)) => {
            let reason = format!(
                "the tables cannot be created or used on {}",
                host_and_port(options)
            );
            ConfigError::new("schema", reason).with_source(SqlError::from(error))
        }
        StartError::Server(error) => unreachable(options, SqlError::from(error)),
    }
}

fn unreachable(
    options: &PgConnectOptions,
    cause: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> ConfigError {
    let reason = format!("no connection to {}", host_and_port(options));
    ConfigError::new(URL, reason).with_source(cause)
}

fn host_and_port(options: &PgConnectOptions) -> String {
    match options.get_socket() {
        Some(folder) => format!("{}:{}", folder.display(), options.get_port()),
        None => format!("{}:{}", options.get_host(), options.get_port()),
    }
}

const URL: &str = "url";

/// How long a connection is considered alive after its last answer.
const FRESH: Duration = Duration::from_millis(500);

/// A little more than the server's limit for a migration, which may wait for other nodes.
const MIGRATION_LIMIT: Duration = Duration::from_secs(35);
