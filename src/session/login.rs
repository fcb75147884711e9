//! The moment between asking for a login and awaiting it, in which it can be told more.

use std::{
    any::TypeId,
    fmt,
    future::{Future, IntoFuture},
    pin::Pin,
};

use http::HeaderValue;
use serde::Serialize;

use super::{core::Core, epoch::Epoch, handle::Session, info::NewSession, lookup::Opened};
use crate::{error::IssueError, event::EventKind, grant::Grant, secret::Secret};

/// A login about to happen; `.await` makes it. See [`Session::login`] and
/// [`Sessions::create`](super::Sessions::create).
#[must_use = "nobody is logged in until this is awaited"]
pub struct Login<'a, U> {
    core: &'a Core,
    /// The session that the browser presented, which takes part in it.
    session: Option<&'a Session>,
    grant: Grant<U>,
    device: Option<String>,
    since: Option<Epoch>,
}

impl<'a, U> Login<'a, U> {
    pub(super) const fn new(core: &'a Core, session: Option<&'a Session>, grant: Grant<U>) -> Self {
        Self {
            core,
            session,
            grant,
            device: None,
            since: None,
        }
    }

    /// Names the device for the user's list of sessions, in at most 256 bytes.
    pub fn device(mut self, name: impl Into<String>) -> Self {
        self.device = Some(name.into());
        self
    }

    /// Comes to nothing if everything of the subject was ended since `epoch`. Default: since now.
    pub const fn since(mut self, epoch: Epoch) -> Self {
        self.since = Some(epoch);
        self
    }
}

impl<'a, U: Serialize + Send + Sync + 'static> IntoFuture for Login<'a, U> {
    type Output = Result<NewSession, IssueError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let Self {
                core,
                session,
                grant,
                device,
                since,
            } = self;
            if core.user_type != TypeId::of::<U>() {
                return Err(IssueError::Grant(
                    "the user is of another type than the engine's",
                ));
            }
            let entrant = core.entrant(&grant, device.as_deref())?;
            let current = session.and_then(Session::opened);
            let opened = core.enter(current, entrant, since).await?;
            core.told(EventKind::SessionStarted, &opened);
            let id = opened.id();
            let token = core.text(&opened.token);
            let set_cookie = core.set_cookie(&opened, &token);
            if let Some(session) = session {
                session.adopt(opened);
                session.end_unreadable().await;
            }
            Ok(NewSession {
                token,
                id,
                set_cookie,
            })
        })
    }
}

impl<U> fmt::Debug for Login<'_, U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").finish_non_exhaustive()
    }
}

impl Core {
    /// The cookie lives as long as the session can: how long it may lie idle is enforced here, so that
    /// reading a session sets no cookie.
    pub(super) fn set_cookie(&self, opened: &Opened, token: &Secret<String>) -> HeaderValue {
        self.cookie
            .set(token.expose(), self.max_age(opened))
            .expect("the builder has set a cookie of this length")
    }
}
