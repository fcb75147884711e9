//! Users in a PostgreSQL table of the application.

use std::{borrow::Cow, fmt, marker::PhantomData, time::Duration};

use serde::de::DeserializeOwned;
use sqlx::{AssertSqlSafe, PgPool, Row, postgres::PgRow};
use tokio::time::{error::Elapsed, timeout};

use super::{User, Users};
use crate::{
    error::{BoxError, ConfigError, StoreError},
    grant::Grant,
    store::{SqlError, StoreFuture},
};

/// Reads users from a table that the application has, whatever its table and columns are called.
///
/// Only named columns are read. A `U` is made of the [columns](PostgresUsersBuilder::user_columns) that handlers need, as
/// a JSON object under their names; what a user may do comes from [`roles_column`](PostgresUsersBuilder::roles_column) alone. The id
/// may be of any type that has a text form, and is compared in that form unless its
/// [type](PostgresUsersBuilder::id_type) is told.
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
    /// Users in `table` (`users`, or `schema.users`), which `pool` reaches.
    pub fn builder(pool: PgPool, table: impl Into<String>) -> PostgresUsersBuilder<U> {
        PostgresUsersBuilder {
            pool,
            table: table.into(),
            id: "id".to_owned(),
            id_type: None,
            name: "username".to_owned(),
            password: "password".to_owned(),
            active: None,
            roles: None,
            second_factor: None,
            user_columns: None,
            user: PhantomData,
        }
    }
}

/// The names of a [`PostgresUsers`].
#[must_use]
pub struct PostgresUsersBuilder<U> {
    pool: PgPool,
    table: String,
    id: String,
    id_type: Option<String>,
    name: String,
    password: String,
    active: Option<String>,
    roles: Option<String>,
    second_factor: Option<String>,
    user_columns: Option<Vec<String>>,
    user: PhantomData<fn() -> U>,
}

impl<U> PostgresUsersBuilder<U> {
    /// The column that identifies a user for its whole life. Default: `id`.
    pub fn id_column(mut self, column: impl Into<String>) -> Self {
        self.id = column.into();
        self
    }

    /// The id's type, such as `bigint` or `uuid`, so that its index serves: every refresh reads a user by id. Default: it is
    /// compared as text, which suits a column of text, and a small table whatever its type.
    pub fn id_type(mut self, name: impl Into<String>) -> Self {
        self.id_type = Some(name.into());
        self
    }

    /// The column of the login name, which should be unique: of two users of one name neither is found. Default:
    /// `username`.
    pub fn name_column(mut self, column: impl Into<String>) -> Self {
        self.name = column.into();
        self
    }

    /// The column of the password's hash. Default: `password`.
    pub fn password_column(mut self, column: impl Into<String>) -> Self {
        self.password = column.into();
        self
    }

    /// The columns that a `U` is made of. Their values are in every token and session of the user. Default: that of
    /// the login name.
    pub fn user_columns(mut self, columns: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.user_columns = Some(columns.into_iter().map(Into::into).collect());
        self
    }

    /// A boolean column that says who may log in. Default: everybody may, and nobody can be disabled.
    pub fn active_column(mut self, column: impl Into<String>) -> Self {
        self.active = Some(column.into());
        self
    }

    /// A `text[]` column of roles. Default: nobody has any.
    pub fn roles_column(mut self, column: impl Into<String>) -> Self {
        self.roles = Some(column.into());
        self
    }

    /// A boolean column that says whose logins ask for a one-time code. Default: nobody's do, and nobody can enrol.
    pub fn second_factor_column(mut self, column: impl Into<String>) -> Self {
        self.second_factor = Some(column.into());
        self
    }

