//! The engine for signed JSON Web Tokens.

use std::{fmt, sync::Arc, time::Duration};

use serde::{Serialize, de::DeserializeOwned};

use super::{
    builder::JwtBuilder,
    claims::{Claims, Registered, Rules, Validity},
    issue::Issue,
    jws::{self, Types},
    key::Key,
    list::{Asked, TokenList},
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
pub(super) struct Known<U> {
    keys: Arc<Ring<Key>>,
    pub(super) validity: Validity,
    pub(super) identity: Identity,
    user: Arc<U>,
    /// What is asked of the list, if the engine has one.
    asked: Option<Asked>,
}

pub(super) struct Inner {
    pub(super) ring: KeyRing,
    pub(super) rules: Rules,
    pub(super) types: Types,
    pub(super) ttl: Duration,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) list: Option<TokenList>,
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

    /// The list by which tokens are called back, if there is one.
    #[must_use]
    pub fn list(&self) -> Option<&TokenList> {
        self.inner.list.as_ref()
    }

    /// What the tokens state as their issuer, unless any would do.
    #[cfg(feature = "refresh")]
    pub(crate) fn issuer(&self) -> Option<&str> {
        self.inner.rules.issuer.as_deref()
    }

    #[cfg(feature = "refresh")]
    pub(crate) fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.inner.clock)
    }

    /// How long a token lives unless it is told otherwise.
    #[cfg(feature = "refresh")]
    pub(crate) fn ttl(&self) -> Duration {
        self.inner.ttl
    }
}

impl<U: DeserializeOwned + Send + Sync + 'static> Jwt<U> {
    /// Verifies a token, as the layer does.
    ///
    /// # Errors
    ///
    /// An invalid [`Rejection`] for every token that is not one of ours, of the right type, for this
    /// audience, and alive. With a [list](super::list) also for one that it refuses, and an unavailable one when its store
    /// does not answer.
    pub async fn verify(&self, token: &str) -> Result<Verified<U>, Rejection> {
        let now = self.inner.clock.now();
        let known = self.judge(token, now)?;
        if let (Some(list), Some(asked)) = (&self.inner.list, &known.asked) {
            // Boxed, so that an engine without a list does not carry this future.
            Box::pin(list.pass(asked)).await?;
        }
        let identity = known.identity.clone().checked_again_at(now);
        Ok(Verified::new(identity, Arc::clone(&known.user)))
    }

    /// What a token says that is good at `now`, whatever its list says.
    pub(super) fn judge(&self, token: &str, now: Timestamp) -> Result<Arc<Known<U>>, Rejection> {
        Ok(match self.known(token) {
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
        })
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
        let Validity {
            issued_at,
            expires_at,
            ..
        } = claims.validity;
        let subject = claims.subject.as_deref().unwrap_or_default();
        let ask = |list: &TokenList| list.ask(subject, claims.id.as_deref(), issued_at, expires_at);
        let asked = inner.list.as_ref().map(ask).transpose()?;
        Ok(Known {
            keys,
            validity: claims.validity,
            identity: identity(&claims, now),
            user: Arc::new(user),
            asked,
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
