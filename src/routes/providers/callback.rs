//! Completes a login when the browser returns from a provider.

use axum::{
    Form,
    extract::{Extension, Path},
    http::{HeaderValue, Method, StatusCode, header},
};
use serde::Serialize;

use super::{
    super::{
        answer::{RouteError, RouteResult},
        caller::Caller,
        cookies::{self, add_cookie},
        finish::{LoginEnd, finish},
    },
    begin::Parameters,
    state::{ProviderState, see_other},
};
use crate::{
    account::NewDevice,
    clock::Timestamp,
    oauth2::{Callback, OAuth2, OAuthError, ProviderLogin},
    rejection::Rejection,
    session::Session,
};

pub(super) async fn callback<U: Serialize + Send + Sync + 'static>(
    Extension(state): Extension<ProviderState<U>>,
    Path(provider): Path<String>,
    session: Option<Extension<Session>>,
    caller: Caller,
    method: Method,
    parameters: Parameters,
) -> RouteResult {
    let oauth = state.provider(&provider)?;
    if method == Method::POST && !oauth.provider().posts_form() {
        return Err(RouteError::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "this provider responds with a redirect",
        ));
    }
    let (login, clear_flow) = match identify(oauth, &caller, parameters).await {
        Ok(identified) => identified,
        Err(error) => return state.login_failed(&error),
    };
    let accounts = &state.accounts;
    let authenticated_at = login.profile.authenticated_at();
    let at = authenticated_at.unwrap_or_else(|| {
        if state.login_is_proof {
            accounts.now()
        } else {
            Timestamp::from_secs(0)
        }
    });
    let (return_to, started_at) = (login.return_to.clone(), login.started_at);
    let user = match state.link.link(login).await {
        Ok(Some(user)) => user,
        Ok(None) => return state.unknown_user(),
        Err(error) => return state.refused(error.into()),
    };
    let device_cookies = [&cookies::device(), &cookies::remembered()];
    let origin = caller.origin_if_known(accounts.throttle(), device_cookies)?;
    let proved = accounts.prove_external(&user, at, started_at, origin.as_ref());
    let proved = match proved.await {
        Ok(Some(proved)) => proved,
        Ok(None) => return state.unknown_user(),
        Err(refusal) => return state.refused(refusal.into()),
    };
    let end = match (&state.refresh_cookie, session) {
        (Some(_), _) => LoginEnd {
            device: NewDevice {
                user_agent: caller.user_agent.clone(),
                ..NewDevice::default()
            },
            ..LoginEnd::default()
        },
        (None, Some(Extension(session))) => LoginEnd {
            session: Some(session),
            ..LoginEnd::default()
        },
        (None, None) => return Err(Rejection::misconfigured("the session layer is missing").into()),
    };
    let finished = match finish(accounts, proved, end).await {
        Ok(finished) => finished,
        Err(error) => return state.refused(error),
    };
    let mut response = see_other(&return_to)?;
    response
        .headers_mut()
        .append(header::SET_COOKIE, clear_flow);
    if let (Some(cookie), Some(pair)) = (&state.refresh_cookie, finished.pair) {
        let cookie = cookie.set(pair.refresh_token.expose(), pair.refresh_expires_in);
        add_cookie(&mut response, cookie)?;
    }
    Ok(response)
}

/// Returns the user that the provider has identified, and the header that removes the login's
/// cookie.
async fn identify(
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
