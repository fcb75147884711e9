//! The session of one request, as handlers use it.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard},
};

use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use super::{
    inner::{IdChange, SessionsInner},
    limits::bounded,
    login::SessionLogin,
    opened::OpenSession,
    record::SessionRecord,
    state::{SessionState, SharedSession},
    token::SessionToken,
};
use crate::{
    authenticate::Verified, error::StoreError, event::EventKind, grant::Grant, identity::Factor,
    rejection::Rejection, secret::Secret,
};

/// The session of a request, which is anonymous until a user logs in.
///
/// Every write is committed when its future returns `Ok`, not when the response is sent. Neither a
/// failing response nor a disconnected client loses it. Reads return what the request found, with
/// its own writes applied.
///
/// The layer sets the cookie after a login, a cycled id or a first anonymous write, and clears it
/// after a logout. If the layer reads a header instead, no cookie is set, and the client needs the
/// token that [`login`](Self::login) or [`cycle_id`](Self::cycle_id) returns.
///
/// ```
/// use tower_jam::{Factor, Grant, Rejection, Session};
///
/// /// Logs a user in after the password was checked; an anonymous cart is kept.
/// async fn login(session: Session) -> Result<(), Rejection> {
///     session.login(Grant::new("42", "Alice".to_owned()).factor(Factor::Password)).await?;
///     Ok(())
/// }
///
/// async fn add_to_cart(session: Session, item: String) -> Result<usize, Rejection> {
///     let mut cart: Vec<String> = session.get("cart")?.unwrap_or_default();
///     cart.push(item);
///     session.insert("cart", &cart).await?;
///     Ok(cart.len())
/// }
/// ```
#[doc(alias = "cookie")]
#[derive(Clone)]
pub struct Session {
    shared: Arc<SharedSession>,
}

impl Session {
    /// No session yet; a first write creates one.
    pub(super) fn none(sessions: &Arc<SessionsInner>) -> Self {
        Self::new(sessions, None, false, false)
    }

    /// The session that the request presented.
    pub(super) fn found(
        sessions: &Arc<SessionsInner>,
        opened: OpenSession,
        is_in_cookie: bool,
    ) -> Self {
        Self::new(sessions, Some(opened), false, is_in_cookie)
    }

    /// No session, in place of an unreadable one, which a login or a logout removes.
    pub(super) fn unreadable(sessions: &Arc<SessionsInner>, token: SessionToken) -> Self {
        let session = Self::none(sessions);
        session.state().unreadable = Some(token);
        session
    }

    pub(super) fn replaced(sessions: &Arc<SessionsInner>) -> Self {
        Self::new(sessions, None, true, false)
    }

    fn new(
        sessions: &Arc<SessionsInner>,
        opened: Option<OpenSession>,
        is_replaced: bool,
        is_in_cookie: bool,
    ) -> Self {
        let state = SessionState {
            opened,
            cookie: None,
            is_replaced,
            is_in_cookie,
            unreadable: None,
        };
        Self {
            shared: Arc::new(SharedSession {
                sessions: Arc::clone(sessions),
                state: Mutex::new(state),
            }),
        }
    }

    /// Attaches the handle to the request.
    pub(super) fn attach_to<U>(self, verified: Verified<U>) -> Verified<U> {
        let hook = Arc::clone(&self.shared);
        verified.attach_memory(self).on_response(hook)
    }

    /// Returns the public id, if there is a record.
    #[must_use]
    pub fn id(&self) -> Option<String> {
        self.opened().map(|opened| opened.id())
    }

    /// Whether no user is logged in.
    #[must_use]
    pub fn is_anonymous(&self) -> bool {
        self.opened().is_none_or(|opened| opened.owner().is_none())
    }

    /// Returns the value called `name`.
    ///
    /// # Errors
    ///
    /// [`RejectionKind::Misconfigured`](crate::RejectionKind) if the value is not a `T`.
    pub fn get<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Rejection> {
        let opened = self.opened();
        let value = opened
            .as_ref()
            .and_then(|opened| opened.record.body.values.get(name));
        value.map(T::deserialize).transpose().map_err(|_| {
            let wanted = std::any::type_name::<T>();
            Rejection::misconfigured(format!("a session value does not deserialise as {wanted}"))
        })
    }

    /// Stores `value` as `name`.
    ///
    /// # Errors
    ///
    /// As for [`update`](Self::update), and [`RejectionKind::Misconfigured`](crate::RejectionKind)
    /// if the value does not serialise.
    pub async fn insert(
        &self,
        name: &str,
        value: &(impl Serialize + Sync),
    ) -> Result<(), Rejection> {
        let value = serde_json::to_value(value)
            .map_err(|_| Rejection::misconfigured("a session value does not serialise as JSON"))?;
        self.update(|values| {
            values.insert(name.to_owned(), value.clone());
        })
        .await
    }

    /// Removes the value called `name`.
    ///
    /// # Errors
    ///
    /// As for [`update`](Self::update).
    pub async fn remove(&self, name: &str) -> Result<(), Rejection> {
        if self.opened().is_none() {
            return Ok(());
        }
        self.update(|values| {
            values.remove(name);
        })
        .await
    }

