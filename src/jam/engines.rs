//! The engines that a facade holds.

#[cfg(feature = "oauth2")]
use std::collections::BTreeMap;
#[cfg(feature = "account")]
use std::sync::Arc;

use crate::{
    authenticate::Authenticate, env::Env, layer::AuthLayer, request::credential::CredentialSource,
    session::Sessions, token::Jwt,
};

/// Declares the engines of an instance, each of which needs a feature and a table.
macro_rules! engines {
    ($($(#[doc = $doc:literal])* $feature:literal => $name:ident: $Engine:ty,)*) => {
        /// The configured engines of one instance.
        pub(crate) struct Engines<U> {
            /// The table of the instance.
            pub(crate) table: String,
            pub(crate) env: Env,
            $($(#[doc = $doc])* #[cfg(feature = $feature)] pub(crate) $name: $Engine,)*
        }

        impl<U> Engines<U> {
            pub(crate) fn new(env: &Env, table: &str) -> Self {
                Self {
                    table: table.to_owned(),
                    env: env.clone(),
                    $(#[cfg(feature = $feature)] $name: Default::default(),)*
                }
            }
        }
    };
}

engines! {
    "jwt" => jwt: Option<EngineWithSource<Jwt<U>>>,
    "session" => sessions: Option<EngineWithSource<Sessions<U>>>,
    "paseto" => paseto: Option<EngineWithSource<crate::token::Paseto<U>>>,
    "refresh" => pairs: Option<EngineWithSource<crate::refresh::TokenPairs<U>>>,
    "otp" => otp: Option<crate::otp::Otp>,
    "account" => passwords: Option<crate::password::Passwords>,
    "account" => throttle: Option<crate::throttle::Throttle>,
    /// The users in the store, unless the application has its own.
    "account" => users: Option<Arc<crate::account::StoreUsers<U>>>,
    "account" => accounts: Option<crate::account::Accounts<U>>,
    "oauth2" => providers: BTreeMap<String, crate::oauth2::OAuth2>,
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
