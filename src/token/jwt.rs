//! The engine for signed JSON Web Tokens.

use std::{fmt, marker::PhantomData, sync::Arc, time::Duration};

use serde::{Serialize, de::DeserializeOwned};

use super::{
    builder::JwtBuilder,
    claims::{Claims, Registered, Rules},
    issue::Issue,
    jws::{self, Types},
    payload,
    ring::KeyRing,
};
use crate::{
    authenticate::{Authenticate, Verified},
    clock::{Clock, Timestamp},
    credential::{Credential, CredentialSource},
    grant::Grant,
    identity::{Identity, Subject},
    rejection::Rejection,
};

/// Issues and verifies signed JSON Web Tokens (RFC 7519) whose custom claims are a `U`.
///
/// It is a handle: cloning it is cheap, and all clones share the key ring. See the
/// [module](super) for the rules, and [`JwtLayer`](crate::layer::JwtLayer) for its use in a service.
pub struct Jwt<U = Claims> {
    pub(super) inner: Arc<Inner>,
    user: PhantomData<fn() -> U>,
}

pub(super) struct Inner {
    pub(super) ring: KeyRing,
    pub(super) rules: Rules,
    pub(super) types: Types,
    pub(super) ttl: Duration,
    pub(super) clock: Arc<dyn Clock>,
}

impl<U> Jwt<U> {
    /// An engine with the keys of `ring`. Issuer and audience must be set.
    pub fn builder(ring: KeyRing) -> JwtBuilder<U> {
        JwtBuilder::new(ring)
    }

    /// The keys in use; replacing them here replaces them for every clone of this engine.
    #[must_use]
    pub fn keys(&self) -> &KeyRing {
        &self.inner.ring
    }
}

impl<U: DeserializeOwned + Send + Sync + 'static> Jwt<U> {
    /// Verifies a token, as the layer does.
    ///
    /// # Errors
    ///
    /// An invalid [`Rejection`] for every token that is not one of ours, of the right type, for this
    /// audience, and alive.
    #[allow(clippy::unused_async, reason = "token lists are kept in a store")]
    pub async fn verify(&self, token: &str) -> Result<Verified<U>, Rejection> {
        let inner = &*self.inner;
        let payload = jws::verify(token, &inner.ring, &inner.types)?;
        let (claims, user) = payload::read::<U>(&payload).map_err(|error| {
            // serde_json quotes the input in some messages, so only the place is kept.
            Rejection::invalid("the claims are not an acceptable JSON object")
                .because(format!("at column {}", error.column()))
        })?;
        let now = inner.clock.now();
        inner.rules.check(&claims, now)?;
        Ok(Verified::new(identity(&claims, now), Arc::new(user)))
    }
}

impl<U: Serialize> Jwt<U> {
    /// Mints a token for `grant`. It is signed with the ring's active key, and has an `iat`, an `exp` and a
    /// random `jti` of 128 bits.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tower_jam::{Claims, Grant, Jwt, Key, KeyRing};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let jwt = Jwt::<Claims>::builder(KeyRing::new(Key::generate(tower_jam::Algorithm::Hs256)?)).issuer("i").audience("a").build()?;
    /// let token = jwt.issue(Grant::new("alice", Claims::new())).ttl(Duration::from_secs(60)).await?;
    /// assert_eq!(jwt.verify(token.expose()).await?.identity().unwrap().subject().id(), "alice");
    /// # Ok(())
    /// # }
    /// ```
    pub fn issue(&self, grant: Grant<U>) -> Issue<'_, U> {
        Issue::new(self, grant)
    }
}

impl<U: DeserializeOwned + Send + Sync + 'static> Authenticate for Jwt<U> {
    type User = U;

    fn source(&self) -> CredentialSource {
        CredentialSource::bearer()
    }

    async fn authenticate(&self, presented: Credential) -> Result<Verified<U>, Rejection> {
        self.verify(presented.expose()).await
    }
}

fn identity(claims: &Registered<'_>, now: Timestamp) -> Identity {
    let issuer = claims.issuer.as_deref().unwrap_or_default();
    let subject = claims.subject.as_deref().unwrap_or_default();
    let mut identity = Identity::new(Subject::new(issuer, subject), now)
        .with_roles(claims.roles.list.iter().map(String::as_str))
        .with_scopes(claims.scopes());
    for (factor, at) in claims.factors(now) {
        identity = identity.with_factor(factor, at);
    }
    if let Some(id) = &claims.id {
        identity = identity.with_token_id(&**id);
    }
    if let Some(id) = &claims.session_id {
        identity = identity.with_session_id(&**id);
    }
    identity
}

impl<U> Jwt<U> {
    pub(super) fn new(inner: Inner) -> Self {
        Self {
            inner: Arc::new(inner),
            user: PhantomData,
        }
    }
}

impl<U> Clone for Jwt<U> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            user: PhantomData,
        }
    }
}

impl<U> fmt::Debug for Jwt<U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jwt")
            .field("rules", &self.inner.rules)
            .field("types", &self.inner.types)
            .field("ttl", &self.inner.ttl)
            .finish_non_exhaustive()
    }
}
