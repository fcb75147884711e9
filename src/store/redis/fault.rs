//! The classification of errors from fred, and the errors that callers get.
//!
//! The question is whether the command ran. fred reports the same error for a command that was cut
//! off and for one that it never wrote, except where stated below. A command that is not known to
//! have been refused may have run.

use fred::error::{Error, ErrorKind};

use crate::error::StoreError;

/// What an error of fred says about the command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum RedisFault {
    /// It did not run.
    NotDone,
    /// It did not run: this server has become read-only, and another one is the primary.
    ReadOnly,
    /// It did not run: another server has its slot, and fred has refreshed its slot map since.
    Redirected,
    /// It did not run: the server does not have the script any more.
    NoScript,
    /// It did not run: the server has no memory for it.
    Full,
    /// It did not run: this crate did not write the value under the key.
    Corrupt,
    /// It may have run.
    Unknown,
}

impl RedisFault {
    pub(super) fn of(error: &Error) -> Self {
        let details = error.details();
        match details.split([' ', ':']).next().unwrap_or_default() {
            "NOSCRIPT" => Self::NoScript,
            "OOM" => Self::Full,
            "CORRUPT" | "WRONGTYPE" => Self::Corrupt,
            "READONLY" => Self::ReadOnly,
            "LOADING" | "MASTERDOWN" | "TRYAGAIN" | "NOAUTH" | "WRONGPASS" | "NOPERM" | "BUSY"
            | "NOREPLICAS" | "MISCONF" | "MOVED" | "ASK" => Self::NotDone,
            // Before version 7 the error of a command inside a script is at the end.
            "ERR" if details.contains("-OOM ") => Self::Full,
            "ERR" if details.contains("WRONGTYPE ") => Self::Corrupt,
            "ERR" if details.contains("-READONLY ") => Self::ReadOnly,
            "ERR" => Self::NotDone,
            _ => Self::of_client(error),
        }
    }

    /// Classifies the messages of fred itself. CLUSTERDOWN is not among the server's errors above:
    /// fred drops the connection on it, and reports it for every other command in flight there.
    fn of_client(error: &Error) -> Self {
        match (error.kind(), error.details()) {
            (ErrorKind::Routing, "Too many redirections.") => Self::Redirected,
            (
                ErrorKind::Unknown,
                "Failed to route command."
                | "Client is not initialized."
                | "Failed to send command to router.",
            ) => Self::NotDone,
            _ => Self::Unknown,
        }
    }
}

/// Converts the error of a command that only reads.
pub(super) fn of_read(error: Error) -> StoreError {
    match RedisFault::of(&error) {
        RedisFault::Corrupt => StoreError::Corrupt(error.into()),
        RedisFault::Full => StoreError::Full,
        _ => StoreError::Unavailable(error.into()),
    }
}

/// Converts the error of a command that writes.
pub(super) fn of_write(error: Error) -> StoreError {
    match RedisFault::of(&error) {
        RedisFault::Unknown => StoreError::Unknown(error.into()),
        _ => of_read(error),
    }
}

/// The error of a command that was not sent because there is no connection.
pub(super) fn disconnected() -> StoreError {
    StoreError::Unavailable("not connected to Redis".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(kind: ErrorKind, details: &'static str) -> RedisFault {
        RedisFault::of(&Error::new(kind, details))
    }

    #[test]
    fn what_the_server_refused_did_not_run() {
        for (words, fault) in [
            (
                "OOM command not allowed when used memory > 'maxmemory'.",
                RedisFault::Full,
            ),
            (
                "READONLY You can't write against a read only replica.",
                RedisFault::ReadOnly,
            ),
            (
                "LOADING Redis is loading the dataset in memory",
                RedisFault::NotDone,
            ),
            ("MASTERDOWN Link with MASTER is down", RedisFault::NotDone),
            ("NOAUTH Authentication required.", RedisFault::NotDone),
            (
                "NOSCRIPT No matching script. Please use EVAL.",
                RedisFault::NoScript,
            ),
            ("WRONGTYPE Operation against a key", RedisFault::Corrupt),
            ("CORRUPT not a number", RedisFault::Corrupt),
            ("ERR unknown command", RedisFault::NotDone),
            (
                "ERR Error running script (call to f_1): @user_script:9: -OOM command not allowed",
                RedisFault::Full,
            ),
            (
                "ERR Error running script (call to f_1): @user_script:9: WRONGTYPE Operation",
                RedisFault::Corrupt,
            ),
        ] {
            assert_eq!(said(ErrorKind::Unknown, words), fault, "{words}");
        }
    }

    #[test]
    fn what_was_cut_off_may_have_run() {
        for (kind, words) in [
            (ErrorKind::IO, "Connection closed."),
            (ErrorKind::IO, "Unresponsive connection."),
            (ErrorKind::Timeout, "Request timed out."),
            (ErrorKind::Canceled, "Canceled."),
            (ErrorKind::Unknown, "Too many failed write attempts."),
            (ErrorKind::Cluster, "CLUSTERDOWN The cluster is down"),
            (ErrorKind::Protocol, "Invalid frame"),
            (ErrorKind::Unknown, ""),
        ] {
            assert_eq!(said(kind, words), RedisFault::Unknown, "{words}");
        }
    }

    #[test]
    fn a_lost_answer_matters_to_a_write_only() {
        let lost = || Error::new(ErrorKind::Timeout, "Request timed out.");
        assert!(matches!(of_write(lost()), StoreError::Unknown(_)));
        assert!(matches!(of_read(lost()), StoreError::Unavailable(_)));
    }
}
