//! The engine for signed JSON Web Tokens.

use std::{
    fmt,
    future::{Future, IntoFuture},
    marker::PhantomData,
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use base64_simd::URL_SAFE_NO_PAD;
use serde::{Serialize, de::DeserializeOwned};

use super::{
    claims::{Claims, LAST_SECOND, Registered, Rules},
    json,
    jws::{self, Types},
    payload,
    ring::KeyRing,
    write::Minted,
};
use crate::{
    authenticate::{Authenticate, Verified},
    clock::{Clock, SystemClock, Timestamp},
    credential::{Credential, CredentialSource},
    error::{ConfigError, IssueError},
    grant::Grant,
    identity::{Identity, Subject},
    rejection::Rejection,
    secret::{self, Secret},
};

/// Issues and verifies signed JSON Web Tokens (RFC 7519) whose custom claims are a `U`.
///
/// It is a handle: cloning it is cheap, and all clones share the key ring. See the
/// [module](super) for the rules, and [`JwtLayer`](crate::layer::JwtLayer) for its use in a service.
pub struct Jwt<U = Claims> {
    inner: Arc<Inner>,
    user: PhantomData<fn() -> U>,
}

struct Inner {
    ring: KeyRing,
    rules: Rules,
    types: Types,
    ttl: Duration,
    clock: Arc<dyn Clock>,
}

impl<U> Jwt<U> {
    /// An engine with the keys of `ring`. Issuer and audience must be set.
    pub fn builder(ring: KeyRing) -> JwtBuilder<U> {
        JwtBuilder {
            ring,
            issuer: Expected::Unset,
            audiences: Expected::Unset,
            types: vec![jws::DEFAULT_TYPE.to_owned()],
            untyped: false,
            leeway: DEFAULT_LEEWAY,
            ttl: DEFAULT_TTL,
            clock: Arc::new(SystemClock),
            user: PhantomData,
        }
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
        Issue {
            jwt: self,
            grant,
            ttl: self.inner.ttl,
            not_before: None,
            audience: None,
        }
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

/// Builds a [`Jwt`].
#[must_use]
pub struct JwtBuilder<U> {
    ring: KeyRing,
    issuer: Expected<String>,
    audiences: Expected<Vec<String>>,
    types: Vec<String>,
    untyped: bool,
    leeway: Duration,
    ttl: Duration,
    clock: Arc<dyn Clock>,
    user: PhantomData<fn() -> U>,
}

/// A claim that must be said to matter or said not to.
enum Expected<T> {
    Unset,
    Any,
    This(T),
}

impl<U> JwtBuilder<U> {
    /// The issuer: written into `iss`, and the only one accepted. Usually an https URL.
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        self.issuer = Expected::This(issuer.into());
        self
    }

    /// Accepts tokens of any issuer, and of none. Whoever else holds a key of the ring can then speak for
    /// every issuer.
    pub fn dangerous_any_issuer(mut self) -> Self {
        self.issuer = Expected::Any;
        self
    }

    /// The audience: a token must name it in `aud`. Called again it accepts one more; the first is the
    /// one that is minted.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        match &mut self.audiences {
            Expected::This(audiences) => audiences.push(audience.into()),
            _ => self.audiences = Expected::This(vec![audience.into()]),
        }
        self
    }

    /// Accepts tokens for any audience. A token given to another service is then good here.
    pub fn dangerous_any_audience(mut self) -> Self {
        self.audiences = Expected::Any;
        self
    }

    /// The values of `typ` that are accepted, compared without case and without `application/`; the first
    /// is the one that is minted. Default: `at+jwt` (RFC 9068 section 2.1), so that no ID token or other
    /// JWT by the same key passes for an access token.
    pub fn types(mut self, types: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.types = types.into_iter().map(Into::into).collect();
        self
    }

    /// Also accepts tokens without `typ`, as older issuers mint them.
    pub fn accept_untyped(mut self) -> Self {
        self.untyped = true;
        self
    }

    /// How far the clocks of issuer and verifier may differ, at most 60 seconds. Default: 30 seconds.
    pub const fn leeway(mut self, leeway: Duration) -> Self {
        self.leeway = leeway;
        self
    }

    /// How long minted tokens live, in whole seconds. Default: 15 minutes, since a token cannot be called
    /// back without a list.
    pub const fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self
    }

    /// The source of time. Default: the operating system.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// When issuer or audience is unset or empty, `types` is empty or has an odd character, the leeway
    /// exceeds 60 seconds, or the lifetime is shorter than a second.
    pub fn build(self) -> Result<Jwt<U>, ConfigError> {
        let issuer = match self.issuer {
            Expected::Unset => return Err(ConfigError::new("issuer", "is not set")),
            Expected::This(issuer) if issuer.is_empty() => {
                return Err(ConfigError::new("issuer", "is empty"));
            }
            Expected::This(issuer) => Some(issuer),
            Expected::Any => None,
        };
        let audiences = match self.audiences {
            Expected::Unset => return Err(ConfigError::new("audience", "is not set")),
            Expected::This(all) if all.iter().any(String::is_empty) => {
                return Err(ConfigError::new("audience", "is empty"));
            }
            Expected::This(all) => Some(all),
            Expected::Any => None,
        };
        let accepted: Vec<_> = self
            .types
            .iter()
            .map(|typ| jws::strip_application(typ).to_owned())
            .collect();
        let is_type =
            |typ: &String| !typ.is_empty() && typ.bytes().all(|byte| byte.is_ascii_graphic());
        if accepted.is_empty() || !accepted.iter().all(is_type) {
            return Err(ConfigError::new(
                "typ",
                "needs at least one media type, in visible ASCII",
            ));
        }
        if self.leeway > MAX_LEEWAY {
            return Err(ConfigError::new("leeway", "is more than 60 seconds"));
        }
        if self.ttl < Duration::from_secs(1) {
            return Err(ConfigError::new("ttl", "is less than one second"));
        }
        let inner = Inner {
            ring: self.ring,
            rules: Rules {
                issuer,
                audiences,
                leeway: self.leeway,
            },
            types: Types {
                accepted,
                untyped: self.untyped,
            },
            ttl: self.ttl,
            clock: self.clock,
        };
        Ok(Jwt {
            inner: Arc::new(inner),
            user: PhantomData,
        })
    }
}

