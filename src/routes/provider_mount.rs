//! The settings of logins with providers, and where their routes are mounted.

use std::{fmt, sync::Arc};

use axum::{
    Router,
    extract::{DefaultBodyLimit, Extension},
    routing::get,
};
use serde::{Serialize, de::DeserializeOwned};

use super::{
    cookies,
    provider_login::{begin, finish},
};
use crate::{
    account::{external::LinkUser, login::Accounts},
    error::ConfigError,
    layer::AuthLayer,
    oauth2::{OAuth2, is_own_path},
    request::cookie::CookieSpec,
};

/// The routes of logins with `providers`: `/oauth/{provider}/login` and `/oauth/{provider}/callback`. `link` says which user of
/// this application somebody is. See the [module](super) for the rules; [`ProviderRoutes`] has the settings.
///
/// # Errors
///
/// When two providers have one name, or the accounts have no sessions, in which a login could end.
pub fn providers<U, S>(
    accounts: Accounts<U>,
    providers: impl IntoIterator<Item = OAuth2>,
    link: impl LinkUser,
) -> Result<Router<S>, ConfigError>
where
    U: Serialize + DeserializeOwned + Send + Sync + 'static,
    S: Clone + Send + Sync + 'static,
{
    ProviderRoutes::builder(accounts, providers, link).build()
}

/// Builds the routes of logins with providers.
#[must_use]
pub struct ProviderRoutes<U>(ProviderMount<U>);

/// What the routes know.
pub(crate) struct ProviderMount<U> {
    pub(crate) accounts: Accounts<U>,
    pub(crate) providers: Arc<[OAuth2]>,
    pub(crate) link: Arc<dyn LinkUser>,
    pub(crate) failure_page: Option<String>,
    pub(crate) second_step_page: Option<String>,
    pub(crate) refresh_cookie: Option<CookieSpec>,
    pub(crate) login_is_proof: bool,
}

impl<U> ProviderRoutes<U>
where
    U: Serialize + DeserializeOwned + Send + Sync + 'static,
{
    /// The routes for `accounts` and `providers`, with the defaults.
    pub fn builder(
        accounts: Accounts<U>,
        providers: impl IntoIterator<Item = OAuth2>,
        link: impl LinkUser,
    ) -> Self {
        Self(ProviderMount {
            accounts,
            providers: providers.into_iter().collect(),
            link: Arc::new(link),
            failure_page: None,
            second_step_page: None,
            refresh_cookie: None,
            login_is_proof: false,
        })
    }

    /// Sends a browser whose login failed to this path, with `?error=` and a word for the reason: those of
    /// [`OAuthError::code`](crate::oauth2::OAuthError::code), and `unknown_user`. Default: the answer is a problem of RFC 9457.
    pub fn failure_page(mut self, path: &str) -> Self {
        self.0.failure_page = Some(path.to_owned());
        self
    }

    /// Sends a browser whose user has a second factor to this path, with the challenge in a cookie that only `/login/otp`
    /// of [`routes`](super::routes()) reads: the page there posts the code alone. Default: the answer is the problem with the
    /// challenge that `/login` gives.
    pub fn second_step_page(mut self, path: &str) -> Self {
        self.0.second_step_page = Some(path.to_owned());
        self
    }

    /// Ends logins in a pair of tokens instead of a session: the refresh token in the cookie of
    /// [`AccountRoutes::refresh_cookie`](super::AccountRoutes::refresh_cookie), from which the page gets its first access token.
    /// No token is ever in a URL.
    pub fn refresh_cookie(mut self) -> Self {
        self.0.refresh_cookie = Some(cookies::refresh());
        self
    }

    /// Counts a login with a provider that does not say when its user gave a proof, such as GitHub, as a proof of this moment.
    /// Default: its age is unknown, and it is fresh for nothing, since such a provider sends whoever sits at an unlocked
    /// browser back without a question. Users who have neither a password nor a provider that tells can then not enrol an
    /// authenticator.
    pub fn dangerous_login_is_proof(mut self) -> Self {
        self.0.login_is_proof = true;
        self
    }

    /// The routes, for a router of any state.
    ///
    /// # Errors
    ///
    /// When two providers have one name, the accounts have no sessions and there is no refresh cookie, or one of the pages is no
    /// path on this origin.
    pub fn build<S: Clone + Send + Sync + 'static>(self) -> Result<Router<S>, ConfigError> {
        let mount = self.0;
        let names = || mount.providers.iter().map(|it| it.provider().name());
        if names().any(|name| names().filter(|other| *other == name).count() > 1) {
            return Err(ConfigError::new("providers", "two have one name"));
        }
        for (setting, page) in [
            ("failure_page", &mount.failure_page),
            ("second_step_page", &mount.second_step_page),
        ] {
            if !page.as_deref().is_none_or(is_own_path) {
                return Err(ConfigError::new(setting, "is not a path on this origin"));
            }
        }
        // A form that a provider's page posts comes from another site. It passes by its state alone.
        let callback = get(finish::<U>).post(finish::<U>);
        let callback = match (mount.accounts.sessions(), &mount.refresh_cookie) {
            (_, Some(_)) => callback,
            (Some(sessions), None) => {
                let layer = AuthLayer::new(sessions.clone()).optional();
                callback.route_layer(layer.dangerous_allow_cross_site())
            }
            (None, None) => {
                return Err(ConfigError::new(
                    "refresh_cookie",
                    "is not set, and the accounts have no sessions: a login could end in neither",
                ));
            }
        };
        Ok(Router::new()
            .route("/oauth/{provider}/login", get(begin::<U>))
            .route("/oauth/{provider}/callback", callback)
            .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
            .layer(Extension(mount)))
    }
}

impl<U> Clone for ProviderMount<U> {
    fn clone(&self) -> Self {
        Self {
            accounts: self.accounts.clone(),
            providers: Arc::clone(&self.providers),
            link: Arc::clone(&self.link),
            failure_page: self.failure_page.clone(),
            second_step_page: self.second_step_page.clone(),
            refresh_cookie: self.refresh_cookie.clone(),
            login_is_proof: self.login_is_proof,
        }
    }
}

impl<U> fmt::Debug for ProviderRoutes<U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProviderRoutes")
            .field("providers", &self.0.providers)
            .field("failure_page", &self.0.failure_page)
            .finish_non_exhaustive()
    }
}

/// A code of 4 KB, in the form of a form.
const MAX_BODY_BYTES: usize = 32 * 1024;
