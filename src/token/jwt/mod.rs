//! The engine for signed JSON Web Tokens.

pub(super) mod builder;
#[cfg(feature = "jwks")]
pub(super) mod issuer_builder;
pub(crate) mod jws;

use std::{fmt, sync::Arc};

use serde::{Serialize, de::DeserializeOwned};

#[cfg(feature = "jwks")]
use super::jwt::issuer_builder::FromIssuer;
use super::{
    claims::Claims,
    date::DateFormat,
    engine::Engine,
    envelope::{Envelope, KeyRefresh, KeySnapshot, OpenedEnvelope},
    handle::handle,
    issue::Issue,
    jwt::{builder::JwtBuilder, jws::Types},
    key_source::KeySource,
    revocation::{TokenId, TokenList},
};
use crate::{
    authenticate::{Authenticate, Verified},
    error::IssueError,
    grant::Grant,
    key::ring::KeyRing,
    rejection::Rejection,
    request::credential::{Credential, CredentialSource},
};

/// Issues and verifies signed JSON Web Tokens (RFC 7519) whose custom claims are a `U`.
///
/// It is a handle: cloning it is cheap, and all clones share the key ring. See the [module](super)
/// for the rules, and [`JwtLayer`](crate::layer::JwtLayer) for its use in a service.
///
/// ```
/// use tower_jam::{Algorithm, Claims, Grant, Jwt, Key, KeyRing};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let keys = KeyRing::new(Key::generate(Algorithm::EdDsa)?);
/// let jwt = Jwt::<Claims>::builder(keys)
///     .issuer("https://auth.acme.dev")
///     .audience("api")
///     .build()?;
///
/// let token = jwt.issue(Grant::new("42", Claims::new())).await?;
/// let verified = jwt.verify(token.expose()).await?;
/// assert_eq!(verified.identity().unwrap().subject().id(), "42");
/// # Ok(())
/// # }
/// ```
#[doc(alias("bearer", "jws", "access token"))]
pub struct Jwt<U = Claims> {
    pub(crate) engine: Engine<U>,
    ring: KeyRing,
}

impl<U> Jwt<U> {
    /// Starts to build an engine with these keys: a [`KeyRing`], or a `Jwks` that another party
    /// publishes. Issuer and audience must be set.
    pub fn builder(keys: impl Into<KeySource>) -> JwtBuilder<U> {
        JwtBuilder::new(keys.into())
    }

    /// Starts to build an engine for the access tokens of another party's issuer, such as
    /// `https://id.acme.dev`: see [`FromIssuer`]. The audience must be set.
    #[doc(alias("oidc", "sso", "keycloak", "auth0", "entra", "cognito"))]
    #[cfg(feature = "jwks")]
    pub fn from_issuer(issuer: &str) -> FromIssuer<U> {
        FromIssuer::new(issuer)
    }

    pub(super) const fn new(engine: Engine<U>, ring: KeyRing) -> Self {
        Self { engine, ring }
    }

    /// Returns the keys in use. Replacing them here replaces them for all clones of this engine.
    #[must_use]
    pub fn keys(&self) -> &KeyRing {
        &self.ring
    }
}

impl<U: Serialize> Jwt<U> {
    /// Issues a token for `grant`. It is signed with the ring's active key, and has an `iat`, an
    /// `exp` and a random `jti` of 128 bits.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tower_jam::{Claims, Grant, Jwt, Key, KeyRing};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let ring = KeyRing::new(Key::generate(tower_jam::Algorithm::Hs256)?);
    /// # let jwt = Jwt::<Claims>::builder(ring).issuer("i").audience("a").build()?;
    /// let grant = Grant::new("alice", Claims::new());
    /// let token = jwt.issue(grant).ttl(Duration::from_secs(60)).await?;
    /// assert_eq!(jwt.verify(token.expose()).await?.identity().unwrap().subject().id(), "alice");
    /// # Ok(())
    /// # }
    /// ```
    pub fn issue(&self, grant: Grant<U>) -> Issue<'_, U> {
        self.engine.issue(grant)
    }
}

handle!(Jwt, "jwt");

/// The compact serialization of RFC 7515, with the keys of a ring.
#[derive(Debug)]
pub(super) struct Jws {
    pub(super) keys: KeySource,
    pub(super) types: Types,
}

impl Envelope for Jws {
    fn dates(&self) -> DateFormat {
        DateFormat::Numeric
    }

    fn is_current(&self, keys: &KeySnapshot) -> bool {
        self.keys.ring.is_current(keys)
    }

    fn refresh_keys(&self) -> Option<KeyRefresh<'_>> {
        self.keys.refresh_for_unknown()
    }

    fn open(&self, token: &str) -> Result<OpenedEnvelope, Rejection> {
        let keys = Arc::clone(&self.keys.ring.load());
        let payload = jws::verify(token, &keys, &self.types)?;
        Ok(OpenedEnvelope { payload, keys })
    }

    fn seal(&self, payload: &[u8]) -> Result<String, IssueError> {
        jws::sign(
            payload,
            self.keys.ring.load().active(),
            &self.types.accepted[0],
        )
    }
}

impl<U> Clone for Jwt<U> {
    fn clone(&self) -> Self {
        Self {
            engine: self.engine.clone(),
            ring: self.ring.clone(),
        }
    }
}

impl<U> fmt::Debug for Jwt<U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jwt").field("engine", &self.engine).finish()
    }
}
