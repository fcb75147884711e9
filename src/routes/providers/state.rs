//! The state that the handlers share, and the responses to logins that fail.

use std::sync::Arc;

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::IntoResponse,
};

use super::super::{
    answer::{RouteError, RouteResult},
    cookies::{self, add_cookie},
};
use crate::{
    account::{Accounts, CHALLENGE_LIFE, Challenge, LinkUser, LoginError},
    oauth2::{OAuth2, OAuthError},
    rejection::{Rejection, RejectionKind},
    request::cookie::CookieSpec,
};

/// The state that the handlers share.
pub(super) struct ProviderState<U> {
    pub(super) accounts: Accounts<U>,
    pub(super) providers: Arc<[OAuth2]>,
    pub(super) link: Arc<dyn LinkUser>,
    pub(super) failure_page: Option<String>,
    pub(super) second_step_page: Option<String>,
    pub(super) refresh_cookie: Option<CookieSpec>,
    pub(super) login_is_proof: bool,
}

impl<U> ProviderState<U> {
    pub(super) fn provider(&self, name: &str) -> Result<&OAuth2, RouteError> {
        let mut providers = self.providers.iter();
        let found = providers.find(|oauth| oauth.provider().name() == name);
        found.ok_or_else(|| RouteError::new(StatusCode::NOT_FOUND, "there is no such provider"))
    }

    /// Redirects to the page that asks for a code. The challenge is in a cookie, which `/login/otp`
    /// reads.
    fn second_step(&self, challenge: Challenge) -> RouteResult {
        let Some(page) = &self.second_step_page else {
            return Err(LoginError::OtpRequired(challenge).into());
        };
        let mut response = see_other(page)?;
        let cookie = cookies::challenge().set(challenge.expose(), CHALLENGE_LIFE);
        add_cookie(&mut response, cookie)?;
        Ok(response)
    }

    pub(super) fn login_failed(&self, error: &OAuthError) -> RouteResult {
        let status = error.status();
        if status.is_server_error() {
            tracing::error!(%error, cause = ?error, "a login with a provider failed");
        } else {
            tracing::debug!(%error, "a login with a provider was rejected");
        }
        if let Some(response) = self.failure_redirect(error.code()) {
            return response;
        }
        let mut response = RouteError::new(status, error.to_string()).into_response();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, RETRY_AFTER);
        }
        Ok(response)
    }

    /// Responds to a login that this server refuses after the provider has identified the user.
    pub(super) fn refused(&self, error: LoginError) -> RouteResult {
        let code = match error {
            LoginError::OtpRequired(challenge) => return self.second_step(challenge),
            LoginError::Rejected(ref rejection) => refusal_code(rejection.kind()),
            _ => "refused",
        };
        let redirect = self.failure_redirect(code);
        redirect.unwrap_or_else(|| Err(error.into()))
    }

    pub(super) fn unknown_user(&self) -> RouteResult {
        self.failure_redirect("unknown_user").unwrap_or_else(|| {
            Err(RouteError::new(
                StatusCode::FORBIDDEN,
                "this user of the provider has no account",
            ))
        })
    }

    fn failure_redirect(&self, code: &str) -> Option<RouteResult> {
        let page = self.failure_page.as_ref()?;
        let separator = if page.contains('?') { '&' } else { '?' };
        Some(see_other(&format!("{page}{separator}error={code}")))
    }
}

/// The code of a refusal in the address of the failure page.
const fn refusal_code(kind: &RejectionKind) -> &'static str {
    match kind {
        // The user was logged out everywhere since the login began, or removed.
        RejectionKind::Invalid => "revoked",
        RejectionKind::FactorLost => "factor_lost",
        RejectionKind::Misconfigured => "misconfigured",
        RejectionKind::Unavailable | RejectionKind::Throttled { .. } => "unavailable",
        _ => "refused",
    }
}

/// 303 makes a browser that posted continue with a GET, without its form (RFC 9700 section 4.12).
/// `no-referrer` hides the URL with the code from the next page.
pub(super) fn see_other(to: &str) -> RouteResult {
    let to = HeaderValue::try_from(to);
    let to =
        to.map_err(|_| Rejection::misconfigured("a page address is not a valid header value"))?;
    let headers = [
        (header::LOCATION, to),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (
            header::REFERRER_POLICY,
            HeaderValue::from_static("no-referrer"),
        ),
    ];
    Ok((StatusCode::SEE_OTHER, headers).into_response())
}

impl<U> Clone for ProviderState<U> {
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

/// Most provider outages are short.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("5");
