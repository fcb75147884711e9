//! What the handles of one session share, and what becomes of it as the response leaves.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use http::{HeaderMap, HeaderValue, header};

use super::{core::Core, lookup::Opened, token::Token};
use crate::{authenticate::OnResponse, request::credential::CredentialSource};

pub(super) struct Shared {
    pub(super) core: Arc<Core>,
    pub(super) state: Mutex<State>,
}

pub(super) struct State {
    pub(super) opened: Option<Opened>,
    pub(super) cookie: Option<HeaderValue>,
    /// The request came with an id that was replaced while it was under way.
    pub(super) is_replaced: bool,
    /// The request came with the engine's cookie, so a new one will be read.
    pub(super) is_in_cookie: bool,
    /// The request came with this token, whose record does not read.
    pub(super) unreadable: Option<Token>,
}

impl Shared {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OnResponse for Shared {
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
            && source.reads_cookie(self.core.cookie.cookie_name())
        {
            headers.append(header::SET_COOKIE, cookie);
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
        let opened = opened.filter(|opened| self.core.needs_touch(opened))?;
        Some(Box::pin(async move { self.core.touch(&opened).await }))
    }
}
