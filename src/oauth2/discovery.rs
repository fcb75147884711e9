//! Discovers the endpoints of an OpenID provider.

use std::{
    fmt,
    future::{Future, IntoFuture},
    pin::Pin,
    time::Duration,
};

use super::{builder::ProviderBuilder, provider::Provider};
use crate::{
    error::ConfigError,
    remote::{
        discovery::discover,
        fetch::{Fetch, UrlScheme},
    },
};

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

impl Provider {
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

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);
