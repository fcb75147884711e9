//! Accepts the tokens of several issuers, each bound to its own keys.
//!
//! The `iss` of a token is read before anything is verified, only to select the engine that
//! verifies the token, by exact match among the configured ones. So no issuer's key can sign for
//! another issuer, and a token of an unknown issuer is rejected without any request.
//!
//! ```no_run
//! use tower_jam::{Claims, Jwt, layer::AuthLayer, token::Issuers};
//!
//! # #[cfg(feature = "jwks")]
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let staff = Jwt::<Claims>::from_issuer("https://id.acme.dev").audience("orders").await?;
//! let partners = Jwt::<Claims>::from_issuer("https://login.partner.example")
//!     .audience("https://acme.dev/orders")
//!     .await?;
//! let layer = AuthLayer::new(Issuers::new([staff, partners])?);
//! # drop(layer);
//! # Ok(())
//! # }
//! ```

use std::{fmt, sync::Arc};

use serde::de::DeserializeOwned;

use super::{
    claims::Claims,
    jwt::{Jwt, jws},
};
use crate::{
    authenticate::{Authenticate, Verified},
    error::ConfigError,
    rejection::Rejection,
    request::credential::{Credential, CredentialSource},
};

/// An engine for the tokens of several issuers. It is a handle: cloning it is cheap.
pub struct Issuers<U = Claims>(Arc<[Jwt<U>]>);

impl<U> Issuers<U> {
    /// Accepts every token that one of these engines accepts.
    ///
    /// # Errors
    ///
    /// When there is no engine, one of them accepts any issuer, or two have the same issuer.
    pub fn new(engines: impl IntoIterator<Item = Jwt<U>>) -> Result<Self, ConfigError> {
        let engines: Arc<[_]> = engines.into_iter().collect();
        let mut issuers: Vec<_> = engines.iter().map(issuer).collect();
        issuers.sort_unstable();
        let reason = match () {
            () if issuers.is_empty() => "there is none",
            () if issuers.contains(&None) => "an engine accepts any issuer",
            () if issuers.windows(2).any(|pair| pair[0] == pair[1]) => {
                "two engines have the same issuer"
            }
            () => return Ok(Self(engines)),
        };
        Err(ConfigError::new("issuer", reason))
    }
}

fn issuer<U>(jwt: &Jwt<U>) -> Option<&str> {
    jwt.engine.inner.rules.issuer.as_deref()
}

impl<U: DeserializeOwned + Send + Sync + 'static> Issuers<U> {
    /// Verifies a token with the engine of its issuer, as the layer does.
    ///
    /// # Errors
    ///
    /// Those of [`Jwt::verify`], and [`RejectionKind::Invalid`](crate::RejectionKind::Invalid) for
    /// a token of another issuer.
    pub async fn verify(&self, token: &str) -> Result<Verified<U>, Rejection> {
        let stated = jws::unverified_issuer(token)?;
        let mut engines = self.0.iter();
        let engine = engines.find(|jwt| issuer(jwt) == Some(&*stated));
        let engine =
            engine.ok_or_else(|| Rejection::invalid("the token is from another issuer"))?;
        engine.verify(token).await
    }
}

impl<U: DeserializeOwned + Send + Sync + 'static> Authenticate for Issuers<U> {
    type User = U;

    fn source(&self) -> CredentialSource {
        CredentialSource::bearer()
    }

    fn name(&self, _: Option<&Credential>) -> &'static str {
        "issuers"
    }

    async fn authenticate(&self, presented: Credential) -> Result<Verified<U>, Rejection> {
        self.verify(presented.expose()).await
    }
}

impl<U> Clone for Issuers<U> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<U> fmt::Debug for Issuers<U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&*self.0).finish()
    }
}
