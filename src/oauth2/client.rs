//! The client of one provider.

use std::{fmt, sync::Arc, time::Duration};

use http::HeaderValue;
use tokio::sync::OnceCell;

use super::{
    authorize::Authorize,
    error::OAuthError,
    finish::Login,
    flight::{Flights, Name},
    id_token::IdTokens,
    provider::Provider,
    return_to::is_own_path,
    tokens::ProviderTokens,
    wire::Wire,
};
#[cfg(feature = "account")]
use crate::cookie::CookieSpec;
use crate::{
    clock::{Clock, SystemClock, Timestamp},
    error::ConfigError,
    event::{Event, EventKind, Events},
    fetch::UrlScheme,
    secret::{self, MasterSecret, Secret},
    store::Store,
};

/// Logs users in with one provider, and gets tokens from it.
///
/// It is a handle: cloning it is cheap. See the [module](super) for the rules.
#[derive(Clone)]
pub struct OAuth2 {
    pub(super) core: Arc<Core>,
}

pub(super) struct Core {
    pub(super) provider: Provider,
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Arc<dyn Clock>,
    events: Events,
    /// What logins under way are sealed by, the active one first.
    pub(super) seals: Vec<Secret<[u8; 32]>>,
    /// What the names of the cookies of logins under way begin with.
    pub(super) cookie_prefix: &'static str,
    pub(super) default_page: String,
    pub(super) wire: Arc<Wire>,
    /// Keys are read at the first login, so that a provider that is away stops no start.
    pub(super) id_tokens: OnceCell<IdTokens>,
    refreshes: Flights,
    credentials: Flights,
}

impl OAuth2 {
    /// A client of `provider`. Logins under way are sealed by a key that is derived from `secret`; `store` keeps which of them
    /// were used.
    pub fn builder(
        provider: Provider,
        store: Arc<dyn Store>,
        secret: &MasterSecret,
    ) -> OAuth2Builder {
        OAuth2Builder {
            provider,
            store,
            secret: secret.clone(),
            redirect_url: None,
            default_page: "/".to_owned(),
            clock: Arc::new(SystemClock),
            events: Events::default(),
        }
    }

    /// The provider.
    #[must_use]
    pub fn provider(&self) -> &Provider {
        &self.core.provider
    }

    /// The name of the cookie that holds the login with this `state`.
    #[must_use]
    pub fn cookie_name(&self, state: &str) -> String {
        self.core.flow_cookie(state).name().to_owned()
    }

    /// The `Set-Cookie` value that makes a browser forget the login with this `state`, which has ended.
    #[must_use]
    pub fn clear_cookie(&self, state: &str) -> HeaderValue {
        self.core.flow_cookie(state).clear()
    }

    #[cfg(feature = "account")]
    pub(crate) fn flow_cookie(&self, state: &str) -> CookieSpec {
        self.core.flow_cookie(state)
    }

    /// Begins a login; `.await` gives the address to which the browser is to be sent.
    pub fn authorize(&self) -> Authorize<'_> {
        Authorize::new(&self.core)
    }

    /// New tokens for a refresh token (RFC 6749 section 6). However many callers ask with one token at the same time, one request
    /// is made, and its answer stands for ten seconds more: a caller who vanished and comes back finds it.
    ///
    /// # Errors
    ///
    /// [`OAuthError::Refused`] when the token is not good any more, and whatever goes wrong on the way.
    pub async fn refresh(
        &self,
        refresh_token: &Secret<String>,
    ) -> Result<ProviderTokens, OAuthError> {
        let name = secret::hash([refresh_token.expose().as_bytes()]);
        let (wire, token) = (Arc::clone(&self.core.wire), refresh_token.clone());
        let request = || async move { wire.refresh(&token).await };
        self.core.refreshes.join(name, request).await
    }

    /// A token for this application itself (RFC 6749 section 4.4). It is kept until a minute before it expires.
    ///
    /// # Errors
    ///
    /// [`OAuthError::Refused`] when the provider grants none, and whatever goes wrong on the way.
    pub async fn client_credentials(
        &self,
        scopes: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<ProviderTokens, OAuthError> {
        let scopes: Vec<String> = scopes.into_iter().map(Into::into).collect();
        let core = &*self.core;
        let name = secret::hash([scopes.join(" ").as_bytes()]);
        let request = || {
            let (wire, scopes) = (Arc::clone(&core.wire), scopes.clone());
            async move { wire.client_credentials(&scopes).await }
        };
        let tokens = core.credentials.join(name, request).await?;
        let is_live = |at: Timestamp| core.clock.now() < at;
        if tokens.expires_at.is_none_or(is_live) {
            return Ok(tokens);
        }
        // The machine has slept, which its timers do not count.
        core.credentials.forget(|known, _| *known == name);
        core.credentials.join(name, request).await
    }

    /// Ends a refresh token or an access token at the provider (RFC 7009).
    ///
    /// # Errors
    ///
    /// [`OAuthError::Unsupported`] when the provider has no such endpoint, and whatever goes wrong on the way.
    pub async fn revoke(&self, token: &Secret<String>) -> Result<(), OAuthError> {
        let ended = self.core.wire.revoke(token).await;
        // What stands for a while would be handed out dead. That holds if the answer was lost, too.
        let asked_by = secret::hash([token.expose().as_bytes()]);
        let is_of = |name: &Name, tokens: &ProviderTokens| {
            *name == asked_by
                || tokens.access_token == *token
                || tokens.refresh_token.as_ref() == Some(token)
        };
        self.core.refreshes.forget(is_of);
        self.core.credentials.forget(is_of);
        ended
    }
}

