//! The engine for signed JSON Web Tokens.

use std::{fmt, sync::Arc, time::Duration};

use serde::{Serialize, de::DeserializeOwned};

use super::{
    builder::JwtBuilder,
    claims::{Claims, Registered, Rules, Validity},
    issue::Issue,
    jws::{self, Types},
    key::Key,
    payload,
    ring::{KeyRing, Ring},
};
use crate::{
    authenticate::{Authenticate, Verified},
    cache::Cache,
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
    seen: Arc<Cache<Known<U>>>,
}

/// A token that was good when it was seen last, by the keys of that moment.
struct Known<U> {
    keys: Arc<Ring<Key>>,
    validity: Validity,
    identity: Identity,
    user: Arc<U>,
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
        let now = self.inner.clock.now();
        let known = match self.known(token) {
            Some(known) => {
                let times = self.inner.rules.check_times(&known.validity, now);
                times.inspect_err(|_| self.seen.forget(token))?;
                known
            }
            None => {
                let known = Arc::new(self.read(token, now)?);
                self.seen.remember(token, Arc::clone(&known));
                known
            }
        };
        let identity = known.identity.clone().checked_again_at(now);
        Ok(Verified::new(identity, Arc::clone(&known.user)))
    }

    /// What is known of a token that was seen before, unless a key was added or retired since.
    fn known(&self, token: &str) -> Option<Arc<Known<U>>> {
        let known = self.seen.find(token)?;
        Arc::ptr_eq(&known.keys, &self.inner.ring.load()).then_some(known)
    }

    fn read(&self, token: &str, now: Timestamp) -> Result<Known<U>, Rejection> {
        let inner = &*self.inner;
        let keys = Arc::clone(&inner.ring.load());
        let payload = jws::verify(token, &keys, &inner.types)?;
        let (claims, user) = payload::read::<U>(&payload).map_err(|error| {
            // serde_json quotes the input in some messages, so only the place is kept.
            Rejection::invalid("the claims are not an acceptable JSON object")
                .because(format!("at column {}", error.column()))
        })?;
        inner.rules.check(&claims, now)?;
        Ok(Known {
            keys,
            validity: claims.validity,
            identity: identity(&claims, now),
            user: Arc::new(user),
        })
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
            seen: Arc::new(Cache::new()),
        }
    }
}

impl<U> Clone for Jwt<U> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            seen: Arc::clone(&self.seen),
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
