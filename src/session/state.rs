//! The state that all handles of a request's session share, and its effect on the response.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use http::{HeaderMap, HeaderValue, header};

use super::{core::SessionsInner, lookup::OpenSession, token::SessionToken};
use crate::{authenticate::OnResponse, request::credential::CredentialSource};

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
