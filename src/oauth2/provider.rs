//! Identity providers and their endpoints.

use std::{fmt, sync::Arc};

use url::Url;

use super::{builder::ProviderBuilder, profile::ProfileFields, secret::ClientAuth};
use crate::remote::fetch::{Fetch, UrlScheme};

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
    pub(super) inner: Arc<ProviderInner>,
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

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Provider")
            .field("name", &self.inner.name)
            .field("issuer", &self.inner.issuer)
            .finish_non_exhaustive()
    }
}
