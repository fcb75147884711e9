//! Builds an engine that verifies the access tokens of an issuer, starting from the issuer's URL.

use std::{
    fmt,
    future::{Future, IntoFuture},
    marker::PhantomData,
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use super::{Jwt, builder::JwtBuilder};
use crate::{
    clock::Clock,
    error::ConfigError,
    key::header,
    remote::{
        discovery::{Metadata, discover},
        fetch::{Fetch, UrlScheme},
        jwks::{DEFAULT_INTERVAL, DEFAULT_TIMEOUT, Jwks},
    },
    token::{
        claim_map::ClaimMap,
        settings::{ExpectedClaim, TokenSettings},
    },
};

/// Builds an engine or a layer for the access tokens of another party's issuer. `.await` fetches
/// the issuer's metadata and keys.
///
/// # Rules
///
/// * **Discovery.** The issuer's metadata is read from `/.well-known/openid-configuration`, or, if
///   that does not exist, from `/.well-known/oauth-authorization-server` (RFC 8414). The metadata
///   must name the issuer exactly as configured, including a trailing slash, and the keys must be
///   at an https address.
/// * **Loaded.** The builder returns once the keys are loaded, or returns the error, within the
///   timeout. From then on they are refreshed by the rules of [`Jwks`].
/// * **The audience is required**; without it, a token for one service would be valid for every
///   other. It is the name of this service, never a client id: ID tokens are for clients.
/// * **Only access tokens are accepted.** The header's `typ` may be `at+jwt` (RFC 9068), `JWT` or
///   absent, since real issuers send all three. A token with one of the claims `nonce`, `at_hash`,
///   `c_hash`, `s_hash` or `events`, a `token_use` other than `access`, or a claim `typ` other than
///   `Bearer`, `DPoP`, `JWT` or `at+jwt`, is an ID, refresh or logout token, and is rejected.
/// * **Roles and scopes** are the claims `roles` and `scope`, unless a [`ClaimMap`] says otherwise.
///
/// All other rules are those for this crate's own tokens: see the [module](super::super).
///
/// ```no_run
/// use tower_jam::{Claims, JwtLayer, token::ClaimMap};
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let layer = JwtLayer::<Claims>::from_issuer("https://id.acme.dev/realms/acme")
///     .audience("orders")
///     .claim_map(ClaimMap::keycloak("orders"))
///     .await?;
/// # drop(layer);
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing is requested until this is awaited"]
pub struct FromIssuer<U, T = Jwt<U>> {
    issuer: String,
    settings: TokenSettings,
    timeout: Duration,
    interval: Duration,
    scheme: UrlScheme,
    marker: PhantomData<fn() -> (U, T)>,
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
            scheme: UrlScheme::Https,
            marker: PhantomData,
        }
    }

    /// Sets the audience, which a token must name in `aud`. Each call accepts one more.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.settings.add_audience(audience.into());
        self
    }

    /// Sets where the issuer writes roles and scopes. Default: the claims `roles` and `scope`.
    pub fn claim_map(mut self, map: ClaimMap) -> Self {
        self.settings.foreign.map = Some(map);
        self
    }

    /// Sets the tolerated clock skew between issuer and verifier, at most 60 seconds. Default: 30
    /// seconds.
    pub const fn leeway(mut self, leeway: Duration) -> Self {
        self.settings.leeway = leeway;
        self
    }

    /// Sets the source of time. Default: the operating system.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.settings.clock = clock;
        self
    }

    /// Sets how long the start and each refresh of the keys may take, at most 30 seconds. Default:
    /// five seconds.
    pub const fn request_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets the minimum interval between refreshes for unknown keys. See
    /// [`JwksBuilder::min_refresh_interval`](crate::remote::JwksBuilder::min_refresh_interval).
    pub const fn min_refresh_interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// Allows plain HTTP to this machine, for tests and development.
    pub const fn dangerous_http_on_loopback(mut self) -> Self {
        self.scheme = UrlScheme::HttpOnLoopback;
        self
    }

    async fn discover(self) -> Result<Jwt<U>, ConfigError> {
        // Settings are checked before any request is sent.
        self.settings.check()?;
        let fetch = Fetch::new(self.timeout)?;
        let Metadata { jwks_uri, .. } = discover(&fetch, self.scheme, &self.issuer).await?;
        let jwks_uri = jwks_uri.ok_or_else(|| {
            ConfigError::new("jwks_uri", "the issuer's metadata has no `jwks_uri`")
        })?;
        let jwks = Jwks::start(jwks_uri, fetch, self.interval).await?;
        JwtBuilder::with_settings(jwks.into(), self.settings)
            .types([header::DEFAULT_TYPE, "JWT"])
            .dangerous_accept_untyped()
            .build()
    }
}

impl<U: 'static, T: From<Jwt<U>> + 'static> IntoFuture for FromIssuer<U, T> {
    type Output = Result<T, ConfigError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let limit = self.timeout;
            let timed_out = |_| ConfigError::new("issuer", "it did not respond in time");
            // There are two or three requests, and the timeout covers all of them together.
            let jwt = tokio::time::timeout(limit, self.discover())
                .await
                .map_err(timed_out)??;
            Ok(T::from(jwt))
        })
    }
}

impl<U, T> fmt::Debug for FromIssuer<U, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FromIssuer").finish_non_exhaustive()
    }
}
