//! The client of one provider.

use std::{fmt, sync::Arc, time::Duration};

use http::HeaderValue;

use super::{
    authorize::Authorize,
    callback::{Callback, ProviderLogin},
    device::{self, DeviceCode},
    error::OAuthError,
    finish::finish,
    flight::{Name, SharedRequests},
    flow::Flows,
    inner::OAuth2Inner,
    provider::Provider,
    return_to::is_own_path,
    tokens::ProviderTokens,
    wire::Wire,
};
#[cfg(feature = "account")]
use crate::request::cookie::CookieSpec;
use crate::{
    clock::Timestamp, env::Env, error::ConfigError, remote::fetch::UrlScheme, secret,
    secret::Secret,
};

/// Logs users in with one provider, and obtains tokens from it.
///
/// This type is a handle; cloning it is cheap. See the [module](super) for the rules.
///
/// ```
/// use std::sync::Arc;
/// use tower_jam::{Env, MasterSecret, OAuth2, oauth2::Provider, store::MemoryStore};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let store = Arc::new(MemoryStore::new());
/// let env = Env::new("https://acme.dev", store, &MasterSecret::generate());
/// let google = Provider::google("client-id", "client-secret").build()?;
/// let oauth = OAuth2::builder(&env, google)
///     .redirect_url("https://acme.dev/oauth/google/callback")
///     .build()?;
///
/// let started = oauth.authorize().return_to("/cart").await?;
/// assert!(started.url.starts_with("https://accounts.google.com/"));
/// # Ok(())
/// # }
/// ```
#[doc(alias("oidc", "openid", "sso", "social login"))]
#[derive(Clone)]
pub struct OAuth2 {
    inner: Arc<OAuth2Inner>,
}

impl OAuth2 {
    /// Returns a builder of a client of `provider`. Logins in progress are sealed by a key derived
    /// from the master secret; the store records which of them were used.
    pub fn builder(env: &Env, provider: Provider) -> OAuth2Builder {
        OAuth2Builder {
            env: env.clone(),
            provider,
            redirect_url: None,
            default_page: "/".to_owned(),
        }
    }

    /// Returns the provider.
    #[must_use]
    pub fn provider(&self) -> &Provider {
        &self.inner.provider
    }

    /// Returns the name of the cookie that holds the login with this `state`.
    #[must_use]
    pub fn cookie_name(&self, state: &str) -> String {
        self.inner.flows.cookie(state).name().to_owned()
    }

    /// Returns the `Set-Cookie` value that removes the finished login with this `state` from a
    /// browser.
    #[must_use]
    pub fn clear_cookie(&self, state: &str) -> HeaderValue {
        self.inner.flows.cookie(state).clear()
    }

    #[cfg(feature = "account")]
    pub(crate) fn flow_cookie(&self, state: &str) -> CookieSpec {
        self.inner.flows.cookie(state)
    }

    /// Starts a login when awaited, and returns the URL to redirect the browser to.
    pub fn authorize(&self) -> Authorize<'_> {
        Authorize::new(&self.inner)
    }

    /// Completes a login. `cookie` is the value of the browser's cookie
    /// [`cookie_name`](Self::cookie_name) of the callback's state. A state is valid once, and only
    /// for the browser that started with it. It is used up, whatever the result. For an invalid
    /// state, no request is made and nothing is written.
    ///
    /// # Errors
    ///
    /// See [`OAuthError`].
    pub async fn finish(
        &self,
        callback: Callback,
        cookie: Option<&str>,
    ) -> Result<ProviderLogin, OAuthError> {
        let result = finish(&self.inner, callback, cookie).await;
        self.inner.report_login(result)
    }

    /// Starts a login on a device.
    ///
    /// # Errors
    ///
    /// [`OAuthError::Unsupported`] if the provider has no such endpoint, and any error of the
    /// request.
    pub async fn device(&self) -> Result<DeviceCode, OAuthError> {
        device::start(&self.inner).await
    }

    /// Returns new tokens for a refresh token (RFC 6749 section 6). Concurrent callers with one
    /// token share one request. Its result is reused for ten more seconds, so that a caller that
    /// disconnected and retries gets it too.
    ///
    /// # Errors
    ///
    /// [`OAuthError::Refused`] if the token is no longer valid, and any error of the request.
    pub async fn refresh(
        &self,
        refresh_token: &Secret<String>,
    ) -> Result<ProviderTokens, OAuthError> {
        let name = secret::hash([refresh_token.expose().as_bytes()]);
        let (wire, token) = (Arc::clone(&self.inner.wire), refresh_token.clone());
        let request = || async move { wire.refresh(&token).await };
        self.inner.refreshes.join(name, request).await
    }

    /// Returns a token for this application itself (RFC 6749 section 4.4). It is reused until one
    /// minute before it expires.
    ///
    /// # Errors
    ///
    /// [`OAuthError::Refused`] if the provider grants none, and any error of the request.
    pub async fn client_credentials(
        &self,
        scopes: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<ProviderTokens, OAuthError> {
        let scopes: Vec<String> = scopes.into_iter().map(Into::into).collect();
        let inner = &*self.inner;
        let name = secret::hash([scopes.join(" ").as_bytes()]);
        let request = || {
            let (wire, scopes) = (Arc::clone(&inner.wire), scopes.clone());
            async move { wire.client_credentials(&scopes).await }
        };
        let tokens = inner.credentials.join(name, request).await?;
        let is_live = |at: Timestamp| inner.clock.now() < at;
        if tokens.expires_at.is_none_or(is_live) {
            return Ok(tokens);
        }
        // The machine was suspended, which its timers do not count.
        inner.credentials.forget(|known, _| *known == name);
        inner.credentials.join(name, request).await
    }

    /// Revokes a refresh token or an access token at the provider (RFC 7009).
    ///
    /// # Errors
    ///
    /// [`OAuthError::Unsupported`] if the provider has no such endpoint, and any error of the
    /// request.
    pub async fn revoke(&self, token: &Secret<String>) -> Result<(), OAuthError> {
        let result = self.inner.wire.revoke(token).await;
        // A revoked token must not be reused from the shared results, even if the response was
        // lost.
        let name_of_refresh = secret::hash([token.expose().as_bytes()]);
        let is_of = |name: &Name, tokens: &ProviderTokens| {
            *name == name_of_refresh
                || tokens.access_token == *token
                || tokens.refresh_token.as_ref() == Some(token)
        };
        self.inner.refreshes.forget(is_of);
        self.inner.credentials.forget(is_of);
        result
    }
}

