//! The state that all handles of a request's session share, and its effect on the response.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use http::{HeaderMap, HeaderValue, header};

use super::{inner::SessionsInner, opened::OpenSession, token::SessionToken};
use crate::{authenticate::OnResponse, request::credential::CredentialSource, secret::Secret};

pub(super) struct SharedSession {
    pub(super) sessions: Arc<SessionsInner>,
    pub(super) state: Mutex<SessionState>,
}

pub(super) struct SessionState {
    pub(super) opened: Option<OpenSession>,
    pub(super) cookie: Option<HeaderValue>,
    /// The request presented an id that was replaced while it was in flight.
    pub(super) is_replaced: bool,
    /// The request presented the engine's cookie, so the browser will accept a new one.
    pub(super) is_in_cookie: bool,
    /// The token that the request presented, if its record is unreadable.
    pub(super) unreadable: Option<SessionToken>,
}

impl SharedSession {
    pub(super) fn state(&self) -> MutexGuard<'_, SessionState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn opened(&self) -> Option<OpenSession> {
        self.state().opened.clone()
    }

    /// Switches to a session whose token is new to the caller.
    pub(super) fn adopt(&self, opened: OpenSession) -> Secret<String> {
        let token = self.sessions.text(&opened.token);
        let mut state = self.state();
        state.cookie = Some(self.sessions.set_cookie(&opened, &token));
        state.opened = Some(opened);
        token
    }

    /// Removes an unreadable record that another session has replaced. It grants no access, so
    /// after a failure it may remain until it expires.
    pub(super) async fn remove_unreadable(&self) {
        let unreadable = self.state().unreadable.take();
        if let Some(token) = unreadable
            && let Err(error) = self.sessions.revoke_token(&token).await
        {
            tracing::warn!(error = %error, "an unreadable session was not removed");
        }
    }

    /// Stores a newer state of the same session.
    pub(super) fn set_opened(&self, opened: OpenSession) {
        self.state().opened = Some(opened);
    }
}

impl OnResponse for SharedSession {
    fn on_response(
        self: Arc<Self>,
        source: &CredentialSource,
        headers: &mut HeaderMap,
    ) -> Option<Pin<Box<dyn Future<Output = ()> + Send>>> {
        let (opened, cookie) = {
            let mut state = self.state();
            (state.opened.clone(), state.cookie.take())
        };
        if let Some(cookie) = cookie
            && source.reads_cookie(self.sessions.cookie.cookie_name())
        {
            headers.append(header::SET_COOKIE, cookie);
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
        let opened = opened.filter(|opened| self.sessions.needs_touch(opened))?;
        Some(Box::pin(async move { self.sessions.touch(&opened).await }))
    }
}
