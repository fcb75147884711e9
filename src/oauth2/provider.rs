//! Identity providers and their endpoints.

use std::{
    fmt,
    future::{Future, IntoFuture},
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use url::Url;

use super::{
    builder::ProviderBuilder,
    presets::{APPLE, GITHUB, GITLAB, GOOGLE, OPENID, YANDEX},
    profile::ProfileFields,
    secret::ClientAuth,
};
use crate::{
    error::ConfigError,
    key::Key,
    remote::{
        discovery::discover,
        fetch::{Fetch, UrlScheme},
    },
};

/// An identity provider with the credentials of this application. A value of this type has valid
/// URLs.
///
/// The presets contain the endpoints of well-known providers, so that startup needs no network.
/// Other providers are [discovered](Self::discover) or [configured](Self::builder).
///
/// ```
/// use tower_jam::oauth2::Provider;
///
/// let github = Provider::github("client-id", "client-secret")
///     .scopes(["read:user", "user:email"])
///     .build()?;
/// assert_eq!((github.name(), github.issuer()), ("github", "https://github.com/login/oauth"));
/// # Ok::<(), tower_jam::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct Provider {
    inner: Arc<ProviderInner>,
}

/// The settings of a provider.
#[derive(Clone)]
pub(super) struct ProviderInner {
    pub(super) name: String,
    pub(super) issuer: String,
    pub(super) client_id: String,
    pub(super) auth: ClientAuth,
    pub(super) scopes: Vec<String>,
    pub(super) extra: Vec<(String, String)>,
    pub(super) authorize: Url,
    pub(super) token: Url,
    pub(super) userinfo: Option<Url>,
    /// The URL of e-mail addresses that the user info lacks.
    pub(super) emails: Option<Url>,
    pub(super) device: Option<Url>,
    pub(super) revoke: Option<Url>,
    /// The URL of the keys of its ID tokens; `None` if it issues none.
    pub(super) jwks: Option<Url>,
    /// Whether a callback without `iss` is rejected (RFC 9207 section 2.4).
    pub(super) requires_issuer: bool,
    pub(super) posts_form: bool,
    pub(super) fields: ProfileFields,
    pub(super) fetch: Fetch,
    pub(super) scheme: UrlScheme,
}

impl Provider {
    /// Returns a builder of a provider without ID tokens, or with individually configured
    /// endpoints. `name` is its name in the routes; `issuer` is the issuer of its users.
    pub fn builder(name: &str, issuer: &str, client_id: &str) -> ProviderBuilder {
        ProviderBuilder::new(name, issuer, client_id)
    }

    /// Fetches the metadata of an OpenID provider. Its issuer must be exactly `issuer`.
    ///
    /// ```no_run
    /// # async fn run() -> Result<(), tower_jam::ConfigError> {
    /// use tower_jam::oauth2::Provider;
    ///
    /// let builder = Provider::discover("acme", "https://id.acme.dev", "client-id").await?;
    /// let provider = builder.client_secret("client-secret").build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn discover(name: &str, issuer: &str, client_id: &str) -> Discover {
        Discover {
            name: name.to_owned(),
            issuer: issuer.to_owned(),
            client_id: client_id.to_owned(),
            timeout: DEFAULT_TIMEOUT,
            scheme: UrlScheme::Https,
        }
    }

    /// GitHub, which issues no ID tokens, so the user is read from its API. Scopes:
    /// `read:user user:email`. A self-hosted GitHub requires its own
    /// [issuer](ProviderBuilder::issuer).
    pub fn github(client_id: &str, client_secret: &str) -> ProviderBuilder {
        ProviderBuilder::preset(&GITHUB, client_id).client_secret(client_secret)
    }

    /// GitLab's hosted service, with OpenID Connect. Scopes: `openid profile email`.
    pub fn gitlab(client_id: &str, client_secret: &str) -> ProviderBuilder {
        ProviderBuilder::preset(&GITLAB, client_id).client_secret(client_secret)
    }

    /// Google, with OpenID Connect. Scopes: `openid profile email`.
    pub fn google(client_id: &str, client_secret: &str) -> ProviderBuilder {
        ProviderBuilder::preset(&GOOGLE, client_id).client_secret(client_secret)
    }

    /// Yandex, which issues no ID tokens, so the user is read from its API. Scopes:
    /// `login:info login:email`.
    pub fn yandex(client_id: &str, client_secret: &str) -> ProviderBuilder {
        ProviderBuilder::preset(&YANDEX, client_id).client_secret(client_secret)
    }

    /// Microsoft's Entra ID, with OpenID Connect, for the users of one `tenant`. The tenant is
    /// identified by its id, a GUID, because its issuer contains the id whichever name is used;
    /// `common` has no issuer that could be checked. Scopes: `openid profile email`.
    pub fn microsoft(tenant: &str, client_id: &str, client_secret: &str) -> ProviderBuilder {
        let tenant = tenant.to_ascii_lowercase();
        let at = |path: &str| format!("https://login.microsoftonline.com/{tenant}/{path}");
        let mut microsoft = ProviderBuilder::new("microsoft", &at("v2.0"), client_id)
            .client_secret(client_secret)
            .scopes(OPENID)
            .authorize_url(&at("oauth2/v2.0/authorize"))
            .token_url(&at("oauth2/v2.0/token"))
            .device_url(&at("oauth2/v2.0/devicecode"))
            .userinfo_url("https://graph.microsoft.com/oidc/userinfo")
            .jwks_url(&at("discovery/v2.0/keys"));
        let is_tenant_id = tenant.len() == 36
            && tenant.bytes().enumerate().all(|(at, byte)| match at {
                8 | 13 | 18 | 23 => byte == b'-',
                _ => byte.is_ascii_hexdigit(),
            });
        if !is_tenant_id {
            microsoft.set_invalid("tenant", "is not the id of one tenant");
        }
        microsoft
    }

    /// Apple, with OpenID Connect. The client secret is a token that `key` signs (ES256, with the
    /// key's id as `kid`). Apple sends its callback as a form that its page posts. Scopes:
    /// `openid name email`.
    pub fn apple(client_id: &str, team_id: &str, key: Key) -> ProviderBuilder {
        ProviderBuilder::preset(&APPLE, client_id).apple_key(team_id, key)
    }

    pub(super) fn new(settings: ProviderInner) -> Self {
        Self {
            inner: Arc::new(settings),
        }
    }

    pub(super) fn settings(&self) -> &Arc<ProviderInner> {
        &self.inner
    }

    /// Returns its name in the routes.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// Returns the issuer of its users; with a subject it identifies one person.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.inner.issuer
    }

    /// Whether it issues ID tokens that state the time of a login, so that a maximum age can be
    /// requested.
    #[cfg(feature = "account")]
    pub(crate) fn supports_max_age(&self) -> bool {
        self.inner.requires_id_token()
    }

    /// Whether its callbacks are forms that its page posts, so that the callback is a POST from
    /// another site.
    #[must_use]
    pub fn posts_form(&self) -> bool {
        self.inner.posts_form
    }
}

