//! From a cookie to a user.

use std::{any::type_name, sync::Arc};

use serde::de::DeserializeOwned;

use super::{
    engine::Sessions,
    handle::Session,
    lookup::{Lookup, Opened, Unreadable},
    reread::Fresh,
};
use crate::{
    authenticate::{Authenticate, Verified},
    credential::{Credential, CredentialSource},
    error::StoreError,
    identity::Identity,
    rejection::Rejection,
};

/// A session as it was opened last, and what follows from it.
pub(super) struct Known<U> {
    opened: Opened,
    identity: Option<Identity>,
    user: Option<Arc<U>>,
}

impl<U: DeserializeOwned + Send + Sync + 'static> Authenticate for Sessions<U> {
    type User = U;

    fn source(&self) -> CredentialSource {
        CredentialSource::of_cookie(self.core.cookie.cookie_name())
    }

    fn name(&self, _: Option<&Credential>) -> &'static str {
        "sessions"
    }

    async fn authenticate(&self, presented: Credential) -> Result<Verified<U>, Rejection> {
        let known = match self.recognise(presented.expose()).await? {
            Lookup::Live(known) => known,
            Lookup::Gone => return self.absent(None),
            Lookup::Unreadable(Unreadable { token, .. }) => {
                return Ok(Session::unreadable(&self.core, token).enter(Verified::anonymous()));
            }
            Lookup::Replaced => {
                return Ok(Session::replaced(&self.core).enter(Verified::anonymous()));
            }
        };
        let verified = match (&known.identity, &known.user) {
            (Some(identity), Some(user)) => {
                let identity = identity.clone().checked_again_at(self.core.clock.now());
                Verified::new(identity, Arc::clone(user))
            }
            _ => Verified::anonymous(),
        };
        let is_in_cookie = presented.came_in_cookie(self.core.cookie.cookie_name());
        let session = Session::found(&self.core, known.opened.clone(), is_in_cookie);
        Ok(session.enter(verified))
    }

    /// Nobody, with a handle through which somebody may log in.
    fn absent(&self, _: Option<&Identity>) -> Result<Verified<U>, Rejection> {
        Ok(Session::none(&self.core).enter(Verified::anonymous()))
    }
}

impl<U: DeserializeOwned> Sessions<U> {
    /// The live session that `text` opens. The store is asked every time, be it by a near-cache; a record that
    /// has not changed since is not opened and read again.
    async fn recognise(&self, text: &str) -> Result<Lookup<Arc<Known<U>>>, StoreError> {
        let seen = self.seen.get(text);
        let known = seen.as_deref().map(|known| &known.opened);
        let found = self.core.glance(text, known).await?;
        match (found, seen) {
            (Lookup::Live(None), Some(known)) => self.with_fresh_user(text, known).await,
            (Lookup::Live(Some(opened)), _) => {
                let known = self.remember(text, opened);
                self.with_fresh_user(text, known).await
            }
            (Lookup::Replaced, _) => {
                self.seen.remove(text);
                Ok(Lookup::Replaced)
            }
            (Lookup::Unreadable(unreadable), _) => {
                self.seen.remove(text);
                Ok(Lookup::Unreadable(unreadable))
            }
            _ => {
                self.seen.remove(text);
                Ok(Lookup::Gone)
            }
        }
    }

    /// The same session with its user as of now, where that is due.
    async fn with_fresh_user(
        &self,
        text: &str,
        known: Arc<Known<U>>,
    ) -> Result<Lookup<Arc<Known<U>>>, StoreError> {
        if !self.core.is_reread_due(&known.opened.record.head) {
            return Ok(Lookup::Live(known));
        }
        match self.core.reread(&known.opened).await? {
            Fresh::AsFound => Ok(Lookup::Live(known)),
            Fresh::Changed(opened) => Ok(Lookup::Live(self.remember(text, opened))),
            Fresh::Gone => {
                self.seen.remove(text);
                Ok(Lookup::Gone)
            }
        }
    }

    fn remember(&self, text: &str, opened: Opened) -> Arc<Known<U>> {
        let known = Arc::new(self.known(opened));
        self.seen.insert(text, Arc::clone(&known));
        known
    }

    fn known(&self, opened: Opened) -> Known<U> {
        let user = user(&opened).map(Arc::new);
        let owner = opened.owner().filter(|_| user.is_some());
        let identity = owner.map(|owner| owner.identity(&opened.id(), self.core.clock.now()));
        Known {
            opened,
            identity,
            user,
        }
    }
}

/// The user of a session. One that does not read as `U` was written by another version of the
/// application: its user has to log in again.
fn user<U: DeserializeOwned>(opened: &Opened) -> Option<U> {
    let user = opened.record.body.user.as_ref()?;
    let unreadable = |error: serde_json::Error| {
        let (column, wanted) = (error.column(), type_name::<U>());
        tracing::error!(
            column,
            wanted,
            "a session's user does not read as this type"
        );
    };
    serde_json::from_str(user.get()).map_err(unreadable).ok()
}
