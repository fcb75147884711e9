//! Users in a PostgreSQL table of the application.

mod builder;

use std::{borrow::Cow, fmt, marker::PhantomData, time::Duration};

use serde::de::DeserializeOwned;
use sqlx::{AssertSqlSafe, PgPool, Row, postgres::PgRow};
use tokio::time::{error::Elapsed, timeout};

pub use self::builder::PostgresUsersBuilder;
use super::{User, Users};
use crate::{
    error::{BoxError, StoreError},
    grant::Grant,
    store::{SqlError, StoreFuture},
};

/// Reads users from an existing table, with any table and column names.
///
/// Only the named columns are read. A `U` is built from the
/// [columns](PostgresUsersBuilder::user_columns) that handlers need, as a JSON object with the
/// column names as keys. Permissions come only from
/// [`roles_column`](PostgresUsersBuilder::roles_column). The id may have any type with a text form;
/// it is compared as text unless its [type](PostgresUsersBuilder::id_type) is set.
pub struct PostgresUsers<U> {
    pool: PgPool,
    find: String,
    read: String,
    replace: String,
    set_second_factor: Option<String>,
    set_active: Option<String>,
    remove: String,
    user: PhantomData<fn() -> U>,
}

impl<U> PostgresUsers<U> {
    /// Returns a builder for users in `table` (`users`, or `schema.users`), which `pool` connects
    /// to.
    pub fn builder(pool: PgPool, table: impl Into<String>) -> PostgresUsersBuilder<U> {
        PostgresUsersBuilder::new(pool, table.into())
    }
}

impl<U: DeserializeOwned> PostgresUsers<U> {
    async fn fetch_user(&self, sql: &str, wanted: &str) -> Result<Option<User<U>>, StoreError> {
        // PostgreSQL text cannot contain NUL.
        if wanted.contains('\0') {
            return Ok(None);
        }
        let query = sqlx::query(AssertSqlSafe(sql))
            .bind(wanted)
            .fetch_all(&self.pool);
        let rows = match with_time_limit(query).await {
            Err(QueryError::Sql(error)) if is_invalid_text(&error) => return Ok(None),
            result => result.map_err(|failure| StoreError::Unavailable(failure.into()))?,
        };
        match rows.as_slice() {
            [row] => Ok(Some(user_from_row(row)?)),
            [] => Ok(None),
            _ => Err(StoreError::Corrupt("two users with the same name".into())),
        }
    }
}

impl<U> PostgresUsers<U> {
    /// Sets a boolean column of the user, if there is such a column.
    async fn set_flag(
        &self,
        sql: Option<&str>,
        reason: &'static str,
        id: &str,
        is_set: bool,
    ) -> Result<bool, StoreError> {
        let sql = sql.ok_or_else(|| StoreError::Unavailable(reason.into()))?;
        let query = sqlx::query(AssertSqlSafe(sql)).bind(id).bind(is_set);
        let query = query.execute(&self.pool);
        let result = with_time_limit(query).await;
        let result = result.map_err(|failure| StoreError::Unknown(failure.into()))?;
        Ok(result.rows_affected() == 1)
    }
}

fn user_from_row<U: DeserializeOwned>(row: &PgRow) -> Result<User<U>, StoreError> {
    let corrupt = |error: sqlx::Error| StoreError::Corrupt(SqlError::from(error).into());
    let id: String = row.try_get(0).map_err(corrupt)?;
    let hash: Option<String> = row.try_get(1).map_err(corrupt)?;
    let roles: Vec<String> = row.try_get(2).map_err(corrupt)?;
    let json: String = row.try_get(3).map_err(corrupt)?;
    let has_second_factor = row.try_get(4).map_err(corrupt)?;
    let user = serde_json::from_str(&json).map_err(|error| {
        let reason = format!("a row is not a user, at column {}", error.column());
        StoreError::Corrupt(reason.into())
    })?;
    let grant = Grant::new(id, user).roles(roles);
    Ok(User::new(grant, hash.unwrap_or_default()).with_second_factor(has_second_factor))
}

