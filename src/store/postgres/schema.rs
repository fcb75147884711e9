//! Looks at the server before it is used, and brings the tables to what this version writes.

use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};

use super::names::Names;
use crate::error::ConfigError;

/// What can keep a store from starting.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The store must not be used as it is configured.
    Config(ConfigError),
    /// The server failed.
    Server(sqlx::Error),
}

impl From<sqlx::Error> for Trouble {
    fn from(error: sqlx::Error) -> Self {
        Self::Server(error)
    }
}

/// Checks the server: its version, and that it takes writes. A standby would show sessions that have ended.
pub(super) async fn check(connection: &mut PgConnection) -> Result<(), Trouble> {
    let row = sqlx::query(
        "SELECT current_setting('server_version_num')::int AS version, \
         pg_is_in_recovery() OR current_setting('transaction_read_only')::bool AS is_read_only",
    )
    .fetch_one(connection)
    .await?;
    let version: i32 = row.try_get("version")?;
    if version < OLDEST_SERVER {
        let reason = format!(
            "the server is PostgreSQL {}, and this crate needs {} or later",
            version / 10_000,
            OLDEST_SERVER / 10_000
        );
        return Err(Trouble::Config(ConfigError::new("url", reason)));
    }
    if row.try_get("is_read_only")? {
        let reason = "the server takes no writes: it is a standby, or set to read only";
        return Err(Trouble::Config(ConfigError::new("url", reason)));
    }
    Ok(())
}

/// Whether the tables are there and of this version, so that nothing has to be changed. A role that may only read
/// and write rows can start on them.
pub(super) async fn is_current(
    connection: &mut PgConnection,
    names: &Names,
) -> Result<bool, Trouble> {
    Ok(version(connection, names).await? == CURRENT)
}

/// Creates the schema and the tables, or brings them up to date, in one transaction. Nodes that start at the
/// same time take turns, and all but the first find nothing to do.
pub(super) async fn migrate(connection: &mut PgConnection, names: &Names) -> Result<(), Trouble> {
    // Were a snapshot taken before the lock is there, the version read under it would be an old one.
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

/// Creates the schema where it is missing. To say `IF NOT EXISTS` takes the right to create one even if it exists.
async fn create_schema(connection: &mut PgConnection, names: &Names) -> Result<(), Trouble> {
    let is_there: bool = sqlx::query("SELECT count(*) = 1 FROM pg_namespace WHERE nspname = $1")
        .bind(names.schema())
        .fetch_one(&mut *connection)
        .await?
        .try_get(0)?;
    if !is_there {
        let create = format!(r#"CREATE SCHEMA "{}""#, names.schema());
        sqlx::raw_sql(AssertSqlSafe(create))
            .execute(connection)
            .await?;
    }
    Ok(())
}

/// The version of the tables; 0 where there are none. The catalogue is read as a table: `to_regclass` may answer from
/// what the connection remembers from before it waited for the lock.
async fn version(connection: &mut PgConnection, names: &Names) -> Result<usize, Trouble> {
    let look = "SELECT count(*) = 1 FROM pg_tables WHERE schemaname = $1 AND tablename = $2";
    let is_there: bool = sqlx::query(look)
        .bind(names.schema())
        .bind(names.version_table())
        .fetch_one(&mut *connection)
        .await?
        .try_get(0)?;
    if !is_there {
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
                "the tables in {} have version {version}, and this version of the crate knows version {CURRENT}",
                names.schema()
            );
            Err(Trouble::Config(ConfigError::new("schema", reason)))
        }
    }
}

/// How the tables came to be what they are. A step that was published is never changed.
const STEPS: [fn(&Names) -> String; 1] = [first];

const CURRENT: usize = STEPS.len();

/// A touch of a session changes `version`, `value` and `expires_at`. None of them is indexed, and a page keeps
/// room for another version of its rows, so the touch rewrites one row on its page and no index (HOT). To find what
/// expired there is the hour of the expiry, which touches change once an hour.
fn first(names: &Names) -> String {
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

/// `MATERIALIZED` and generated columns came with 12.
const OLDEST_SERVER: i32 = 120_000;

const MIGRATION_TIMEOUT: &str = "30s";
