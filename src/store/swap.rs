//! The one loop of a compare-and-swap.

use super::{Entry, Key, Store, Version, When, Write};
use crate::{clock::Clock, error::StoreError};

/// What is to become of a value that was read.
pub(crate) enum Step<T> {
    /// It stays as it is.
    Keep(T),
    /// It is written anew, and the answer holds once that has happened.
    Swap(Write, T),
}

/// Lets `decide` change the value under `key` until no other change comes between, and returns its last answer.
///
/// `decide` may be called many times, so it must have no effect but its answer. A write whose answer was lost
/// counts as done if the value is found with its version.
///
/// # Errors
///
/// Those of `decide` and of the store; [`StoreError::Contended`] after five seconds of losing.
pub(crate) async fn swap<T, E: From<StoreError>>(
    store: &dyn Store,
    clock: &dyn Clock,
    key: &Key,
    mut decide: impl FnMut(Option<&Entry>) -> Result<Step<T>, E>,
) -> Result<T, E> {
    let deadline = clock.monotonic() + DEADLINE;
    let mut unsettled: Option<(Version, T)> = None;
    loop {
        let entry = store.get(key).await?;
        let found = entry.as_ref().map(|entry| entry.version);
        if let Some((version, answer)) = unsettled.take()
            && found == Some(version)
        {
            return Ok(answer);
        }
        let (write, answer) = match decide(entry.as_ref())? {
            Step::Keep(answer) => return Ok(answer),
            Step::Swap(write, answer) => (write, answer),
        };
        let version = write.version;
        let when = found.map_or(When::Absent, When::Unchanged);
        match store.put(key, write, when).await {
            Ok(true) => return Ok(answer),
            Ok(false) => {}
            Err(StoreError::Unknown(_)) => unsettled = Some((version, answer)),
            Err(error) => return Err(error.into()),
        }
        if clock.monotonic() > deadline {
            return Err(StoreError::Contended.into());
        }
    }
}

/// Longer than any store's own time-out, shorter than anybody waits for a page.
const DEADLINE: std::time::Duration = std::time::Duration::from_secs(5);
