//! How much a session holds.

use serde_json::{Map, Value};

use crate::{error::IssueError, rejection::Rejection};

/// Checks the values of a session before they are stored: each request reads them.
pub(super) fn check(values: &Map<String, Value>) -> Result<(), IssueError> {
    let text = serde_json::to_vec(values).map_err(|error| IssueError::User(error.into()))?;
    match text.len() > MAX_VALUES_BYTES {
        true => Err(IssueError::TooLarge {
            bytes: text.len(),
            limit: MAX_VALUES_BYTES,
        }),
        false => Ok(()),
    }
}

/// The same where a request's own data may be too long.
pub(super) fn bounded(values: &Map<String, Value>) -> Result<(), Rejection> {
    check(values).map_err(|error| {
        Rejection::malformed("the values of the session have more than 64 KiB").because(error)
    })
}

/// Several hundred values, and a store that holds a hundred thousand such sessions goes on working.
const MAX_VALUES_BYTES: usize = 64 * 1024;