    /// Checks the names; the table is first looked at when somebody logs in.
    ///
    /// # Errors
    ///
    /// When a name is not one to 63 ASCII letters, digits and `_`, after a letter or `_`, or the password is among
    /// the [columns of the user](Self::user_columns).
    pub fn build(self) -> Result<PostgresUsers<U>, ConfigError> {
        let parts = self.table.split('.').map(|part| quoted("table", part));
        let table = parts.collect::<Result<Vec<_>, _>>()?;
        if table.len() > 2 {
            return Err(ConfigError::new(
                "table",
                "is not `table` or `schema.table`",
            ));
        }
        let table = table.join(".");
        let id = quoted("id_column", &self.id)?;
        let is_id = match &self.id_type {
            Some(id_type) => {
                quoted("id_type", id_type)?;
                format!("t.{id} = $1::text::{id_type}")
            }
            None => format!("t.{id}::text = $1"),
        };
        let name = quoted("name_column", &self.name)?;
        let password = quoted("password_column", &self.password)?;
        let active = self.active.as_ref();
        let active = active.map(|name| quoted("active_column", name));
        let active = active.transpose()?;
        let is_active = match &active {
            Some(column) => format!("t.{column}"),
            None => "true".to_owned(),
        };
        let user_columns = match &self.user_columns {
            Some(columns) => columns.as_slice(),
            None => std::slice::from_ref(&self.name),
        };
        let mut members = Vec::with_capacity(user_columns.len());
        for column in user_columns {
            if *column == self.password {
                let reason = "names the column of the password";
                return Err(ConfigError::new("user_columns", reason));
            }
            let quoted = quoted("user_columns", column)?;
            members.push(format!("'{column}', t.{quoted}"));
        }
        let members = members.join(", ");
        let roles = match &self.roles {
            Some(roles) => format!(
                "coalesce(t.{}, '{{}}')::text[]",
                quoted("roles_column", roles)?
            ),
            None => "'{}'::text[]".to_owned(),
        };
        let second_factor = self.second_factor.as_ref();
        let second_factor = second_factor.map(|name| quoted("second_factor_column", name));
        let second_factor = second_factor.transpose()?;
        let has_second_factor = match &second_factor {
            Some(column) => format!("coalesce(t.{column}, false)"),
            None => "false".to_owned(),
        };
        let select = format!(
            "SELECT t.{id}::text, t.{password}::text, {roles}, json_build_object({members})::text, \
             {has_second_factor} FROM {table} t WHERE {is_active}"
        );
        Ok(PostgresUsers {
            pool: self.pool,
            find: format!("{select} AND t.{name}::text = $1 LIMIT 2"),
            read: format!("{select} AND {is_id} LIMIT 2"),
            replace: format!(
                "UPDATE {table} t SET {password} = $3 WHERE {is_id} AND t.{password}::text = $2"
            ),
            set_second_factor: second_factor
                .map(|column| format!("UPDATE {table} t SET {column} = $2 WHERE {is_id}")),
            set_active: active
                .map(|column| format!("UPDATE {table} t SET {column} = $2 WHERE {is_id}")),
            remove: format!("DELETE FROM {table} t WHERE {is_id}"),
            user: PhantomData,
        })
    }
}

impl<U: DeserializeOwned> PostgresUsers<U> {
    async fn one(&self, sql: &str, wanted: &str) -> Result<Option<User<U>>, StoreError> {
        // Text with a NUL is no text for PostgreSQL.
        if wanted.contains('\0') {
            return Ok(None);
        }
        let query = sqlx::query(AssertSqlSafe(sql))
            .bind(wanted)
            .fetch_all(&self.pool);
        let rows = match within(query).await {
            Err(Failure::Sql(error)) if is_of_no_type(&error) => return Ok(None),
            answer => answer.map_err(|failure| StoreError::Unavailable(failure.into()))?,
        };
        match rows.as_slice() {
            [row] => Ok(Some(user(row)?)),
            [] => Ok(None),
            _ => Err(StoreError::Corrupt("two users of one name".into())),
        }
    }
}

impl<U> PostgresUsers<U> {
    /// Sets a boolean column of the user, if there is such a column.
    async fn set(
        &self,
        sql: Option<&str>,
        reason: &'static str,
        id: &str,
        is_set: bool,
    ) -> Result<bool, StoreError> {
        let sql = sql.ok_or_else(|| StoreError::Unavailable(reason.into()))?;
        let query = sqlx::query(AssertSqlSafe(sql)).bind(id).bind(is_set);
        let query = query.execute(&self.pool);
        let done = within(query).await;
        let done = done.map_err(|failure| StoreError::Unknown(failure.into()))?;
        Ok(done.rows_affected() == 1)
    }
}

