//! Authenticates a request by its session cookie.

use std::{any::type_name, sync::Arc};

use serde::de::DeserializeOwned;

use super::{
    engine::Sessions,
    handle::Session,
    lookup::{Lookup, OpenSession, UnreadableSession},
    reread::RereadOutcome,
};
use crate::{
    authenticate::{Authenticate, Verified},
    error::StoreError,
    identity::Identity,
    rejection::Rejection,
    request::credential::{Credential, CredentialSource},
};

/// A session as it was last opened, with the values derived from it.
pub(super) struct CachedSession<U> {
    opened: OpenSession,
    identity: Option<Identity>,
    user: Option<Arc<U>>,
}

impl<U: DeserializeOwned + Send + Sync + 'static> Authenticate for Sessions<U> {
    type User = U;

    fn source(&self) -> CredentialSource {
        CredentialSource::of_cookie(self.inner.cookie.cookie_name())
    }

    fn name(&self, _: Option<&Credential>) -> &'static str {
        "sessions"
    }

    async fn authenticate(&self, presented: Credential) -> Result<Verified<U>, Rejection> {
        let cached = match self.look_up(presented.expose()).await? {
            Lookup::Live(cached) => cached,
            Lookup::Gone => return self.absent(None),
            Lookup::Unreadable(UnreadableSession { token, .. }) => {
                return Ok(Session::unreadable(&self.inner, token).attach_to(Verified::anonymous()));
            }
            Lookup::Replaced => {
                return Ok(Session::replaced(&self.inner).attach_to(Verified::anonymous()));
            }
        };
        let verified = match (&cached.identity, &cached.user) {
            (Some(identity), Some(user)) => {
                let identity = identity.clone().checked_again_at(self.inner.clock.now());
                Verified::new(identity, Arc::clone(user))
            }
            _ => Verified::anonymous(),
        };
        let is_in_cookie = presented.came_in_cookie(self.inner.cookie.cookie_name());
        let session = Session::found(&self.inner, cached.opened.clone(), is_in_cookie);
        Ok(session.attach_to(verified))
    }

    /// An anonymous caller, with a handle that allows a login.
    fn absent(&self, _: Option<&Identity>) -> Result<Verified<U>, Rejection> {
        Ok(Session::none(&self.inner).attach_to(Verified::anonymous()))
    }
}

impl<U: DeserializeOwned> Sessions<U> {
    /// Returns the live session that `text` opens. Each call reads the store, possibly through a
    /// near-cache. A record that has not changed is not decrypted and parsed again.
    async fn look_up(&self, text: &str) -> Result<Lookup<Arc<CachedSession<U>>>, StoreError> {
        let cached = self.cache.get(text);
        let opened = cached.as_deref().map(|cached| &cached.opened);
        let found = self.inner.read_cached(text, opened).await?;
        match (found, cached) {
            (Lookup::Live(None), Some(cached)) => self.with_current_user(text, cached).await,
            (Lookup::Live(Some(opened)), _) => {
                let cached = self.cache_session(text, opened);
                self.with_current_user(text, cached).await
            }
            (Lookup::Replaced, _) => {
                self.cache.remove(text);
                Ok(Lookup::Replaced)
            }
            (Lookup::Unreadable(unreadable), _) => {
                self.cache.remove(text);
                Ok(Lookup::Unreadable(unreadable))
            }
            _ => {
                self.cache.remove(text);
                Ok(Lookup::Gone)
            }
        }
    }

    /// Re-reads the user of the session if that is required.
    async fn with_current_user(
        &self,
        text: &str,
        cached: Arc<CachedSession<U>>,
    ) -> Result<Lookup<Arc<CachedSession<U>>>, StoreError> {
        if !self.inner.needs_reread(&cached.opened.record.head) {
            return Ok(Lookup::Live(cached));
        }
        match self.inner.reread(&cached.opened).await? {
            RereadOutcome::AsFound => Ok(Lookup::Live(cached)),
            RereadOutcome::Changed(opened) => Ok(Lookup::Live(self.cache_session(text, opened))),
            RereadOutcome::Gone => {
                self.cache.remove(text);
                Ok(Lookup::Gone)
            }
        }
    }

    fn cache_session(&self, text: &str, opened: OpenSession) -> Arc<CachedSession<U>> {
        let cached = Arc::new(self.cached_session(opened));
        self.cache.insert(text, Arc::clone(&cached));
        cached
    }

    fn cached_session(&self, opened: OpenSession) -> CachedSession<U> {
        let user = user(&opened).map(Arc::new);
        let owner = opened.owner().filter(|_| user.is_some());
        let identity = owner.map(|owner| owner.identity(&opened.id(), self.inner.clock.now()));
        CachedSession {
            opened,
            identity,
            user,
        }
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