impl<U: DeserializeOwned + Send + Sync + 'static> Users<U> for PostgresUsers<U> {
    /// The column may compare without case or trailing spaces, by its collation or type. If the
    /// throttle counts more coarsely than the column compares, unknown names merely share a budget.
    fn canonical<'a>(&self, name: &'a str) -> Cow<'a, str> {
        Cow::Owned(name.trim_end().to_lowercase())
    }

    fn find<'a>(&'a self, name: &'a str) -> StoreFuture<'a, Option<User<U>>> {
        Box::pin(self.fetch_user(&self.find, name))
    }

    fn read<'a>(&'a self, id: &'a str) -> StoreFuture<'a, Option<User<U>>> {
        Box::pin(async move {
            let user = self.fetch_user(&self.read, id).await?;
            // A number has many spellings, but the user only one id.
            Ok(user.filter(|user| user.grant.subject() == id))
        })
    }

    fn replace_hash<'a>(
        &'a self,
        id: &'a str,
        old: &'a str,
        new: &'a str,
    ) -> StoreFuture<'a, bool> {
        Box::pin(async move {
            let query = sqlx::query(AssertSqlSafe(&*self.replace))
                .bind(id)
                .bind(old)
                .bind(new)
                .execute(&self.pool);
            let result = with_time_limit(query).await;
            let result = result.map_err(|failure| StoreError::Unknown(failure.into()))?;
            Ok(result.rows_affected() == 1)
        })
    }

    fn set_second_factor<'a>(&'a self, id: &'a str, is_set: bool) -> StoreFuture<'a, bool> {
        let reason = "no column for the second factor: see `second_factor_column`";
        Box::pin(self.set_flag(self.set_second_factor.as_deref(), reason, id, is_set))
    }

    fn set_disabled<'a>(&'a self, id: &'a str, is_disabled: bool) -> StoreFuture<'a, bool> {
        let reason = "no column for active users: see `active_column`";
        Box::pin(self.set_flag(self.set_active.as_deref(), reason, id, !is_disabled))
    }

    fn remove<'a>(&'a self, id: &'a str) -> StoreFuture<'a, bool> {
        Box::pin(async move {
            let query = sqlx::query(AssertSqlSafe(&*self.remove)).bind(id);
            let query = query.execute(&self.pool);
            let result = with_time_limit(query).await;
            let result = result.map_err(|failure| StoreError::Unknown(failure.into()))?;
            Ok(result.rows_affected() == 1)
        })
    }
}

impl<U> fmt::Debug for PostgresUsers<U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresUsers").finish_non_exhaustive()
    }
}

/// The pool would wait half a minute for an unavailable server; a login does not.
async fn with_time_limit<T>(
    query: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, QueryError> {
    match timeout(TIME_LIMIT, query).await {
        Ok(result) => result.map_err(QueryError::Sql),
        Err(elapsed) => Err(QueryError::Timeout(elapsed)),
    }
}

enum QueryError {
    Sql(sqlx::Error),
    Timeout(Elapsed),
}

/// Database errors that quote a row are left out, since they could quote hashes.
impl From<QueryError> for BoxError {
    fn from(failure: QueryError) -> Self {
        match failure {
            QueryError::Sql(error) => SqlError::from(error).into(),
            QueryError::Timeout(elapsed) => elapsed.into(),
        }
    }
}

/// Whether the text is not a value of the column's type (SQLSTATE class 22), so that no row can
/// match.
fn is_invalid_text(error: &sqlx::Error) -> bool {
    let code = error
        .as_database_error()
        .and_then(sqlx::error::DatabaseError::code);
    code.is_some_and(|code| code.starts_with("22"))
}

const TIME_LIMIT: Duration = Duration::from_secs(2);
