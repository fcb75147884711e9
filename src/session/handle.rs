//! The session of one request, in the hands of a handler.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard},
};

use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use super::{
    core::{Core, NewId},
    limits::bounded,
    login::Login,
    lookup::Opened,
    record::Record,
    state::{Shared, State},
    token::Token,
};
use crate::{
    authenticate::Verified, error::StoreError, event::EventKind, grant::Grant,
    rejection::Rejection, secret::Secret,
};

/// The session of a request: an anonymous one until somebody logs in.
///
/// Every write is committed when its future returns `Ok`, not when the response leaves: neither a
/// failing response nor a vanished client loses it. Reading is from what the request found, and from
/// what it wrote since.
///
/// The layer sets the cookie after a login, a new id or a first anonymous write, and clears it after a
/// logout. Where the layer reads a header instead, nothing is set, and the token is what
/// [`login`](Self::login) and [`rework`](Self::rework) return.
#[derive(Clone)]
pub struct Session {
    shared: Arc<Shared>,
}

impl Session {
    /// No session, as long as nothing is written to it.
    pub(super) fn none(core: &Arc<Core>) -> Self {
        Self::new(core, None, false, false)
    }

    /// A session that the request came with.
    pub(super) fn found(core: &Arc<Core>, opened: Opened, is_in_cookie: bool) -> Self {
        Self::new(core, Some(opened), false, is_in_cookie)
    }

    /// No session, in place of one that does not read: a login or a logout ends that too.
    pub(super) fn unreadable(core: &Arc<Core>, token: Token) -> Self {
        let session = Self::none(core);
        session.state().unreadable = Some(token);
        session
    }

    pub(super) fn replaced(core: &Arc<Core>) -> Self {
        Self::new(core, None, true, false)
    }

    fn new(
        core: &Arc<Core>,
        opened: Option<Opened>,
        is_replaced: bool,
        is_in_cookie: bool,
    ) -> Self {
        let state = State {
            opened,
            cookie: None,
            is_replaced,
            is_in_cookie,
            unreadable: None,
        };
        Self {
            shared: Arc::new(Shared {
                core: Arc::clone(core),
                state: Mutex::new(state),
            }),
        }
    }

    /// Puts the handle into what the layer gives the request.
    pub(super) fn enter<U>(self, verified: Verified<U>) -> Verified<U> {
        let hook = Arc::clone(&self.shared);
        verified.attach_memory(self).on_response(hook)
    }

    /// The public id, once there is a record.
    #[must_use]
    pub fn id(&self) -> Option<String> {
        self.opened().map(|opened| opened.id())
    }

    /// Whether nobody is logged in.
    #[must_use]
    pub fn is_anonymous(&self) -> bool {
        self.opened().is_none_or(|opened| opened.owner().is_none())
    }

    /// The value called `name`.
    ///
    /// # Errors
    ///
    /// A misconfigured [`Rejection`] when it is not a `T`.
    pub fn value<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Rejection> {
        let opened = self.opened();
        let value = opened
            .as_ref()
            .and_then(|opened| opened.record.body.values.get(name));
        value.map(T::deserialize).transpose().map_err(|_| {
            let wanted = std::any::type_name::<T>();
            Rejection::misconfigured(format!("a session value does not read as {wanted}"))
        })
    }

    /// Stores `value` as `name`.
    ///
    /// # Errors
    ///
    /// See [`update`](Self::update); a misconfigured [`Rejection`] when the value does not serialise.
    pub async fn set(&self, name: &str, value: &(impl Serialize + Sync)) -> Result<(), Rejection> {
        let value = serde_json::to_value(value)
            .map_err(|_| Rejection::misconfigured("a session value does not serialise as JSON"))?;
        self.update(|values| {
            values.insert(name.to_owned(), value.clone());
        })
        .await
    }

    /// Forgets the value called `name`.
    ///
    /// # Errors
    ///
    /// See [`update`](Self::update).
    pub async fn remove(&self, name: &str) -> Result<(), Rejection> {
        if self.opened().is_none() {
            return Ok(());
        }
        self.update(|values| {
            values.remove(name);
        })
        .await
    }

