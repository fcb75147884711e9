//! Who identifies users for us, and where it is asked.

use std::{fmt, sync::Arc};

use url::Url;

use super::{builder::ProviderBuilder, profile::Fields, secret::ClientAuth};
use crate::fetch::{Fetch, UrlScheme};

/// An identity provider, and how it knows this application. One that exists has good addresses.
///
/// The presets know the addresses of well-known providers, so that a start needs no network. Any other is
/// [discovered](Self::discover) or [stated](Self::builder).
///
/// ```
/// use tower_jam::oauth2::Provider;
///
/// let github = Provider::github("client-id", "client-secret").scopes(["read:user", "user:email"]).build()?;
/// assert_eq!((github.name(), github.issuer()), ("github", "https://github.com/login/oauth"));
/// # Ok::<(), tower_jam::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct Provider {
    pub(super) inner: Arc<Settings>,
}

/// What is known of a provider.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) name: String,
    pub(super) issuer: String,
    pub(super) client_id: String,
    pub(super) auth: ClientAuth,
    pub(super) scopes: Vec<String>,
    pub(super) extra: Vec<(String, String)>,
    pub(super) authorize: Url,
    pub(super) token: Url,
    pub(super) userinfo: Option<Url>,
    /// Where e-mail addresses are told that the user info leaves out.
    pub(super) emails: Option<Url>,
    pub(super) device: Option<Url>,
    pub(super) revoke: Option<Url>,
    /// Where the keys of its ID tokens are; one that has none issues no ID tokens.
    pub(super) jwks: Option<Url>,
    /// Whether an answer without `iss` is refused (RFC 9207 section 2.4).
    pub(super) states_issuer: bool,
    pub(super) posts_form: bool,
    pub(super) fields: Fields,
    pub(super) fetch: Fetch,
    pub(super) scheme: UrlScheme,
}

impl Provider {
    /// A provider that issues no ID tokens or whose addresses are stated one by one. `name` is what the routes call
    /// it; `issuer` is what its users belong to.
    pub fn builder(name: &str, issuer: &str, client_id: &str) -> ProviderBuilder {
        ProviderBuilder::new(name, issuer, client_id)
    }

    /// What the routes call it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// What its users belong to; with their `subject` it names one person.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.inner.issuer
    }

    /// Whether its ID tokens can say how old a login is, and a younger one can be asked for.
    #[cfg(feature = "account")]
    pub(crate) fn tells_age(&self) -> bool {
        self.inner.wants_id_token()
    }

    /// Whether its answers come as a form that its page posts, so that the callback is a POST from another site.
    #[must_use]
    pub fn posts_form(&self) -> bool {
        self.inner.posts_form
    }
}

impl Settings {
    pub(super) fn wants_id_token(&self) -> bool {
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
