//! Authenticates a request by its session cookie.

use std::sync::Arc;

use serde::de::DeserializeOwned;

use super::{
    handle::Session,
    opened::{Lookup, UnreadableSession},
    sessions::Sessions,
};
use crate::{
    authenticate::{Authenticate, Verified},
    identity::Identity,
    rejection::Rejection,
    request::credential::{Credential, CredentialSource},
};

impl<U: DeserializeOwned + Send + Sync + 'static> Authenticate for Sessions<U> {
    type User = U;

    fn source(&self) -> CredentialSource {
        CredentialSource::of_cookie(self.inner.cookie.cookie_name())
    }

    fn name(&self, _: Option<&Credential>) -> &'static str {
        "sessions"
    }

    async fn authenticate(&self, presented: Credential) -> Result<Verified<U>, Rejection> {
        let cached = match self.cache.look_up(&self.inner, presented.expose()).await? {
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
