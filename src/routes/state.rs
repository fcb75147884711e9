//! The state that the handlers share, and the parts of their responses.

use axum::{
    Json,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

use super::{
    answer::{RouteError, RouteResult, no_store},
    body::FormFields,
    caller::Caller,
    cookies::{self, add_cookie},
    finish::FinishedLogin,
    service_credential::ServiceCredential,
};
use crate::{
    account::{Accounts, Credentials, Origin},
    refresh::TokenPair,
    rejection::Rejection,
    request::cookie::CookieSpec,
    secret::Secret,
    token::{Dpop, dpop::UnusedProof},
};

/// The state that the handlers share.
pub(super) struct RouteState<U> {
    pub(super) accounts: Accounts<U>,
    pub(super) name_field: String,
    pub(super) password_field: String,
    pub(super) challenge_cookie: CookieSpec,
    pub(super) services: Vec<ServiceCredential>,
    pub(super) dpop: Option<Dpop>,
    device_cookie: CookieSpec,
    remember_cookie: CookieSpec,
    pub(super) refresh_cookie: Option<CookieSpec>,
}

impl<U> RouteState<U> {
    pub(super) fn new(accounts: Accounts<U>) -> Self {
        Self {
            accounts,
            name_field: "username".to_owned(),
            password_field: "password".to_owned(),
            challenge_cookie: cookies::challenge(),
            services: Vec::new(),
            dpop: None,
            device_cookie: cookies::device(),
            remember_cookie: cookies::remembered(),
            refresh_cookie: None,
        }
    }

    /// The origin of an attempt, with the cookies of its device.
    pub(super) fn origin(&self, caller: &Caller) -> Result<Origin, Rejection> {
        let cookies = [&self.device_cookie, &self.remember_cookie];
        caller.origin(self.accounts.throttle(), cookies)
    }

    /// The DPoP proof of the request, verified but not yet recorded as used.
    pub(super) fn proof(&self, caller: &Caller) -> Result<Option<UnusedProof>, Rejection> {
        caller.proof(self.dpop.as_ref())
    }

    pub(super) fn credentials(&self, form: &FormFields) -> Result<Credentials, RouteError> {
        let (name, password) = (form.text(&self.name_field), form.text(&self.password_field));
        let (Some(name), Some(password)) = (name, password) else {
            return Err(RouteError::unprocessable(
                "a name and a password are required, as strings",
            ));
        };
        Ok(Credentials {
            name: name.to_owned(),
            password: Secret::new(password.to_owned()),
        })
    }

    /// Returns the refresh token of a request, from either the body or the cookie. A request with
    /// both is refused.
    pub(super) fn refresh_token(
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

    /// The response to a login: its pair, or 204 for a session, and the cookies of the device.
    pub(super) fn login_response(&self, login: &FinishedLogin) -> RouteResult {
        let mut response = match &login.pair {
            Some(pair) => self.pair_response(pair)?,
            None => StatusCode::NO_CONTENT.into_response(),
        };
        self.add_device_cookie(&mut response, &login.device_token)?;
        if let Some((token, life)) = &login.remembered {
            let cookie = self.remember_cookie.set(token.expose(), *life);
            add_cookie(&mut response, cookie)?;
        }
        Ok(response)
    }

    /// Adds the cookie of a known device.
    pub(super) fn add_device_cookie(
        &self,
        response: &mut Response,
        device: &Secret<String>,
    ) -> Result<(), Rejection> {
        let life = self.accounts.throttle().device_life();
        add_cookie(response, self.device_cookie.set(device.expose(), life))
    }

    pub(super) fn pair_response(&self, pair: &TokenPair) -> RouteResult {
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
    pub(super) fn without_refresh_cookie(&self, mut response: Response) -> Response {
        if let Some(cookie) = &self.refresh_cookie {
            response
                .headers_mut()
                .append(header::SET_COOKIE, cookie.clear());
        }
        response
    }
}

impl<U> Clone for RouteState<U> {
    fn clone(&self) -> Self {
        Self {
            accounts: self.accounts.clone(),
            name_field: self.name_field.clone(),
            password_field: self.password_field.clone(),
            device_cookie: self.device_cookie.clone(),
            remember_cookie: self.remember_cookie.clone(),
            challenge_cookie: self.challenge_cookie.clone(),
            services: self.services.clone(),
            dpop: self.dpop.clone(),
            refresh_cookie: self.refresh_cookie.clone(),
        }
    }
}
