//! How a payload becomes a token and back.

use std::{any::Any, error::Error, fmt, pin::Pin, sync::Arc};

use super::date::DateFormat;
use crate::{error::IssueError, rejection::Rejection};

/// How a payload becomes a token and back: the only part in which kinds of tokens differ.
pub(super) trait Envelope: fmt::Debug + Send + Sync + 'static {
    /// The form of dates in the payload.
    fn dates(&self) -> DateFormat;

    /// The function that returns the length of the part of a token that is unique to it. What
    /// follows that part may be the same in many tokens.
    fn unique_prefix_len(&self) -> fn(&str) -> usize {
        str::len
    }

    /// Returns whether `keys` are still the keys of the ring.
    fn is_current(&self, keys: &KeySnapshot) -> bool;

    /// Fetches keys that are not in the ring yet, where there is a source of them.
    fn refresh_keys(&self) -> Option<KeyRefresh<'_>> {
        None
    }

    /// Returns the payload of `token` after verifying it with a key of the ring.
    fn open(&self, token: &str) -> Result<OpenedEnvelope, Rejection>;

    /// Makes a token of a payload with the ring's active key.
    fn seal(&self, payload: &[u8]) -> Result<String, IssueError>;
}

/// Resolves to whether a token whose key was unknown should be verified again.
pub(super) type KeyRefresh<'a> = Pin<Box<dyn Future<Output = bool> + Send + 'a>>;

/// The payload of a token, and the keys at the time it was verified.
pub(super) struct OpenedEnvelope {
    pub(super) payload: Vec<u8>,
    pub(super) keys: KeySnapshot,
}

/// The keys of a ring at one moment, compared by their address in memory.
pub(super) type KeySnapshot = Arc<dyn Any + Send + Sync>;

/// The cause of a rejection for a token that names an unknown key, which may be a new one.
#[derive(Debug)]
pub(super) struct UnknownKey;

impl UnknownKey {
    pub(super) fn is_cause_of(rejection: &Rejection) -> bool {
        rejection.source().is_some_and(|cause| cause.is::<Self>())
    }
}

impl fmt::Display for UnknownKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the key may be a new one")
    }
}

impl Error for UnknownKey {}