    /// Changes the named values, and returns what `change` returned. It is called again when another
    /// request came between, so that no change is lost. The first write makes an anonymous session.
    ///
    /// # Errors
    ///
    /// An invalid [`Rejection`] when the session was ended, or given a new id by another request. Where that
    /// was in the last minute, a request that still has the old id does not make a session of its own
    /// either: its cookie would replace the new one. A malformed one for more than 64 KiB of values. An unavailable one when the
    /// store does not answer.
    pub async fn update<T>(
        &self,
        mut change: impl FnMut(&mut Map<String, Value>) -> T,
    ) -> Result<T, Rejection> {
        let core = &self.shared.core;
        let Some(opened) = self.opened() else {
            if self.state().is_replaced {
                return Err(ended());
            }
            let mut record = core.anonymous();
            let answer = change(&mut record.body.values);
            bounded(&record.body.values)?;
            let opened = core.insert(record).await?;
            self.adopt(opened);
            self.end_unreadable().await;
            return Ok(answer);
        };
        let edit = |record: &mut Record| {
            let answer = change(&mut record.body.values);
            bounded(&record.body.values).map(|()| answer)
        };
        let changed = core.change(&opened.token, NewId::Keep, edit).await?;
        let (answer, opened) = changed.ok_or_else(ended)?;
        self.keep(opened);
        Ok(answer)
    }

    /// Logs a user in; `.await` does it, and returns the token for callers that keep it in a header.
    ///
    /// The id is a new one. Values of an anonymous session are kept; another user's session is ended and
    /// nothing of it is kept; a session of the same user goes on with the new proofs until its old end.
    pub fn login<U>(&self, grant: Grant<U>) -> Login<'_, U> {
        Login::new(&self.shared.core, Some(self), grant)
    }

    /// Ends the session and clears the cookie.
    ///
    /// # Errors
    ///
    /// When the store does not answer: the session may then still be there, so say so.
    pub async fn logout(&self) -> Result<(), Rejection> {
        let presented = {
            let state = self.state();
            let token = state.opened.as_ref().map(|opened| opened.token.clone());
            token.or_else(|| state.unreadable.clone())
        };
        if let Some(token) = presented {
            self.shared.core.end(&token).await?;
            let mut state = self.state();
            state.opened = None;
            state.unreadable = None;
            state.cookie = Some(self.shared.core.cookie.clear());
        }
        Ok(())
    }

    /// Gives the session a new id, in the same commit in which the old one dies, and returns its token.
    ///
    /// # Errors
    ///
    /// As [`update`](Self::update).
    pub async fn rework(&self) -> Result<Secret<String>, Rejection> {
        self.renew(|_| {}).await
    }

    pub(super) async fn renew(
        &self,
        mut edit: impl FnMut(&mut Record),
    ) -> Result<Secret<String>, Rejection> {
        let opened = self
            .opened()
            .ok_or_else(|| Rejection::invalid("there is no session"))?;
        let edit = |record: &mut Record| {
            edit(record);
            Ok::<_, StoreError>(())
        };
        let changed = self
            .shared
            .core
            .change(&opened.token, NewId::Renew, edit)
            .await?;
        let ((), opened) = changed.ok_or_else(ended)?;
        self.shared.core.told(EventKind::SessionRenewed, &opened);
        Ok(self.adopt(opened))
    }

    pub(super) fn opened(&self) -> Option<Opened> {
        self.state().opened.clone()
    }

    /// Goes on with a session whose token is new to the caller.
    pub(super) fn adopt(&self, opened: Opened) -> Secret<String> {
        let token = self.shared.core.text(&opened.token);
        let mut state = self.state();
        state.cookie = Some(self.shared.core.set_cookie(&opened, &token));
        state.opened = Some(opened);
        token
    }

    /// Removes what another session has taken the place of. It opens nothing, so a failure leaves it to its expiry.
    pub(super) async fn end_unreadable(&self) {
        let unreadable = self.state().unreadable.take();
        if let Some(token) = unreadable
            && let Err(error) = self.shared.core.end(&token).await
        {
            tracing::warn!(error = %error, "a session that does not read was not removed");
        }
    }

    pub(super) fn core(&self) -> &Core {
        &self.shared.core
    }

    pub(super) fn is_in_cookie(&self) -> bool {
        self.state().is_in_cookie
    }

    /// Goes on with another state of the same session.
    pub(super) fn keep(&self, opened: Opened) {
        self.state().opened = Some(opened);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state()
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("is_anonymous", &self.is_anonymous())
            .finish_non_exhaustive()
    }
}

pub(super) fn ended() -> Rejection {
    Rejection::invalid("the session was ended, or given a new id by another request")
}