impl<U> fmt::Debug for JwtBuilder<U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwtBuilder").finish_non_exhaustive()
    }
}

/// A token about to be minted; `.await` mints it. See [`Jwt::issue`].
#[must_use = "nothing is minted until this is awaited"]
pub struct Issue<'a, U> {
    jwt: &'a Jwt<U>,
    grant: Grant<U>,
    ttl: Duration,
    not_before: Option<Duration>,
    audience: Option<String>,
}

impl<U: Serialize> Issue<'_, U> {
    /// Lives for `ttl`, in whole seconds, instead of the engine's default.
    pub const fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self
    }

    /// Is valid only after `delay`, in whole seconds from now (`nbf`). The lifetime still begins now and must be
    /// the longer one.
    pub const fn not_before(mut self, delay: Duration) -> Self {
        self.not_before = Some(delay);
        self
    }

    /// Is for `audience` instead of the engine's first.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audience = Some(audience.into());
        self
    }

    fn mint(&self) -> Result<Secret<String>, IssueError> {
        let Inner {
            ring,
            rules,
            types,
            clock,
            ..
        } = &*self.jwt.inner;
        self.grant.check()?;
        let now = clock.now();
        let issued_at = now.as_secs();
        let expires_at = issued_at.saturating_add(self.ttl.as_secs());
        #[allow(
            clippy::cast_precision_loss,
            reason = "the bound is far below where precision ends"
        )]
        if self.ttl.as_secs() == 0 || expires_at as f64 > LAST_SECOND {
            return Err(IssueError::Grant(
                "the lifetime must be at least one second and end before year 10000",
            ));
        }
        let delayed = |delay: Duration| issued_at.saturating_add(delay.as_secs());
        let not_before = self.not_before.map(delayed);
        if not_before.is_some_and(|at| at >= expires_at) {
            return Err(IssueError::Grant("it would expire before it is valid"));
        }
        let configured = rules.audiences.as_ref().and_then(|all| all.first());
        let claims = Minted {
            issuer: rules.issuer.as_deref(),
            subject: &self.grant.subject,
            audience: self.audience.as_ref().or(configured).map(String::as_str),
            expires_at,
            not_before,
            issued_at,
            id: &URL_SAFE_NO_PAD.encode_to_string(secret::random::<16>()),
            scopes: &self.grant.scopes,
            roles: &self.grant.roles,
            proofs: &self.grant.proofs(now),
            user: &self.grant.user,
        };
        let payload = json::write(&claims).map_err(|error| IssueError::User(error.into()))?;
        let token = jws::sign(&payload, ring.load().active(), &types.accepted[0])?;
        Ok(Secret::new(token))
    }
}

impl<'a, U: Serialize + Send + Sync> IntoFuture for Issue<'a, U> {
    type Output = Result<Secret<String>, IssueError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture
    where
        U: 'a,
    {
        Box::pin(async move { self.mint() })
    }
}

impl<U> fmt::Debug for Issue<'_, U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issue")
            .field("ttl", &self.ttl)
            .finish_non_exhaustive()
    }
}

/// Clocks that are kept by NTP differ by less; RFC 8725 speaks of a few minutes at most.
const DEFAULT_LEEWAY: Duration = Duration::from_secs(30);
const MAX_LEEWAY: Duration = Duration::from_secs(60);

/// As long as a token that cannot be called back should be believed.
const DEFAULT_TTL: Duration = Duration::from_secs(15 * 60);
