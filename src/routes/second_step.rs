//! The second step of a login, with a one-time code.

use axum::{Router, extract::Extension, http::header, routing::post};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    answer::{RouteError, RouteResult},
    body::JsonOrForm,
    caller::Caller,
    finish::{LoginEnd, finish},
    state::RouteState,
};
use crate::{layer::AuthLayer, secret::Secret, session::Session};

/// The routes for users who have not logged in yet.
pub(super) fn router<U, S>(state: &RouteState<U>) -> Router<S>
where
    U: Serialize + DeserializeOwned + Send + Sync + 'static,
    S: Clone + Send + Sync + 'static,
{
    if state.accounts.otp().is_none() {
        return Router::new();
    }
    let mut second = post(second_step::<U>);
    if let Some(sessions) = state.accounts.sessions() {
        second = second.route_layer(AuthLayer::new(sessions.clone()).optional());
    }
    Router::new().route("/login/otp", second)
}

#[derive(Deserialize)]
struct SecondStepForm {
    challenge: Option<String>,
    code: String,
    #[serde(default)]
    mode: LoginMode,
    #[serde(default)]
    remember: bool,
}

/// What the login issues.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum LoginMode {
    #[default]
    Tokens,
    Session,
}

async fn second_step<U: Serialize + Send + Sync + 'static>(
    Extension(state): Extension<RouteState<U>>,
    session: Option<Extension<Session>>,
    caller: Caller,
    JsonOrForm(form): JsonOrForm<SecondStepForm>,
) -> RouteResult {
    let session = match (form.mode, session) {
        (LoginMode::Tokens, _) => None,
        (LoginMode::Session, Some(Extension(session))) => Some(session),
        (LoginMode::Session, None) => {
            return Err(RouteError::unprocessable("sessions are not enabled"));
        }
    };
    let challenge_cookie = caller.cookie(state.challenge_cookie.cookie_name())?;
    let has_challenge_cookie = challenge_cookie.is_some();
    let challenge = form.challenge.map(Secret::new).or(challenge_cookie);
    let challenge =
        challenge.ok_or_else(|| RouteError::unprocessable("a challenge is required"))?;
    // Verified before a code is used up: a client may have to repeat its proof with a nonce.
    let proof = state.proof(&caller)?;
    let thumbprint = proof.as_ref().map(|proof| proof.key().thumbprint());
    let (accounts, origin) = (&state.accounts, state.origin(&caller)?);
    let (proved, device) = accounts
        .prove_second_with_key(challenge.expose(), &form.code, &origin, thumbprint)
        .await?;
    let end = LoginEnd {
        device,
        session,
        proof,
        remember: form.remember,
    };
    let mut response = state.login_response(&finish(accounts, proved, end).await?)?;
    if has_challenge_cookie {
        let cleared = state.challenge_cookie.clear();
        response.headers_mut().append(header::SET_COOKIE, cleared);
    }
    Ok(response)
}