impl ProviderInner {
    pub(super) fn requires_id_token(&self) -> bool {
        self.scopes.iter().any(|scope| scope == "openid")
    }
}

/// A discovery that runs when awaited, and returns the provider's settings. See
/// [`Provider::discover`].
#[must_use = "discovery does not run unless it is awaited"]
#[derive(Clone)]
pub struct Discover {
    name: String,
    issuer: String,
    client_id: String,
    timeout: Duration,
    scheme: UrlScheme,
}

impl Discover {
    /// Sets how long each response of the provider may take, at most half a minute. Default: five
    /// seconds.
    pub const fn request_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Allows plain HTTP to a provider on a loopback address, for tests and development.
    pub const fn dangerous_http_on_loopback(mut self) -> Self {
        self.scheme = UrlScheme::HttpOnLoopback;
        self
    }

    async fn fetch(self) -> Result<ProviderBuilder, ConfigError> {
        let fetch = Fetch::new(self.timeout)?;
        let metadata = discover(&fetch, self.scheme, &self.issuer).await?;
        let missing = |what| ConfigError::new("issuer", what);
        let mut builder = Provider::builder(&self.name, &self.issuer, &self.client_id)
            .scopes(["openid", "profile", "email"])
            .request_timeout(self.timeout)
            .authorize_url(
                metadata
                    .authorization_endpoint
                    .ok_or_else(|| missing("publishes no authorization endpoint"))?
                    .as_str(),
            )
            .token_url(
                metadata
                    .token_endpoint
                    .ok_or_else(|| missing("publishes no token endpoint"))?
                    .as_str(),
            );
        if self.scheme == UrlScheme::HttpOnLoopback {
            builder = builder.dangerous_http_on_loopback();
        }
        if let Some(url) = &metadata.jwks_uri {
            builder = builder.jwks_url(url.as_str());
        }
        if let Some(url) = &metadata.userinfo_endpoint {
            builder = builder.userinfo_url(url.as_str());
        }
        if let Some(url) = &metadata.device_authorization_endpoint {
            builder = builder.device_url(url.as_str());
        }
        if let Some(url) = &metadata.revocation_endpoint {
            builder = builder.revoke_url(url.as_str());
        }
        if metadata.authorization_response_iss_parameter_supported {
            builder = builder.require_issuer();
        }
        let supports = |method: &str| {
            let methods = &metadata.token_endpoint_auth_methods_supported;
            methods.iter().any(|supported| supported == method)
        };
        if supports("client_secret_post") && !supports("client_secret_basic") {
            builder = builder.secret_in_body();
        }
        Ok(builder)
    }
}

impl IntoFuture for Discover {
    type Output = Result<ProviderBuilder, ConfigError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.fetch())
    }
}

impl fmt::Debug for Discover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Discover")
            .field("issuer", &self.issuer)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Provider")
            .field("name", &self.inner.name)
            .field("issuer", &self.inner.issuer)
            .finish_non_exhaustive()
    }
}

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);