impl Core {
    /// Tells how a login has ended.
    pub(super) fn told(&self, ended: Result<Login, OAuthError>) -> Result<Login, OAuthError> {
        let now = self.clock.now();
        self.events.tell(&match &ended {
            Ok(login) => {
                let (_, subject) = login.profile.key();
                Event::new(EventKind::ProviderLoginSucceeded, now).of(subject)
            }
            Err(_) => Event::new(EventKind::ProviderLoginFailed, now),
        });
        ended
    }
}

/// The settings of [`OAuth2`].
#[must_use]
#[derive(Clone)]
pub struct OAuth2Builder {
    provider: Provider,
    store: Arc<dyn Store>,
    secret: MasterSecret,
    redirect_url: Option<String>,
    default_page: String,
    clock: Arc<dyn Clock>,
    events: Events,
}

impl OAuth2Builder {
    /// Where the provider sends browsers back to: the callback's full address, as it is registered there. It is never taken from
    /// a request.
    pub fn redirect_url(mut self, url: &str) -> Self {
        self.redirect_url = Some(url.to_owned());
        self
    }

    /// Where a browser goes after a login that names no page, or no good one. Default: `/`.
    pub fn default_page(mut self, path: &str) -> Self {
        self.default_page = path.to_owned();
        self
    }

    /// Goes by `clock`. Default: the operating system's.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Where it is told how logins end. Default: `tracing` alone.
    pub fn events(mut self, events: Events) -> Self {
        self.events = events;
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// When the redirect URL is missing, or neither an https URL nor one of this machine, or the default page is no path.
    pub fn build(self) -> Result<OAuth2, ConfigError> {
        let redirect_url = self.redirect_url.as_deref();
        let redirect_url =
            redirect_url.ok_or_else(|| ConfigError::new("redirect_url", "is not set"))?;
        // An application under development is on its developer's machine, also with a provider that is not.
        let redirect_url = UrlScheme::HttpOnLoopback.url("redirect_url", redirect_url)?;
        if !is_own_path(&self.default_page) {
            return Err(ConfigError::new(
                "default_page",
                "is not a path on this origin",
            ));
        }
        let cookie_prefix = match self.provider.posts_form() {
            true => "__Host-oauth-post-",
            false => "__Host-oauth-",
        };
        let settings = Arc::clone(&self.provider.inner);
        let wire = Wire::new(settings, Arc::clone(&self.clock), &redirect_url);
        Ok(OAuth2 {
            core: Arc::new(Core {
                provider: self.provider,
                store: self.store,
                clock: self.clock,
                events: self.events,
                // The application is known by where browsers come back to.
                seals: self
                    .secret
                    .keys("tower-jam oauth flow", redirect_url.as_str()),
                cookie_prefix,
                default_page: self.default_page,
                wire: Arc::new(wire),
                id_tokens: OnceCell::new(),
                refreshes: Flights::new(|_| LINGER),
                credentials: Flights::new(kept),
            }),
        })
    }
}

/// For how long a token for the application is handed out. One without an expiry may be ended at any time.
fn kept(tokens: &ProviderTokens) -> Duration {
    tokens
        .life
        .unwrap_or_default()
        .saturating_sub(RENEWED_BEFORE)
}

impl fmt::Debug for OAuth2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuth2")
            .field("provider", &self.core.provider)
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
const LINGER: Duration = Duration::from_secs(10);
/// Longer than a request that the token is used for.
const RENEWED_BEFORE: Duration = Duration::from_secs(60);
