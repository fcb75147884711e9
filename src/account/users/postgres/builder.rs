//! The columns of a user table, and the statements built from them.

use std::{fmt, marker::PhantomData};

use sqlx::PgPool;

use super::PostgresUsers;
use crate::error::ConfigError;

/// Builds a [`PostgresUsers`].
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
    pub(super) fn new(pool: PgPool, table: String) -> Self {
        Self {
            pool,
            table,
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

    /// Sets the column that identifies a user permanently. Default: `id`.
    pub fn id_column(mut self, column: impl Into<String>) -> Self {
        self.id = column.into();
        self
    }

    /// Sets the type of the id, such as `bigint` or `uuid`, so that its index is used: every
    /// refresh reads a user by id. Default: the id is compared as text, which suits a text column,
    /// and any type in a small table.
    pub fn id_type(mut self, name: impl Into<String>) -> Self {
        self.id_type = Some(name.into());
        self
    }

    /// Sets the column of the login name, which should be unique: if two users share a name,
    /// neither is found. Default: `username`.
    pub fn name_column(mut self, column: impl Into<String>) -> Self {
        self.name = column.into();
        self
    }

    /// Sets the column of the password hash. Default: `password`.
    pub fn password_column(mut self, column: impl Into<String>) -> Self {
        self.password = column.into();
        self
    }

    /// Sets the columns that a `U` is built from. Their values are in every token and session of
    /// the user. Default: the login name.
    pub fn user_columns(mut self, columns: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.user_columns = Some(columns.into_iter().map(Into::into).collect());
        self
    }

    /// Sets a boolean column that says who may log in. Default: everybody may, and no user can be
    /// disabled.
    pub fn active_column(mut self, column: impl Into<String>) -> Self {
        self.active = Some(column.into());
        self
    }

    /// Sets a `text[]` column of roles. Default: users have no roles.
    pub fn roles_column(mut self, column: impl Into<String>) -> Self {
        self.roles = Some(column.into());
        self
    }

    /// Sets a boolean column that says which users have a second factor. Default: none have, and
    /// none can enrol.
    pub fn second_factor_column(mut self, column: impl Into<String>) -> Self {
        self.second_factor = Some(column.into());
        self
    }

    /// Checks the names. The table is first read at a login.
    ///
    /// # Errors
    ///
    /// When a name is not 1 to 63 ASCII letters, digits and `_`, starting with a letter or `_`, or
    /// the [columns of the user](Self::user_columns) include the password.
    pub fn build(self) -> Result<PostgresUsers<U>, ConfigError> {
        self.validate()
            .map_err(|error| error.in_engine("PostgresUsers"))
    }

    fn validate(self) -> Result<PostgresUsers<U>, ConfigError> {
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
                let reason = "includes the password column";
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

impl<U> fmt::Debug for PostgresUsersBuilder<U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresUsersBuilder")
            .field("table", &self.table)
            .finish_non_exhaustive()
    }
}

/// Quotes the name, so that PostgreSQL does not fold its case.
fn quoted(setting: &'static str, name: &str) -> Result<String, ConfigError> {
    let is_first = |c: char| c.is_ascii_alphabetic() || c == '_';
    let is_rest = |c: char| is_first(c) || c.is_ascii_digit();
    if name.len() > 63 || !name.starts_with(is_first) || !name.chars().all(is_rest) {
        let reason = "is not 1 to 63 letters, digits and `_`, after a letter or `_`";
        return Err(ConfigError::new(setting, reason));
    }
    Ok(format!("\"{name}\""))
}
