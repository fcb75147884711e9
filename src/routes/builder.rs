//! The settings of the routes of accounts.

use std::fmt;

use axum::Router;
use serde::{Serialize, de::DeserializeOwned};

use super::{cookies, router::router, service_credential::ServiceCredential, state::RouteState};
use crate::{account::Accounts, error::ConfigError, secret::Secret, token::Dpop};

/// Returns the routes of `accounts`, to be nested under a prefix or merged. See the
/// [module](crate::account) for their responses; [`AccountRoutes`] has the settings.
///
/// Serve the application with `into_make_service_with_connect_info::<SocketAddr>()`. Without the
/// client's address attempts cannot be counted, and logins are refused with 500.
pub fn accounts<U, S>(accounts: Accounts<U>) -> Router<S>
where
    U: Serialize + DeserializeOwned + Send + Sync + 'static,
    S: Clone + Send + Sync + 'static,
{
    AccountRoutes::builder(accounts).build()
}

/// Builds the routes of [`Accounts`].
#[must_use]
pub struct AccountRoutes<U>(RouteState<U>);

impl<U> AccountRoutes<U>
where
    U: Serialize + DeserializeOwned + Send + Sync + 'static,
{
    /// Creates the routes of `accounts` with the defaults.
    pub fn builder(accounts: Accounts<U>) -> Self {
        Self(RouteState::new(accounts))
    }

    /// Sets the form field of the login name. Default: `username`.
    pub fn name_field(mut self, name: impl Into<String>) -> Self {
        self.0.name_field = name.into();
        self
    }

    /// Sets the form field of the password. Default: `password`.
    pub fn password_field(mut self, name: impl Into<String>) -> Self {
        self.0.password_field = name.into();
        self
    }

    /// Puts the refresh token in the cookie `__Host-refresh` with `SameSite=Strict`, which scripts
    /// cannot read. A sibling domain cannot set a cookie of that name (ASVS 3.3.3). The price is
    /// the path `/`: browsers send the cookie with every request to this host, although only these
    /// routes read it. Default: the token is in the body.
    pub fn refresh_cookie(mut self) -> Self {
        self.0.refresh_cookie = Some(cookies::refresh());
        self
    }

    /// Allows a service to ask at `/introspect` whether a token is valid, and to revoke it at
    /// `/revoke`. The service authenticates with HTTP Basic, by `id` and `secret`. Call it again to
    /// add another service. Default: there is no service, and the routes do not exist.
    ///
    /// # Errors
    ///
    /// When the id is empty, the secret is shorter than 32 bytes, or either contains other
    /// characters than letters, digits and `-._~`.
    pub fn service(mut self, id: &str, secret: &Secret<String>) -> Result<Self, ConfigError> {
        self.0.services.push(ServiceCredential::new(id, secret)?);
        Ok(self)
    }

    /// Binds logins that send a proof in the header `DPoP` to the key of that proof (RFC 9449), and
    /// accepts their tokens under `Authorization: DPoP` as well as `Bearer` tokens. Build `dpop`
    /// for the URL under which these routes are reached, including the path that a nesting router
    /// strips. Default: the header is ignored.
    pub fn dpop(mut self, dpop: Dpop) -> Self {
        self.0.dpop = Some(dpop);
        self
    }

    /// Builds the routes, for a router with any state.
    pub fn build<S: Clone + Send + Sync + 'static>(self) -> Router<S> {
        router(self.0)
    }
}

impl<U> fmt::Debug for AccountRoutes<U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccountRoutes")
            .field("name_field", &self.0.name_field)
            .field("refresh_cookie", &self.0.refresh_cookie)
            .finish_non_exhaustive()
    }
}
