//! What may be told of an error of the server.

use std::{error::Error, fmt};

use sqlx::error::DatabaseError;

/// An error of sqlx without what it quotes of rows. PostgreSQL puts the values of a row into its DETAIL, and sometimes into
/// the message; sqlx shows both.
#[derive(Debug)]
pub(crate) struct SqlError {
    reason: String,
    source: Option<std::io::Error>,
}

impl From<sqlx::Error> for SqlError {
    fn from(error: sqlx::Error) -> Self {
        use sqlx::Error as E;
        let reason = match error {
            E::Io(source) => {
                return Self {
                    reason: "the connection failed".to_owned(),
                    source: Some(source),
                };
            }
            E::Database(error) => of_database(&*error),
            E::ColumnNotFound(_) | E::ColumnIndexOutOfBounds { .. } => {
                "a column is not in the answer".to_owned()
            }
            E::ColumnDecode { index, .. } => format!("column {index} is of another type"),
            E::Decode(_) | E::Encode(_) | E::InvalidArgument(_) => {
                "a value is of another type".to_owned()
            }
            E::Protocol(_) => "the server did not keep to the protocol".to_owned(),
            // Connections and the pool: they have seen no row.
            other => other.to_string(),
        };
        Self {
            reason,
            source: None,
        }
    }
}

/// The code, and the message where it is about the statement and not about a row.
fn of_database(error: &dyn DatabaseError) -> String {
    let code = error.code().unwrap_or_default();
    let class = code.get(..2).unwrap_or_default();
    let message = match ABOUT_NO_ROW.contains(&class) {
        true => format!(": {}", error.message()),
        false => String::new(),
    };
    let constraint = error.constraint().map(|name| format!(" by {name}"));
    let constraint = constraint.unwrap_or_default();
    format!("the server refused with SQLSTATE {code}{constraint}{message}")
}

impl fmt::Display for SqlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl Error for SqlError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|source| source as _)
    }
}

/// Connections, features, states, authorization, names, rollbacks, access, resources, limits, interventions, the system, and
/// the server's own faults.
const ABOUT_NO_ROW: [&str; 14] = [
    "08", "0A", "25", "26", "28", "3D", "3F", "40", "42", "53", "54", "55", "57", "58",
];
