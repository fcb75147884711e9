//! The check of the server, and the migration of the tables to the current version.

use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};

use super::names::TableNames;
use crate::error::ConfigError;

/// What prevents a store from starting.
#[derive(Debug)]
pub(super) enum StartError {
    /// The store must not be used as it is configured.
    Config(ConfigError),
    /// The server failed.
    Server(sqlx::Error),
}

impl From<sqlx::Error> for StartError {
    fn from(error: sqlx::Error) -> Self {
        Self::Server(error)
    }
}

/// Checks the server's version, and that it accepts writes. A standby could return revoked
/// sessions.
pub(super) async fn check(connection: &mut PgConnection) -> Result<(), StartError> {
    let row = sqlx::query(
        "SELECT current_setting('server_version_num')::int AS version, \
         pg_is_in_recovery() OR current_setting('transaction_read_only')::bool AS is_read_only",
    )
    .fetch_one(connection)
    .await?;
    let version: i32 = row.try_get("version")?;
    if version < OLDEST_SERVER {
        let reason = format!(
            "the server is PostgreSQL {}, but this crate needs {} or later",
            version / 10_000,
            OLDEST_SERVER / 10_000
        );
        return Err(StartError::Config(ConfigError::new("url", reason)));
    }
    if row.try_get("is_read_only")? {
        let reason = "the server accepts no writes: it is a standby or read-only";
        return Err(StartError::Config(ConfigError::new("url", reason)));
    }
    Ok(())
}

/// Returns whether the tables exist in the current version, so that nothing has to be changed. A
/// role that may only read and write rows can then start.
pub(super) async fn is_current(
    connection: &mut PgConnection,
    names: &TableNames,
) -> Result<bool, StartError> {
    Ok(version(connection, names).await? == CURRENT)
}

/// Creates the schema and the tables, or migrates them, in one transaction. Nodes that start at the
/// same time wait for each other, and all but the first find nothing to do.
pub(super) async fn migrate(
    connection: &mut PgConnection,
    names: &TableNames,
) -> Result<(), StartError> {
    // A snapshot from before the lock would show an old version under it.
    let begin = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";
    let mut transaction = connection.begin_with(begin).await?;
    sqlx::query("SELECT set_config('statement_timeout', $1, true)")
        .bind(MIGRATION_TIMEOUT)
        .execute(&mut *transaction)
        .await?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)")
        .bind(names.lock())
        .execute(&mut *transaction)
        .await?;
    let found = version(&mut transaction, names).await?;
    if found == 0 {
        create_schema(&mut transaction, names).await?;
    }
    for step in STEPS.iter().skip(found) {
        sqlx::raw_sql(AssertSqlSafe(step(names)))
            .execute(&mut *transaction)
            .await?;
    }
    if found < CURRENT {
        let table = names.version();
        sqlx::raw_sql(AssertSqlSafe(format!(
            "DELETE FROM {table}; INSERT INTO {table} (version) VALUES ({CURRENT})"
        )))
        .execute(&mut *transaction)
        .await?;
    }
    transaction.commit().await?;
    Ok(())
}

/// Creates the schema if it is missing. `IF NOT EXISTS` needs the right to create one even if it
/// exists.
async fn create_schema(
    connection: &mut PgConnection,
    names: &TableNames,
) -> Result<(), StartError> {
    let exists: bool = sqlx::query("SELECT count(*) = 1 FROM pg_namespace WHERE nspname = $1")
        .bind(names.schema())
        .fetch_one(&mut *connection)
        .await?
        .try_get(0)?;
    if !exists {
        let create = format!(r#"CREATE SCHEMA "{}""#, names.schema());
        sqlx::raw_sql(AssertSqlSafe(create))
            .execute(connection)
            .await?;
    }
    Ok(())
}

/// Returns the version of the tables, or 0 if there are none. Queries the catalogue as a table,
/// since `to_regclass` may answer from what the connection cached before it waited for the lock.
async fn version(connection: &mut PgConnection, names: &TableNames) -> Result<usize, StartError> {
    let query = "SELECT count(*) = 1 FROM pg_tables WHERE schemaname = $1 AND tablename = $2";
    let exists: bool = sqlx::query(query)
        .bind(names.schema())
        .bind(names.version_table())
        .fetch_one(&mut *connection)
        .await?
        .try_get(0)?;
    if !exists {
        return Ok(0);
    }
    let table = names.version();
    let select = AssertSqlSafe(format!("SELECT max(version) FROM {table}"));
    let row = sqlx::query(select).fetch_one(connection).await?;
    let version = row.try_get::<Option<i32>, _>(0)?.unwrap_or(0);
    match usize::try_from(version) {
        Ok(version) if version <= CURRENT => Ok(version),
        _ => {
            let reason = format!(
                "the tables in {} have version {version}, but this version of the crate supports version {CURRENT}",
                names.schema()
            );
            Err(StartError::Config(ConfigError::new("schema", reason)))
        }
    }
}

/// The migrations in order. A published step is never changed.
const STEPS: [fn(&TableNames) -> String; 1] = [create_tables];

const CURRENT: usize = STEPS.len();

/// A touch of a session changes `version`, `value` and `expires_at`. None of them is indexed, and a
/// page has room for another version of its rows, so a touch rewrites one row within its page and
/// no index (HOT). Expired rows are found by the hour of their expiry, which touches change once an
/// hour.
fn create_tables(names: &TableNames) -> String {
    let (entries, version) = (names.entries(), names.version());
    let (key, group) = (names.of_entries("pkey"), names.of_entries("group"));
    let expiry = names.of_entries("expiry");
    let millis = super::row::MILLIS_PER_HOUR;
    format!(
        r#"CREATE TABLE {version} (version integer NOT NULL);
CREATE TABLE {entries} (
    namespace text COLLATE "C" NOT NULL,
    digest bytea NOT NULL,
    version bigint NOT NULL,
    value bytea NOT NULL,
    expires_at bigint NOT NULL,
    group_namespace text COLLATE "C",
    group_digest bytea,
    expiry_hour bigint NOT NULL GENERATED ALWAYS AS (expires_at / {millis}) STORED,
    CONSTRAINT {key} PRIMARY KEY (namespace, digest)
) WITH (fillfactor = 80);
CREATE INDEX {group} ON {entries} (group_namespace, group_digest) WHERE group_digest IS NOT NULL;
CREATE INDEX {expiry} ON {entries} (expiry_hour);"#
    )
}

/// `MATERIALIZED` and generated columns were added in 12.
const OLDEST_SERVER: i32 = 120_000;

const MIGRATION_TIMEOUT: &str = "30s";
