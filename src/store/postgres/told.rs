//! Errors of the server without the values that they quote.

use std::{error::Error, fmt};

use sqlx::error::DatabaseError;

/// An error of sqlx without quotes from rows. PostgreSQL puts values of a row into DETAIL, and
/// sometimes into the message; sqlx shows both.
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
                "a column is missing from the answer".to_owned()
            }
            E::ColumnDecode { index, .. } => format!("column {index} has another type"),
            E::Decode(_) | E::Encode(_) | E::InvalidArgument(_) => {
                "a value has another type".to_owned()
            }
            E::Protocol(_) => "the server violated the protocol".to_owned(),
            // Errors of connections and the pool, which contain no rows.
            other => other.to_string(),
        };
        Self {
            reason,
            source: None,
        }
    }
}

/// Describes the error by its code, and by its message if that concerns the statement rather than a
/// row.
fn of_database(error: &dyn DatabaseError) -> String {
    let code = error.code().unwrap_or_default();
    let class = code.get(..2).unwrap_or_default();
    let message = if ABOUT_NO_ROW.contains(&class) {
        format!(": {}", error.message())
    } else {
        String::new()
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

/// Connections, features, states, authorization, names, rollbacks, access, resources, limits,
/// interventions, the system, and the server's own faults.
const ABOUT_NO_ROW: [&str; 14] = [
    "08", "0A", "25", "26", "28", "3D", "3F", "40", "42", "53", "54", "55", "57", "58",
];