fn user<U: DeserializeOwned>(row: &PgRow) -> Result<User<U>, StoreError> {
    let corrupt = |error: sqlx::Error| StoreError::Corrupt(SqlError::from(error).into());
    let id: String = row.try_get(0).map_err(corrupt)?;
    let hash: Option<String> = row.try_get(1).map_err(corrupt)?;
    let roles: Vec<String> = row.try_get(2).map_err(corrupt)?;
    let json: String = row.try_get(3).map_err(corrupt)?;
    let has_second_factor = row.try_get(4).map_err(corrupt)?;
    let user = serde_json::from_str(&json).map_err(|error| {
        let reason = format!("a row that is no user, at column {}", error.column());
        StoreError::Corrupt(reason.into())
    })?;
    let grant = Grant::new(id, user).roles(roles);
    Ok(User::new(grant, hash.unwrap_or_default()).with_second_factor(has_second_factor))
}

impl<U: DeserializeOwned + Send + Sync + 'static> Users<U> for PostgresUsers<U> {
    /// The column may compare without case or trailing spaces, by its collation or type. Counted more coarsely than it compares,
    /// names that are nobody's only share a budget.
    fn canonical<'a>(&self, name: &'a str) -> Cow<'a, str> {
        Cow::Owned(name.trim_end().to_lowercase())
    }

    fn find<'a>(&'a self, name: &'a str) -> StoreFuture<'a, Option<User<U>>> {
        Box::pin(self.one(&self.find, name))
    }

    fn read<'a>(&'a self, id: &'a str) -> StoreFuture<'a, Option<User<U>>> {
        Box::pin(async move {
            let user = self.one(&self.read, id).await?;
            // A number has many spellings, and the user only one id.
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
            let done = within(query).await;
            let done = done.map_err(|failure| StoreError::Unknown(failure.into()))?;
            Ok(done.rows_affected() == 1)
        })
    }

    fn set_second_factor<'a>(&'a self, id: &'a str, is_set: bool) -> StoreFuture<'a, bool> {
        let reason = "no column for the second factor: see `second_factor_column`";
        Box::pin(self.set(self.set_second_factor.as_deref(), reason, id, is_set))
    }

    fn set_disabled<'a>(&'a self, id: &'a str, is_disabled: bool) -> StoreFuture<'a, bool> {
        let reason = "no column for who may log in: see `active_column`";
        Box::pin(self.set(self.set_active.as_deref(), reason, id, !is_disabled))
    }

    fn remove<'a>(&'a self, id: &'a str) -> StoreFuture<'a, bool> {
        Box::pin(async move {
            let query = sqlx::query(AssertSqlSafe(&*self.remove)).bind(id);
            let query = query.execute(&self.pool);
            let done = within(query).await;
            let done = done.map_err(|failure| StoreError::Unknown(failure.into()))?;
            Ok(done.rows_affected() == 1)
        })
    }
}

impl<U> fmt::Debug for PostgresUsers<U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresUsers").finish_non_exhaustive()
    }
}

impl<U> fmt::Debug for PostgresUsersBuilder<U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresUsersBuilder")
            .field("table", &self.table)
            .finish_non_exhaustive()
    }
}

/// A pool that waits for a server that is away waits for half a minute; a login does not.
async fn within<T>(query: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, Failure> {
    match timeout(TIME_LIMIT, query).await {
        Ok(answer) => answer.map_err(Failure::Sql),
        Err(late) => Err(Failure::Late(late)),
    }
}

enum Failure {
    Sql(sqlx::Error),
    Late(Elapsed),
}

/// Of the server's words only what is about no row: they quote hashes.
impl From<Failure> for BoxError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Sql(error) => SqlError::from(error).into(),
            Failure::Late(late) => late.into(),
        }
    }
}

/// Whether the text that was asked for is no value of the column's type (SQLSTATE class 22), so nobody's.
fn is_of_no_type(error: &sqlx::Error) -> bool {
    let code = error
        .as_database_error()
        .and_then(sqlx::error::DatabaseError::code);
    code.is_some_and(|code| code.starts_with("22"))
}

/// The name in quotes, as it stands: PostgreSQL folds nothing then.
fn quoted(setting: &'static str, name: &str) -> Result<String, ConfigError> {
    let is_first = |c: char| c.is_ascii_alphabetic() || c == '_';
    let is_rest = |c: char| is_first(c) || c.is_ascii_digit();
    if name.len() > 63 || !name.starts_with(is_first) || !name.chars().all(is_rest) {
        let reason = "is not 1 to 63 letters, digits and `_`, after a letter or `_`";
        return Err(ConfigError::new(setting, reason));
    }
    Ok(format!("\"{name}\""))
}

const TIME_LIMIT: Duration = Duration::from_secs(2);
