//! The classification of failed statements, and the errors that callers get.

use sqlx::postgres::{PgDatabaseError, PgSeverity};

use super::told::SqlError;
use crate::error::StoreError;

/// Whether a statement changes anything. A read without an answer certainly changed nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Effect {
    Read,
    Write,
}

/// What an error says about its statement.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum PostgresFault {
    /// Rolled back because of concurrent statements. A retry may succeed.
    Contended,
    /// Refused because of the connection's cached state. A retry on another connection succeeds.
    Stale,
    /// Rolled back for lack of space.
    Full,
    /// Rolled back, or never started.
    Refused,
    /// Corruption, found by the server or in the answer.
    Damage,
    /// The connection is lost, and the answer with it.
    Lost,
}

impl PostgresFault {
    pub(super) fn of(error: &sqlx::Error) -> Self {
        match error {
            sqlx::Error::Database(error) => error
                .try_downcast_ref::<PgDatabaseError>()
                .map_or(Self::Lost, Self::of_database),
            sqlx::Error::ColumnDecode { .. }
            | sqlx::Error::ColumnNotFound(_)
            | sqlx::Error::ColumnIndexOutOfBounds { .. }
            | sqlx::Error::TypeNotFound { .. }
            | sqlx::Error::Decode(_) => Self::Damage,
            sqlx::Error::Encode(_) | sqlx::Error::InvalidArgument(_) => Self::Refused,
            _ => Self::Lost,
        }
    }

    /// An `ERROR` means that the statement was rolled back. A higher severity closes the
    /// connection, and may come between a commit and its answer, as in an immediate shutdown.
    fn of_database(error: &PgDatabaseError) -> Self {
        if error.severity() != PgSeverity::Error {
            return Self::Lost;
        }
        match error.code() {
            SERIALIZATION_FAILURE | DEADLOCK_DETECTED | LOCK_NOT_AVAILABLE => Self::Contended,
            FEATURE_NOT_SUPPORTED | INVALID_STATEMENT_NAME => Self::Stale,
            DISK_FULL => Self::Full,
            DATA_CORRUPTED | INDEX_CORRUPTED => Self::Damage,
            COMPLETION_UNKNOWN => Self::Lost,
            READ_ONLY => Self::Stale,
            code if code.starts_with(CONNECTION_EXCEPTION) => Self::Lost,
            _ => Self::Refused,
        }
    }

    /// Returns whether nothing was done and a retry may help.
    pub(super) fn is_transient(self, effect: Effect) -> bool {
        match self {
            Self::Contended | Self::Stale => true,
            Self::Lost => effect == Effect::Read,
            Self::Full | Self::Refused | Self::Damage => false,
        }
    }

    /// Returns whether the connection must not be reused.
    pub(super) fn breaks_connection(self) -> bool {
        matches!(self, Self::Stale | Self::Lost)
    }

    pub(super) fn to_error(self, effect: Effect, error: sqlx::Error) -> StoreError {
        let error = SqlError::from(error);
        match self {
            Self::Contended => StoreError::Contended,
            Self::Full => StoreError::Full,
            Self::Damage => StoreError::Corrupt(error.into()),
            Self::Stale | Self::Refused => StoreError::Unavailable(error.into()),
            Self::Lost => lost(effect, error),
        }
    }
}

/// The error of a statement that was sent but not answered.
pub(super) fn lost(
    effect: Effect,
    cause: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> StoreError {
    match effect {
        Effect::Read => StoreError::Unavailable(cause.into()),
        Effect::Write => StoreError::Unknown(cause.into()),
    }
}

const SERIALIZATION_FAILURE: &str = "40001";
const DEADLOCK_DETECTED: &str = "40P01";
const LOCK_NOT_AVAILABLE: &str = "55P03";
/// "Cached plan must not change result type", after a migration by a later version.
const FEATURE_NOT_SUPPORTED: &str = "0A000";
/// A prepared statement that was dropped by `DISCARD ALL` or a pooler.
const INVALID_STATEMENT_NAME: &str = "26000";
const DISK_FULL: &str = "53100";
const DATA_CORRUPTED: &str = "XX001";
const INDEX_CORRUPTED: &str = "XX002";
/// A primary that has become a standby, whose reads are stale from now on.
const READ_ONLY: &str = "25006";
const COMPLETION_UNKNOWN: &str = "40003";
const CONNECTION_EXCEPTION: &str = "08";
