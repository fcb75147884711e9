//! What all steps of a login with a provider share.

use std::sync::Arc;

use tokio::sync::OnceCell;

use super::{
    callback::ProviderLogin, error::OAuthError, flight::SharedRequests, flow::Flows,
    id_token::IdTokens, provider::Provider, wire::Wire,
};
use crate::{
    clock::Clock,
    event::{Event, EventKind, Events},
};

/// The state of the client of one provider.
pub(super) struct OAuth2Inner {
    pub(super) provider: Provider,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) events: Events,
    pub(super) flows: Flows,
    pub(super) default_page: String,
    pub(super) wire: Arc<Wire>,
    /// Keys are fetched at the first login, so an unavailable provider does not prevent startup.
    pub(super) id_tokens: OnceCell<IdTokens>,
    pub(super) refreshes: SharedRequests,
    pub(super) credentials: SharedRequests,
}

impl OAuth2Inner {
    /// Emits an event with the result of a login.
    pub(super) fn report_login(
        &self,
        result: Result<ProviderLogin, OAuthError>,
    ) -> Result<ProviderLogin, OAuthError> {
        let now = self.clock.now();
        self.events.tell(&match &result {
            Ok(login) => {
                let (_, subject) = login.profile.key();
                Event::new(EventKind::ProviderLoginSucceeded, now).of(subject)
            }
            Err(_) => Event::new(EventKind::ProviderLoginFailed, now),
        });
        result
    }
}