/// Builds an [`OAuth2`].
#[must_use]
#[derive(Clone)]
pub struct OAuth2Builder {
    env: Env,
    provider: Provider,
    redirect_url: Option<String>,
    default_page: String,
}

impl OAuth2Builder {
    /// Sets where the provider redirects browsers: the callback's full URL, as registered there. It
    /// is never taken from a request.
    pub fn redirect_url(mut self, url: &str) -> Self {
        self.redirect_url = Some(url.to_owned());
        self
    }

    /// Sets the page after a login that names none, or an invalid one. Default: `/`.
    pub fn default_page(mut self, path: &str) -> Self {
        self.default_page = path.to_owned();
        self
    }

    /// Validates the settings and builds the client.
    ///
    /// # Errors
    ///
    /// Returns an error if the redirect URL is missing, or is neither an https URL nor one of a
    /// loopback address, or if the default page is not a path.
    pub fn build(self) -> Result<OAuth2, ConfigError> {
        self.validate().map_err(|error| error.in_engine("OAuth2"))
    }

    fn validate(self) -> Result<OAuth2, ConfigError> {
        let redirect_url = self.redirect_url.as_deref();
        let redirect_url =
            redirect_url.ok_or_else(|| ConfigError::new("redirect_url", "is not set"))?;
        // An application in development runs on its developer's machine, even with a remote
        // provider.
        let redirect_url = UrlScheme::HttpOnLoopback.url("redirect_url", redirect_url)?;
        if !is_own_path(&self.default_page) {
            return Err(ConfigError::new(
                "default_page",
                "is not a path on this origin",
            ));
        }
        let cookie_prefix = if self.provider.posts_form() {
            "__Host-oauth-post-"
        } else {
            "__Host-oauth-"
        };
        let settings = Arc::clone(self.provider.settings());
        let wire = Wire::new(settings, Arc::clone(&self.env.clock), &redirect_url);
        Ok(OAuth2 {
            inner: Arc::new(OAuth2Inner {
                flows: Flows {
                    provider: self.provider.clone(),
                    store: self.env.store,
                    // The redirect URL identifies the application.
                    seal_keys: self
                        .env
                        .secret
                        .keys("tower-jam oauth flow", redirect_url.as_str()),
                    cookie_prefix,
                },
                provider: self.provider,
                clock: self.env.clock,
                events: self.env.events,
                default_page: self.default_page,
                wire: Arc::new(wire),
                id_tokens: Default::default(),
                refreshes: SharedRequests::new(|_| REFRESH_RETENTION),
                credentials: SharedRequests::new(token_retention),
            }),
        })
    }
}

/// Returns how long a token for the application is reused. One without an expiry may be revoked at
/// any time, so it is not reused.
fn token_retention(tokens: &ProviderTokens) -> Duration {
    tokens
        .lifetime
        .unwrap_or_default()
        .saturating_sub(EXPIRY_MARGIN)
}

impl fmt::Debug for OAuth2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuth2")
            .field("provider", &self.inner.provider)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for OAuth2Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuth2Builder")
            .field("provider", &self.provider)
            .finish_non_exhaustive()
    }
}

/// As long as the grace window of our own refresh tokens.
const REFRESH_RETENTION: Duration = Duration::from_secs(10);
/// Longer than a request takes that uses the token.
const EXPIRY_MARGIN: Duration = Duration::from_secs(60);
