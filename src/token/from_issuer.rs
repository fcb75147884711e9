//! A resource server in five lines: from an issuer's name to an engine that verifies its access tokens.
//!
//! # Rules
//!
//! * **Discovery.** What the issuer says of itself is read from `/.well-known/openid-configuration`, or, where there is none, from
//!   `/.well-known/oauth-authorization-server` (RFC 8414). It must name the issuer exactly as it is configured, to the last
//!   slash; its keys must be at an https address.
//! * **Warm.** The builder answers once the keys are there, or says what is wrong, within the time-out. From then on they are
//!   kept fresh by the rules of [`Jwks`].
//! * **The audience is required**, or a token for one service would open every other. It is the name of this service, never the
//!   id of a client: ID tokens are for clients.
//! * **Access tokens alone.** The header's `typ` may be `at+jwt` (RFC 9068), `JWT` or absent, since real issuers send all three. A token
//!   that has one of the claims `nonce`, `at_hash`, `c_hash`, `s_hash` or `events`, a `token_use` other than `access`, or a claim `typ`
//!   other than `Bearer`, `DPoP`, `JWT` or `at+jwt`, is an ID, refresh or logout token, and refused.
//! * **Roles and scopes** are the claims `roles` and `scope`, unless a [`ClaimMap`] says otherwise.
//!
//! Everything else is judged as tokens of this crate are: see the [module](super).
//!
//! ```no_run
//! use tower_jam::{Claims, JwtLayer, token::ClaimMap};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let layer = JwtLayer::<Claims>::from_issuer("https://id.acme.dev/realms/acme")
//!     .audience("orders")
//!     .claim_map(ClaimMap::keycloak("orders"))
//!     .await?;
//! # drop(layer);
//! # Ok(())
//! # }
//! ```

use std::{
    fmt,
    future::{Future, IntoFuture},
    marker::PhantomData,
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use super::{
    builder::JwtBuilder,
    claim_map::ClaimMap,
    jwks::{DEFAULT_INTERVAL, DEFAULT_TIMEOUT, Jwks},
    jws,
    jwt::Jwt,
    settings::{ExpectedClaim, TokenSettings},
};
use crate::{
    clock::Clock,
    discovery::{Metadata, discover},
    error::ConfigError,
    fetch::{Fetch, Scheme},
};

/// An engine, or a layer, for the access tokens of another party's issuer; `.await` asks the issuer for its keys.
#[must_use = "nothing is asked until this is awaited"]
pub struct FromIssuer<U, T = Jwt<U>> {
    issuer: String,
    settings: TokenSettings,
    timeout: Duration,
    interval: Duration,
    scheme: Scheme,
    made: PhantomData<fn() -> (U, T)>,
}

impl<U, T> FromIssuer<U, T> {
    pub(crate) fn new(issuer: &str) -> Self {
        let mut settings = TokenSettings::new();
        settings.issuer = ExpectedClaim::This(issuer.to_owned());
        settings.foreign.access_only = true;
        Self {
            issuer: issuer.to_owned(),
            settings,
            timeout: DEFAULT_TIMEOUT,
            interval: DEFAULT_INTERVAL,
            scheme: Scheme::Https,
            made: PhantomData,
        }
    }

    /// The audience: a token must name it in `aud`. Called again it accepts one more.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.settings.add_audience(audience.into());
        self
    }

    /// Where the issuer writes roles and scopes. Default: the claims `roles` and `scope`.
    pub fn claim_map(mut self, map: ClaimMap) -> Self {
        self.settings.foreign.map = Some(map);
        self
    }

    /// How far the clocks of issuer and verifier may differ, at most 60 seconds. Default: 30 seconds.
    pub const fn leeway(mut self, leeway: Duration) -> Self {
        self.settings.leeway = leeway;
        self
    }

    /// The source of time. Default: the operating system.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.settings.clock = clock;
        self
    }

    /// How long the start may take, and each refresh of the keys, at most half a minute. Default: five seconds.
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How far apart refreshes for unknown keys are. See [`JwksBuilder::interval`](super::JwksBuilder::interval).
    pub const fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// Allows plain HTTP to this machine, for tests and development.
    pub const fn insecure_http_on_loopback(mut self) -> Self {
        self.scheme = Scheme::HttpOnLoopback;
        self
    }

    async fn discover(self) -> Result<Jwt<U>, ConfigError> {
        // What is set wrongly is said before anybody is asked.
        self.settings.check()?;
        let fetch = Fetch::new(self.timeout)?;
        let Metadata { jwks_uri, .. } = discover(&fetch, self.scheme, &self.issuer).await?;
        let jwks_uri = jwks_uri
            .ok_or_else(|| ConfigError::new("jwks_uri", "the issuer's metadata name no keys"))?;
        let jwks = Jwks::start(jwks_uri, fetch, self.interval).await?;
        JwtBuilder::with_settings(jwks.into(), self.settings)
            .types([jws::DEFAULT_TYPE, "JWT"])
            .accept_untyped()
            .build()
    }
}

impl<U: 'static, T: From<Jwt<U>> + 'static> IntoFuture for FromIssuer<U, T> {
    type Output = Result<T, ConfigError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let limit = self.timeout;
            let late = |_| ConfigError::new("issuer", "it did not answer in time");
            // Two or three requests are made, and all of them together must not take longer.
            let jwt = tokio::time::timeout(limit, self.discover())
                .await
                .map_err(late)??;
            Ok(T::from(jwt))
        })
    }
}

impl<U, T> fmt::Debug for FromIssuer<U, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FromIssuer").finish_non_exhaustive()
    }
}
