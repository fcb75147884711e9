//! The engines that a facade holds.

use std::sync::Arc;

use crate::{
    authenticate::Authenticate, clock::Clock, layer::AuthLayer,
    request::credential::CredentialSource, session::Sessions, store::Store, token::Jwt,
};

/// The configured engines of one instance.
pub(crate) struct Engines<U> {
    /// The table of the instance.
    pub(crate) table: String,
    pub(crate) store: Arc<dyn Store>,
    #[cfg_attr(
        not(feature = "otp"),
        allow(dead_code, reason = "only codes need the time")
    )]
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) jwt: Option<EngineWithSource<Jwt<U>>>,
    pub(crate) sessions: Option<EngineWithSource<Sessions<U>>>,
    #[cfg(feature = "paseto")]
    pub(crate) paseto: Option<EngineWithSource<crate::token::Paseto<U>>>,
    #[cfg(feature = "refresh")]
    pub(crate) pairs: Option<EngineWithSource<crate::refresh::TokenPairs<U>>>,
    #[cfg(feature = "otp")]
    pub(crate) otp: Option<crate::otp::Otp>,
    #[cfg(feature = "account")]
    pub(crate) passwords: Option<crate::password::Passwords>,
    #[cfg(feature = "account")]
    pub(crate) throttle: Option<crate::throttle::Throttle>,
    /// The users in the store, unless the application has its own.
    #[cfg(feature = "account")]
    pub(crate) users: Option<Arc<crate::account::StoreUsers<U>>>,
    #[cfg(feature = "account")]
    pub(crate) accounts: Option<crate::account::Accounts<U>>,
    #[cfg(feature = "oauth2")]
    pub(crate) providers: std::collections::BTreeMap<String, crate::oauth2::OAuth2>,
}

impl<U> Engines<U> {
    pub(crate) fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, table: &str) -> Self {
        Self {
            table: table.to_owned(),
            store,
            clock,
            jwt: None,
            sessions: None,
            #[cfg(feature = "paseto")]
            paseto: None,
            #[cfg(feature = "refresh")]
            pairs: None,
            #[cfg(feature = "otp")]
            otp: None,
            #[cfg(feature = "account")]
            passwords: None,
            #[cfg(feature = "account")]
            throttle: None,
            #[cfg(feature = "account")]
            users: None,
            #[cfg(feature = "account")]
            accounts: None,
            #[cfg(feature = "oauth2")]
            providers: std::collections::BTreeMap::new(),
        }
    }
}

/// An engine, and where its layer reads the credential if not from the engine's own place.
pub(crate) struct EngineWithSource<A> {
    pub(crate) engine: A,
    pub(crate) source: Option<CredentialSource>,
}

impl<A> EngineWithSource<A> {
    pub(crate) const fn new(engine: A, source: Option<CredentialSource>) -> Self {
        Self { engine, source }
    }
}

impl<A: Authenticate> EngineWithSource<A> {
    pub(super) fn layer(&self) -> AuthLayer<A> {
        let layer = AuthLayer::new(self.engine.clone());
        match &self.source {
            Some(source) => layer.read_from(source.clone()),
            None => layer,
        }
    }
}
