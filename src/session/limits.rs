//! The size limit of a session's values.

use serde_json::{Map, Value};

use crate::{error::IssueError, rejection::Rejection};

/// Checks the size of a session's values before they are stored, since each request reads them.
pub(super) fn check(values: &Map<String, Value>) -> Result<(), IssueError> {
    let text = serde_json::to_vec(values).map_err(|error| IssueError::User(error.into()))?;
    if text.len() > MAX_VALUES_BYTES {
        return Err(IssueError::TooLarge {
            bytes: text.len(),
            limit: MAX_VALUES_BYTES,
        });
    }
    Ok(())
}

/// Like [`check`], for values that may come from a request.
pub(super) fn bounded(values: &Map<String, Value>) -> Result<(), Rejection> {
    check(values).map_err(|error| {
        Rejection::malformed("the values of the session have more than 64 KiB").with_source(error)
    })
}

/// Room for several hundred values, small enough for a store with a hundred thousand such sessions.
const MAX_VALUES_BYTES: usize = 64 * 1024;
