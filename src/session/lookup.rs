//! Finds the live session for the text of a cookie.

use super::{
    inner::SessionsInner,
    opened::{Lookup, OpenSession, UnreadableSession},
    token::SessionToken,
};
use crate::{
    error::StoreError,
    store::{Entry, StoreKey, confirmed::confirmed},
};

/// Returns the session that `text` opens. A made-up text is rejected without a read.
pub(super) async fn open(
    sessions: &SessionsInner,
    text: &str,
) -> Result<Lookup<OpenSession>, StoreError> {
    match sessions.tags.decode(text) {
        Some(token) => read(sessions, token).await,
        None => Ok(Lookup::Gone),
    }
}

/// Reads the record of `token`.
pub(super) async fn read(
    sessions: &SessionsInner,
    token: SessionToken,
) -> Result<Lookup<OpenSession>, StoreError> {
    let key = token.key();
    let entry = sessions.store.get(&key).await?;
    Ok(report_if_unreadable(
        sessions,
        &key,
        sessions.unseal(&token, &key, entry.as_ref()),
    ))
}

/// Returns the session that `text` opens, for authentication. `Live(None)` means that it has
/// not changed since it was `cached`. A near-cache may confirm a session; a negative answer
/// always comes from the store.
pub(super) async fn read_cached(
    sessions: &SessionsInner,
    text: &str,
    cached: Option<&OpenSession>,
) -> Result<Lookup<Option<OpenSession>>, StoreError> {
    let token = match cached {
        Some(cached) => Some(cached.token.clone()),
        None => sessions.tags.decode(text),
    };
    let Some(token) = token else {
        return Ok(Lookup::Gone);
    };
    let key = cached.map_or_else(|| token.key(), |cached| cached.key.clone());
    let decide = |entry: Option<&Entry>| {
        let version = entry.map(|entry| entry.version);
        let is_unchanged = cached.is_some_and(|cached| {
            Some(cached.version) == version && cached.record.head.is_live(sessions.clock.now())
        });
        if is_unchanged {
            return Ok::<_, StoreError>(Lookup::Live(None));
        }
        Ok(sessions.unseal(&token, &key, entry).map(Some))
    };
    let is_live = |found: &Lookup<_>| matches!(found, Lookup::Live(_));
    let found = confirmed(&*sessions.store, &key, decide, is_live).await?;
    Ok(report_if_unreadable(sessions, &key, found.answer))
}

/// Reports an unreadable record once the store itself, not a near-cache, has returned it.
fn report_if_unreadable<T>(
    sessions: &SessionsInner,
    key: &StoreKey,
    found: Lookup<T>,
) -> Lookup<T> {
    if let Lookup::Unreadable(UnreadableSession { cause, .. }) = &found {
        sessions.report_unreadable(key, cause);
    }
    found
}
