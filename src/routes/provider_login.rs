//! The axum routes of logins with providers.

use std::time::Duration;

use axum::{
    Form,
    extract::{Extension, Path, rejection::FormRejection},
    http::{HeaderValue, Method, StatusCode, header},
    response::IntoResponse,
};
use serde::Serialize;

use super::{
    answer::{RouteError, RouteResult},
    caller::Caller,
    cookies,
    mount::add_cookie,
    provider_mount::ProviderMount,
};
use crate::{
    account::{
        attempt::{LoginError, NewDevice},
        challenge::{CHALLENGE_LIFE, Challenge},
    },
    clock::Timestamp,
    oauth2::{Callback, OAuth2, OAuthError, ProviderLogin},
    rejection::Rejection,
    session::Session,
};

/// The parameters of a query or a form, in their order.
pub(crate) type Parameters = Result<Form<Vec<(String, String)>>, FormRejection>;

pub(crate) async fn begin<U: Serialize + Send + Sync + 'static>(
    Extension(mount): Extension<ProviderMount<U>>,
    Path(provider): Path<String>,
    caller: Caller,
    parameters: Parameters,
) -> RouteResult {
    let oauth = mount.provider(&provider)?;
    let mut login = oauth.authorize();
    let parameters = parameters.map(|Form(all)| all).unwrap_or_default();
    // A parameter that occurs twice is ignored.
    let parameter = |wanted: &str| {
        let mut values = parameters.iter().filter(|(name, _)| name == wanted);
        match (values.next(), values.next()) {
            (Some((_, value)), None) => Some(value),
            _ => None,
        }
    };
    if let Some(page) = parameter("return_to") {
        login = login.return_to(page);
    }
    if let Some(age) = parameter("max_age").filter(|_| oauth.provider().supports_max_age()) {
        let seconds = age.parse();
        let seconds = seconds.map_err(|_| {
            RouteError::new(
                StatusCode::BAD_REQUEST,
                "max_age must be a number of seconds",
            )
        })?;
        login = login.max_age(Duration::from_secs(seconds));
    }
    login = login.cookies(caller.headers());
    match login.await {
        Ok(started) => {
            let mut response = see_other(&started.url)?;
            let headers = response.headers_mut();
            for cookie in started.clear_cookies {
                headers.append(header::SET_COOKIE, cookie);
            }
            headers.append(header::SET_COOKIE, started.set_cookie);
            Ok(response)
        }
        Err(error) => mount.login_failed(&error),
    }
}

pub(crate) async fn finish<U: Serialize + Send + Sync + 'static>(
    Extension(mount): Extension<ProviderMount<U>>,
    Path(provider): Path<String>,
    session: Option<Extension<Session>>,
    caller: Caller,
    method: Method,
    parameters: Parameters,
) -> RouteResult {
    let oauth = mount.provider(&provider)?;
    if method == Method::POST && !oauth.provider().posts_form() {
        return Err(RouteError::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "this provider responds with a redirect",
        ));
    }
    let (login, clear_flow) = match mount.login(oauth, &caller, parameters).await {
        Ok(finished) => finished,
        Err(error) => return mount.login_failed(&error),
    };
    let authenticated_at = login.profile.authenticated_at();
    let at = authenticated_at.unwrap_or_else(|| {
        if mount.login_is_proof {
            mount.accounts.inner.clock.now()
        } else {
            Timestamp::from_secs(0)
        }
    });
    let (return_to, started_at) = (login.return_to.clone(), login.started_at);
    let user = match mount.link.link(login).await {
        Ok(Some(user)) => user,
        Ok(None) => return mount.unknown_user(),
        Err(error) => return mount.internal_failure(Rejection::from(error)),
    };
    let accounts = &mount.accounts;
    let device_cookies = [&cookies::device(), &cookies::remembered()];
    let origin = caller.origin_if_known(accounts.throttle(), device_cookies)?;
    let proved = accounts.prove_external(&user, at, started_at, origin.as_ref());
    let proved = match proved.await {
        Ok(Some(proved)) => proved,
        Ok(None) => return mount.unknown_user(),
        Err(refusal) => return mount.internal_failure(refusal),
    };
    let mut response = see_other(&return_to)?;
    response
        .headers_mut()
        .append(header::SET_COOKIE, clear_flow);
    if let Some(cookie) = &mount.refresh_cookie {
        let device = NewDevice {
            user_agent: caller.user_agent.clone(),
            ..NewDevice::default()
        };
        let pair = match mount.accounts.finish_login(proved, device).await {
            Err(LoginError::OtpRequired(challenge)) => return mount.second_step(challenge),
            Err(error) => return mount.internal_failure(error),
            Ok(pair) => pair,
        };
        let cookie = cookie.set(pair.refresh_token.expose(), pair.refresh_expires_in);
        add_cookie(&mut response, cookie)?;
        return Ok(response);
    }
    let Some(Extension(session)) = session else {
        return Err(Rejection::misconfigured("the session layer is missing").into());
    };
    match mount.accounts.finish_session(proved, &session).await {
        Err(LoginError::OtpRequired(challenge)) => mount.second_step(challenge),
        Err(error) => mount.internal_failure(error),
        Ok(_) => Ok(response),
    }
}

impl<U> ProviderMount<U> {
    fn provider(&self, name: &str) -> Result<&OAuth2, RouteError> {
        let mut providers = self.providers.iter();
        let found = providers.find(|oauth| oauth.provider().name() == name);
        found.ok_or_else(|| RouteError::new(StatusCode::NOT_FOUND, "there is no such provider"))
    }

    async fn login(
        &self,
        oauth: &OAuth2,
        caller: &Caller,
        parameters: Parameters,
    ) -> Result<(ProviderLogin, HeaderValue), OAuthError> {
        let unreadable = |_| OAuthError::Malformed("the response is not a form");
        let Form(parameters) = parameters.map_err(unreadable)?;
        let callback = Callback::read(parameters)?;
        let flow_cookie = oauth.flow_cookie(callback.state.as_deref().unwrap_or_default());
        // Of two different cookies, another domain may have set one.
        let cookie = caller.cookie(flow_cookie.cookie_name());
        let cookie = cookie.map_err(|_| OAuthError::UnknownState)?;
        let cookie = cookie.as_ref().map(|cookie| cookie.expose().as_str());
        let login = oauth.finish(callback, cookie).await?;
        Ok((login, flow_cookie.clear()))
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

    fn login_failed(&self, error: &OAuthError) -> RouteResult {
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

    /// Responds to a failure of this server after the provider has identified the user.
    fn internal_failure(&self, error: impl Into<RouteError>) -> RouteResult {
        let redirect = self.failure_redirect("unavailable");
        redirect.unwrap_or_else(|| Err(error.into()))
    }

    fn unknown_user(&self) -> RouteResult {
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

/// 303 makes a browser that posted continue with a GET, without its form (RFC 9700 section 4.12).
/// `no-referrer` hides the URL with the code from the next page.
fn see_other(to: &str) -> RouteResult {
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

/// Most provider outages are short.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("5");
