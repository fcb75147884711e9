//! What went wrong between here and Redis, and what the caller is told of it.
//!
//! The question is whether the command ran. fred says the same of a command that was cut off and of one that it never
//! wrote, except where noted below; whatever is not known to have been refused may have run.

use fred::error::{Error, ErrorKind};

use crate::error::StoreError;

/// What an error of fred says about the command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fault {
    /// It did not run.
    NotDone,
    /// It did not run: this server accepts no writes any more, another one does.
    ReadOnly,
    /// It did not run: its slot is elsewhere, and fred has asked where since.
    Redirected,
    /// It did not run: the server has lost the script.
    NoScript,
    /// It did not run: there is no memory for it.
    Full,
    /// It did not run: what lies under the key is not ours.
    Corrupt,
    /// It may have run.
    Unknown,
}

impl Fault {
    pub(super) fn of(error: &Error) -> Self {
        let details = error.details();
        match details.split([' ', ':']).next().unwrap_or_default() {
            "NOSCRIPT" => Self::NoScript,
            "OOM" => Self::Full,
            "CORRUPT" | "WRONGTYPE" => Self::Corrupt,
            "READONLY" => Self::ReadOnly,
            "LOADING" | "MASTERDOWN" | "TRYAGAIN" | "NOAUTH" | "WRONGPASS" | "NOPERM" | "BUSY"
            | "NOREPLICAS" | "MISCONF" | "MOVED" | "ASK" => Self::NotDone,
            // Before version 7 what a command inside a script says stands at the end.
            "ERR" if details.contains("-OOM ") => Self::Full,
            "ERR" if details.contains("WRONGTYPE ") => Self::Corrupt,
            "ERR" if details.contains("-READONLY ") => Self::ReadOnly,
            "ERR" => Self::NotDone,
            _ => Self::of_client(error),
        }
    }

    /// These are fred's own words. CLUSTERDOWN is not among the answers above: fred drops the connection on it, and
    /// says the same of everything else that was under way there.
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

/// What a caller is told whose command changes nothing.
pub(super) fn of_read(error: Error) -> StoreError {
    match Fault::of(&error) {
        Fault::Corrupt => StoreError::Corrupt(error.into()),
        Fault::Full => StoreError::Full,
        _ => StoreError::Unavailable(error.into()),
    }
}

/// What a caller is told whose command changes something.
pub(super) fn of_write(error: Error) -> StoreError {
    match Fault::of(&error) {
        Fault::Unknown => StoreError::Unknown(error.into()),
        _ => of_read(error),
    }
}

/// Nothing was sent, because it is known that nobody would receive it.
pub(super) fn disconnected() -> StoreError {
    StoreError::Unavailable("not connected to Redis".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(kind: ErrorKind, details: &'static str) -> Fault {
        Fault::of(&Error::new(kind, details))
    }

    #[test]
    fn what_the_server_refused_did_not_run() {
        for (words, fault) in [
            (
                "OOM command not allowed when used memory > 'maxmemory'.",
                Fault::Full,
            ),
            (
                "READONLY You can't write against a read only replica.",
                Fault::ReadOnly,
            ),
            (
                "LOADING Redis is loading the dataset in memory",
                Fault::NotDone,
            ),
            ("MASTERDOWN Link with MASTER is down", Fault::NotDone),
            ("NOAUTH Authentication required.", Fault::NotDone),
            (
                "NOSCRIPT No matching script. Please use EVAL.",
                Fault::NoScript,
            ),
            ("WRONGTYPE Operation against a key", Fault::Corrupt),
            ("CORRUPT not a number", Fault::Corrupt),
            ("ERR unknown command", Fault::NotDone),
            (
                "ERR Error running script (call to f_1): @user_script:9: -OOM command not allowed",
                Fault::Full,
            ),
            (
                "ERR Error running script (call to f_1): @user_script:9: WRONGTYPE Operation",
                Fault::Corrupt,
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
            assert_eq!(said(kind, words), Fault::Unknown, "{words}");
        }
    }

    #[test]
    fn a_lost_answer_matters_to_a_write_only() {
        let lost = || Error::new(ErrorKind::Timeout, "Request timed out.");
        assert!(matches!(of_write(lost()), StoreError::Unknown(_)));
        assert!(matches!(of_read(lost()), StoreError::Unavailable(_)));
    }
}
