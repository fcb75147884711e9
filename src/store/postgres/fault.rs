//! What can go wrong with a statement, and what the caller is told of it.

use sqlx::postgres::{PgDatabaseError, PgSeverity};

use super::told::SqlError;
use crate::error::StoreError;

/// Whether a statement changes anything. If its answer is lost, a read did nothing for certain.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Effect {
    Read,
    Write,
}

/// What an error says about its statement.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fault {
    /// Rolled back because of others. The same statement may succeed now.
    Contended,
    /// Refused because of what the connection remembers. The same statement succeeds on another one.
    Stale,
    /// Rolled back for want of room.
    Full,
    /// Rolled back, or never begun.
    Refused,
    /// Damage, found by the server or in the answer.
    Damage,
    /// The connection is gone, and with it the answer.
    Lost,
}

impl Fault {
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

    /// An `ERROR` is a statement that was rolled back. What is worse ends the connection, and may come between
    /// a commit and its answer: an immediate shutdown says so at any moment.
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

    /// Whether nothing was done, and trying again may help.
    pub(super) fn is_passing(self, effect: Effect) -> bool {
        match self {
            Self::Contended | Self::Stale => true,
            Self::Lost => effect == Effect::Read,
            Self::Full | Self::Refused | Self::Damage => false,
        }
    }

    /// Whether the connection must not be used again.
    pub(super) fn ends_connection(self) -> bool {
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

/// The error of a statement that was sent and whose answer did not come.
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
/// A prepared statement that somebody else has dropped: `DISCARD ALL`, a pooler.
const INVALID_STATEMENT_NAME: &str = "26000";
const DISK_FULL: &str = "53100";
const DATA_CORRUPTED: &str = "XX001";
const INDEX_CORRUPTED: &str = "XX002";
/// A primary that has become a standby, whose reads are old from now on.
const READ_ONLY: &str = "25006";
const COMPLETION_UNKNOWN: &str = "40003";
const CONNECTION_EXCEPTION: &str = "08";
