//! A login to a session, configured before it is awaited.

use std::{
    any::TypeId,
    fmt,
    future::{Future, IntoFuture},
    pin::Pin,
};

use serde::Serialize;

use super::{
    epoch::SessionEpoch,
    info::NewSession,
    inner::SessionsInner,
    log_in::{log_in, prepare},
    state::SharedSession,
};
use crate::{error::IssueError, event::EventKind, grant::Grant};

/// A login that happens when awaited. See [`Session::login`](super::Session::login) and
/// [`Sessions::create`](super::Sessions::create).
#[must_use = "a login does nothing unless it is awaited"]
pub struct SessionLogin<'a, U> {
    sessions: &'a SessionsInner,
    /// The session that the browser presented, if any.
    session: Option<&'a SharedSession>,
    grant: Grant<U>,
    device: Option<String>,
    since: Option<SessionEpoch>,
}

impl<'a, U> SessionLogin<'a, U> {
    pub(super) const fn new(
        sessions: &'a SessionsInner,
        session: Option<&'a SharedSession>,
        grant: Grant<U>,
    ) -> Self {
        Self {
            sessions,
            session,
            grant,
            device: None,
            since: None,
        }
    }

    /// Sets the name of the device in the user's list of sessions, at most 256 bytes.
    pub fn device_name(mut self, name: impl Into<String>) -> Self {
        self.device = Some(name.into());
        self
    }

    /// Makes the login fail if all sessions of the subject were revoked after `epoch` was read.
    /// Default: after the login started.
    pub const fn since(mut self, epoch: SessionEpoch) -> Self {
        self.since = Some(epoch);
        self
    }
}

impl<'a, U: Serialize + Send + Sync + 'static> IntoFuture for SessionLogin<'a, U> {
    type Output = Result<NewSession, IssueError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let Self {
                sessions,
                session,
                grant,
                device,
                since,
            } = self;
            if sessions.user_type != TypeId::of::<U>() {
                return Err(IssueError::Grant(
                    "the user is of another type than the engine's",
                ));
            }
            let prepared = prepare(sessions, &grant, device.as_deref())?;
            let current = session.and_then(SharedSession::opened);
            let opened = log_in(sessions, current, prepared, since).await?;
            sessions.emit(EventKind::SessionStarted, &opened);
            let id = opened.id();
            let token = sessions.text(&opened.token);
            let set_cookie = sessions.set_cookie(&opened, &token);
            if let Some(session) = session {
                session.adopt(opened);
                session.remove_unreadable().await;
            }
            Ok(NewSession {
                token,
                id,
                set_cookie,
            })
        })
    }
}

impl<U> fmt::Debug for SessionLogin<'_, U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionLogin").finish_non_exhaustive()
    }
}