    /// Changes the named values and returns the result of `change`. After a conflict with another
    /// request, `change` is called again, so that no change is lost. The first write creates an
    /// anonymous session.
    ///
    /// # Errors
    ///
    /// * [`RejectionKind::Invalid`](crate::RejectionKind) if the session was revoked or another
    ///   request cycled its id. For one minute after that, a request with the old id cannot create
    ///   a session either, because its cookie would replace the new one.
    /// * `Malformed` for more than 64 KiB of values.
    /// * `Unavailable` if the store does not answer.
    pub async fn update<T>(
        &self,
        mut change: impl FnMut(&mut Map<String, Value>) -> T,
    ) -> Result<T, Rejection> {
        let sessions = &self.shared.sessions;
        let Some(opened) = self.opened() else {
            if self.state().is_replaced {
                return Err(gone_rejection());
            }
            let mut record = sessions.anonymous();
            let answer = change(&mut record.body.values);
            bounded(&record.body.values)?;
            let opened = sessions.insert(record).await?;
            self.shared.adopt(opened);
            self.shared.remove_unreadable().await;
            return Ok(answer);
        };
        let edit = |record: &mut SessionRecord| {
            let answer = change(&mut record.body.values);
            bounded(&record.body.values).map(|()| answer)
        };
        let changed = sessions.change(&opened.token, IdChange::Keep, edit).await?;
        let (answer, opened) = changed.ok_or_else(gone_rejection)?;
        self.shared.set_opened(opened);
        Ok(answer)
    }

    /// Logs a user in when awaited, and returns the token for callers that send it in a header.
    ///
    /// The id is cycled. An anonymous session keeps its values. A session of another user is
    /// revoked, and nothing is taken from it. A session of the same user continues with the new
    /// proofs until its original absolute deadline.
    pub fn login<U>(&self, grant: Grant<U>) -> SessionLogin<'_, U> {
        SessionLogin::new(&self.shared.sessions, Some(&*self.shared), grant)
    }

    /// Revokes the session and clears the cookie.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the store does not answer. The session may then still exist, so report the
    /// failure to the user.
    pub async fn logout(&self) -> Result<(), Rejection> {
        let presented = {
            let state = self.state();
            let token = state.opened.as_ref().map(|opened| opened.token.clone());
            token.or_else(|| state.unreadable.clone())
        };
        if let Some(token) = presented {
            self.shared.sessions.revoke_token(&token).await?;
            let mut state = self.state();
            state.opened = None;
            state.unreadable = None;
            state.cookie = Some(self.shared.sessions.cookie.clear());
        }
        Ok(())
    }

    /// Cycles the id and returns the new token. The old one becomes invalid in the same commit.
    ///
    /// # Errors
    ///
    /// As for [`update`](Self::update).
    pub async fn cycle_id(&self) -> Result<Secret<String>, Rejection> {
        self.cycle_id_with(|_| {}).await
    }

    /// Records that the user has just given one more proof, and cycles the id.
    ///
    /// # Errors
    ///
    /// As for [`update`](Self::update), and [`RejectionKind::Invalid`](crate::RejectionKind) if no
    /// user is logged in.
    pub async fn prove(&self, factor: Factor) -> Result<Secret<String>, Rejection> {
        if self.is_anonymous() {
            return Err(Rejection::invalid("no user is logged in"));
        }
        let now = self.shared.sessions.clock.now();
        self.cycle_id_with(|record| {
            if let Some(owner) = &mut record.head.owner {
                owner.add_proofs([(factor.clone(), now)]);
            }
        })
        .await
    }

    /// Changes the user's roles and cycles the id.
    ///
    /// # Errors
    ///
    /// As for [`prove`](Self::prove).
    pub async fn set_roles(
        &self,
        roles: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<Secret<String>, Rejection> {
        if self.is_anonymous() {
            return Err(Rejection::invalid("no user is logged in"));
        }
        let roles: Vec<String> = roles.into_iter().map(Into::into).collect();
        self.cycle_id_with(|record| {
            if let Some(owner) = &mut record.head.owner {
                owner.roles.clone_from(&roles);
            }
        })
        .await
    }

    pub(super) async fn cycle_id_with(
        &self,
        mut edit: impl FnMut(&mut SessionRecord),
    ) -> Result<Secret<String>, Rejection> {
        let opened = self
            .opened()
            .ok_or_else(|| Rejection::invalid("there is no session"))?;
        let edit = |record: &mut SessionRecord| {
            edit(record);
            Ok::<_, StoreError>(())
        };
        let changed = self
            .shared
            .sessions
            .change(&opened.token, IdChange::Cycle, edit)
            .await?;
        let ((), opened) = changed.ok_or_else(gone_rejection)?;
        self.shared
            .sessions
            .emit(EventKind::SessionIdCycled, &opened);
        Ok(self.shared.adopt(opened))
    }

    pub(super) fn opened(&self) -> Option<OpenSession> {
        self.shared.opened()
    }

    pub(super) fn shared(&self) -> &SharedSession {
        &self.shared
    }

    pub(super) fn is_in_cookie(&self) -> bool {
        self.state().is_in_cookie
    }

    fn state(&self) -> MutexGuard<'_, SessionState> {
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

pub(super) fn gone_rejection() -> Rejection {
    Rejection::invalid("the session was revoked, or another request cycled its id")
}
