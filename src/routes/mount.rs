//! The settings of the routes, and the cookies that they set.

use std::{fmt, time::Duration};

use axum::{
    Json, Router,
    http::{HeaderValue, header},
    response::Response,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::json;

use super::{
    answer::{RouteError, RouteResult, no_store},
    caller::Caller,
    cookies, login,
    services::ServiceCredential,
};
#[cfg(feature = "dpop")]
use crate::token::Dpop;
use crate::{
    account::login::Accounts, error::ConfigError, refresh::TokenPair, rejection::Rejection,
    request::cookie::CookieSpec, secret::Secret,
};

/// The state that the handlers share.
pub(crate) struct Mount<U> {
    pub(crate) accounts: Accounts<U>,
    pub(crate) name_field: String,
    pub(crate) password_field: String,
    pub(crate) device_cookie: CookieSpec,
    pub(crate) remember_cookie: CookieSpec,
    pub(crate) challenge_cookie: CookieSpec,
    pub(crate) services: Vec<ServiceCredential>,
    #[cfg(feature = "dpop")]
    pub(crate) dpop: Option<Dpop>,
    refresh_cookie: Option<CookieSpec>,
}

/// Builds the routes of [`Accounts`].
#[must_use]
pub struct AccountRoutes<U>(Mount<U>);

impl<U> AccountRoutes<U>
where
    U: Serialize + DeserializeOwned + Send + Sync + 'static,
{
    /// Creates the routes of `accounts` with the defaults.
    pub fn builder(accounts: Accounts<U>) -> Self {
        Self(Mount {
            accounts,
            name_field: "username".to_owned(),
            password_field: "password".to_owned(),
            device_cookie: cookies::device(),
            remember_cookie: cookies::remembered(),
            challenge_cookie: cookies::challenge(),
            services: Vec::new(),
            #[cfg(feature = "dpop")]
            dpop: None,
            refresh_cookie: None,
        })
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
    #[cfg(feature = "dpop")]
    pub fn dpop(mut self, dpop: Dpop) -> Self {
        self.0.dpop = Some(dpop);
        self
    }

    /// Builds the routes, for a router with any state.
    pub fn build<S: Clone + Send + Sync + 'static>(self) -> Router<S> {
        login::router(self.0)
    }
}

impl<U> Mount<U> {
    /// Returns the refresh token of a request, from either the body or the cookie. A request with
    /// both is refused.
    pub(crate) fn refresh_token(
        &self,
        caller: &Caller,
        body: Option<String>,
    ) -> Result<Secret<String>, RouteError> {
        let cookie = match &self.refresh_cookie {
            Some(cookie) => caller.cookie(cookie.cookie_name())?,
            None => None,
        };
        let token = match (body, cookie) {
            (Some(_), Some(_)) => {
                return Err(Rejection::malformed("a refresh token in both body and cookie").into());
            }
            (Some(body), None) => Secret::new(body),
            (None, Some(cookie)) => cookie,
            (None, None) => return Err(Rejection::malformed("no refresh token").into()),
        };
        if token.expose().is_empty() {
            return Err(Rejection::malformed("an empty refresh token").into());
        }
        Ok(token)
    }

    /// Adds the cookie of a known device.
    pub(crate) fn with_device_cookie(
        &self,
        mut response: Response,
        device: &Secret<String>,
    ) -> RouteResult
    where
        U: Serialize + Send + Sync + 'static,
    {
        let life = self.accounts.throttle().device_life();
        let cookie = self.device_cookie.set(device.expose(), life);
        add_cookie(&mut response, cookie)?;
        Ok(response)
    }

    /// Adds the cookie of a remembered device, which skips the code for a while.
    pub(crate) fn with_remember_cookie(
        &self,
        mut response: Response,
        (token, life): (Secret<String>, Duration),
    ) -> RouteResult {
        let cookie = self.remember_cookie.set(token.expose(), life);
        add_cookie(&mut response, cookie)?;
        Ok(response)
    }

    pub(crate) fn pair_response(&self, pair: &TokenPair) -> RouteResult {
        let Some(cookie) = &self.refresh_cookie else {
            return Ok(no_store(Json(pair)));
        };
        let body = json!({
            "access_token": pair.access_token.expose(),
            "token_type": pair.token_type,
            "expires_in": pair.expires_in.as_secs(),
        });
        let mut response = no_store(Json(body));
        let cookie = cookie.set(pair.refresh_token.expose(), pair.refresh_expires_in);
        add_cookie(&mut response, cookie)?;
        Ok(response)
    }

    /// Clears the refresh token cookie after its token was revoked.
    pub(crate) fn without_refresh_cookie(&self, mut response: Response) -> Response {
        if let Some(cookie) = &self.refresh_cookie {
            response
                .headers_mut()
                .append(header::SET_COOKIE, cookie.clear());
        }
        response
    }
}

pub(crate) fn add_cookie(
    response: &mut Response,
    cookie: Result<HeaderValue, ConfigError>,
) -> Result<(), Rejection> {
    let cookie = cookie.map_err(|error| {
        Rejection::misconfigured("a cookie that browsers would drop").with_source(error)
    })?;
    response.headers_mut().append(header::SET_COOKIE, cookie);
    Ok(())
}

impl<U> Clone for Mount<U> {
    fn clone(&self) -> Self {
        Self {
            accounts: self.accounts.clone(),
            name_field: self.name_field.clone(),
            password_field: self.password_field.clone(),
            device_cookie: self.device_cookie.clone(),
            remember_cookie: self.remember_cookie.clone(),
            challenge_cookie: self.challenge_cookie.clone(),
            services: self.services.clone(),
            #[cfg(feature = "dpop")]
            dpop: self.dpop.clone(),
            refresh_cookie: self.refresh_cookie.clone(),
        }
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
