//! Sessions that were opened before, so that a record that has not changed is not decrypted again.

use std::{any::type_name, sync::Arc};

use serde::de::DeserializeOwned;

use super::{
    inner::SessionsInner,
    lookup,
    opened::{Lookup, OpenSession},
    reread,
    reread::RereadOutcome,
};
use crate::{cache::Cache, clock::Timestamp, error::StoreError, identity::Identity};

/// A session as it was last opened, with the values derived from it.
pub(super) struct CachedSession<U> {
    pub(super) opened: OpenSession,
    pub(super) identity: Option<Identity>,
    pub(super) user: Option<Arc<U>>,
}

impl<U: DeserializeOwned> CachedSession<U> {
    fn new(opened: OpenSession, now: Timestamp) -> Self {
        let user = user(&opened).map(Arc::new);
        let owner = opened.owner().filter(|_| user.is_some());
        let identity = owner.map(|owner| owner.identity(&opened.id(), now));
        Self {
            opened,
            identity,
            user,
        }
    }
}

/// The sessions by the text of their cookies.
pub(super) struct SessionCache<U>(Cache<CachedSession<U>>);

impl<U> SessionCache<U> {
    pub(super) fn new() -> Self {
        Self(Cache::new(str::len))
    }
}

impl<U: DeserializeOwned> SessionCache<U> {
    /// Returns the live session that `text` opens. Each call reads the store, possibly through a
    /// near-cache. A record that has not changed is not decrypted and parsed again.
    pub(super) async fn look_up(
        &self,
        sessions: &SessionsInner,
        text: &str,
    ) -> Result<Lookup<Arc<CachedSession<U>>>, StoreError> {
        let cached = self.0.get(text);
        let opened = cached.as_deref().map(|cached| &cached.opened);
        let found = lookup::read_cached(sessions, text, opened).await?;
        match (found, cached) {
            (Lookup::Live(None), Some(cached)) => {
                self.with_current_user(sessions, text, cached).await
            }
            (Lookup::Live(Some(opened)), _) => {
                let cached = self.insert(sessions, text, opened);
                self.with_current_user(sessions, text, cached).await
            }
            (Lookup::Replaced, _) => {
                self.0.remove(text);
                Ok(Lookup::Replaced)
            }
            (Lookup::Unreadable(unreadable), _) => {
                self.0.remove(text);
                Ok(Lookup::Unreadable(unreadable))
            }
            _ => {
                self.0.remove(text);
                Ok(Lookup::Gone)
            }
        }
    }

    /// Re-reads the user of the session if that is required.
    async fn with_current_user(
        &self,
        sessions: &SessionsInner,
        text: &str,
        cached: Arc<CachedSession<U>>,
    ) -> Result<Lookup<Arc<CachedSession<U>>>, StoreError> {
        if !reread::is_required(sessions, &cached.opened) {
            return Ok(Lookup::Live(cached));
        }
        match reread::reread(sessions, &cached.opened).await? {
            RereadOutcome::AsFound => Ok(Lookup::Live(cached)),
            RereadOutcome::Changed(opened) => Ok(Lookup::Live(self.insert(sessions, text, opened))),
            RereadOutcome::Gone => {
                self.0.remove(text);
                Ok(Lookup::Gone)
            }
        }
    }

    fn insert(
        &self,
        sessions: &SessionsInner,
        text: &str,
        opened: OpenSession,
    ) -> Arc<CachedSession<U>> {
        let cached = Arc::new(CachedSession::new(opened, sessions.clock.now()));
        self.0.insert(text, Arc::clone(&cached));
        cached
    }
}

/// Returns the user of a session. A user that does not deserialise as `U` was written by another
/// version of the application and has to log in again.
fn user<U: DeserializeOwned>(opened: &OpenSession) -> Option<U> {
    let user = opened.record.body.user.as_ref()?;
    let unreadable = |error: serde_json::Error| {
        let (column, wanted) = (error.column(), type_name::<U>());
        tracing::error!(
            column,
            wanted,
            "the user of a session does not deserialise as this type"
        );
    };
    serde_json::from_str(user.get()).map_err(unreadable).ok()
}
