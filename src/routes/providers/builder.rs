//! The settings of logins with providers, and their router.

use std::{fmt, sync::Arc};

use axum::{
    Router,
    extract::{DefaultBodyLimit, Extension},
    routing::get,
};
use serde::{Serialize, de::DeserializeOwned};

use super::{super::cookies, begin::begin, callback::callback, state::ProviderState};
use crate::{
    account::{Accounts, LinkUser},
    error::ConfigError,
    layer::AuthLayer,
    oauth2::{OAuth2, is_own_path},
};

/// Returns the routes of logins with `providers`: `/oauth/{provider}/login` and
/// `/oauth/{provider}/callback`. `link` maps a provider's user to one of this application. See the
/// [module](crate::account) for the rules; [`ProviderRoutes`] has the settings.
///
/// # Errors
///
/// When two providers have the same name, or the accounts have no sessions for a login to end in.
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
pub struct ProviderRoutes<U>(ProviderState<U>);

impl<U> ProviderRoutes<U>
where
    U: Serialize + DeserializeOwned + Send + Sync + 'static,
{
    /// Creates the routes for `accounts` and `providers` with the defaults.
    pub fn builder(
        accounts: Accounts<U>,
        providers: impl IntoIterator<Item = OAuth2>,
        link: impl LinkUser,
    ) -> Self {
        Self(ProviderState {
            accounts,
            providers: providers.into_iter().collect(),
            link: Arc::new(link),
            failure_page: None,
            second_step_page: None,
            refresh_cookie: None,
            login_is_proof: false,
        })
    }

    /// Redirects a browser whose login failed to this path, with the reason in `?error=`: a code of
    /// [`OAuthError::code`](crate::oauth2::OAuthError::code); `unknown_user`; `revoked` if the user
    /// was logged out everywhere during the login; or `factor_lost` if the user's one-time codes
    /// cannot be verified. Default: the response is a problem (RFC 9457).
    pub fn failure_page(mut self, path: &str) -> Self {
        self.0.failure_page = Some(path.to_owned());
        self
    }

    /// Redirects a browser to this path if its user has a second factor. The challenge is in a
    /// cookie that only `/login/otp` of the [routes of accounts](crate::routes::accounts) reads, so
    /// the page posts only the code. Default: the response is the problem with the challenge, as
    /// for `/login`.
    pub fn second_step_page(mut self, path: &str) -> Self {
        self.0.second_step_page = Some(path.to_owned());
        self
    }

    /// Completes logins with a token pair instead of a session. The refresh token is in the cookie
    /// of [`AccountRoutes::refresh_cookie`](crate::routes::AccountRoutes::refresh_cookie), from
    /// which the page gets its first access token. No token appears in a URL.
    pub fn refresh_cookie(mut self) -> Self {
        self.0.refresh_cookie = Some(cookies::refresh());
        self
    }

    /// Treats a login as a proof given now if the provider, like GitHub, does not say when its user
    /// last gave one. Default: the age of such a login is unknown, and it never counts as fresh,
    /// because such a provider redirects anybody at an unlocked browser without a prompt. Users who
    /// have neither a password nor a provider that states the time can then not enrol an
    /// authenticator.
    pub fn dangerous_login_is_proof(mut self) -> Self {
        self.0.login_is_proof = true;
        self
    }

    /// Builds the routes, for a router with any state.
    ///
    /// # Errors
    ///
    /// When two providers have the same name, the accounts have no sessions and there is no refresh
    /// cookie, or a page is not a path on this origin.
    pub fn build<S: Clone + Send + Sync + 'static>(self) -> Result<Router<S>, ConfigError> {
        let state = self.0;
        let names = || state.providers.iter().map(|it| it.provider().name());
        if names().any(|name| names().filter(|other| *other == name).count() > 1) {
            return Err(ConfigError::new("providers", "two have one name"));
        }
        for (setting, page) in [
            ("failure_page", &state.failure_page),
            ("second_step_page", &state.second_step_page),
        ] {
            if !page.as_deref().is_none_or(is_own_path) {
                return Err(ConfigError::new(setting, "is not a path on this origin"));
            }
        }
        // A form post from a provider's page is cross-site. Its state alone authenticates it.
        let routes = get(callback::<U>).post(callback::<U>);
        let routes = match (state.accounts.sessions(), &state.refresh_cookie) {
            (_, Some(_)) => routes,
            (Some(sessions), None) => {
                let layer = AuthLayer::new(sessions.clone()).optional();
                routes.route_layer(layer.dangerous_allow_cross_site())
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
            .route("/oauth/{provider}/callback", routes)
            .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
            .layer(Extension(state)))
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

/// A code of 4 KB, form-encoded.
const MAX_BODY_BYTES: usize = 32 * 1024;
