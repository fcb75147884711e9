//! The routes of the second factor.

use axum::{
    Json, Router,
    extract::{Extension, Path},
    http::{HeaderMap, HeaderName, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{delete, get, post},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::json;

use super::{
    answer::{RouteError, RouteResult, no_store},
    body::JsonOrForm,
    caller::Caller,
    mount::Mount,
};
use crate::{
    account::second_factor::FRESH,
    identity::{Factor, Identity},
    layer::{AuthLayer, OtpGuard},
    otp::{Otp, RecoveryCodes},
    rejection::Rejection,
    secret::Secret,
    session::Session,
};

/// The routes for users who have not logged in yet.
pub(crate) fn public_routes<U, S>(mount: &Mount<U>) -> Router<S>
where
    U: Serialize + DeserializeOwned + Send + Sync + 'static,
    S: Clone + Send + Sync + 'static,
{
    if mount.accounts.otp().is_none() {
        return Router::new();
    }
    let mut second = post(second_step::<U>);
    if let Some(sessions) = mount.accounts.sessions() {
        second = second.route_layer(AuthLayer::new(sessions.clone()).optional());
    }
    Router::new().route("/login/otp", second)
}

/// The routes for the owner of a second factor, inside the authentication layer.
pub(crate) fn authenticated_routes<U, S>(mount: &Mount<U>) -> Router<S>
where
    U: Serialize + DeserializeOwned + Send + Sync + 'static,
    S: Clone + Send + Sync + 'static,
{
    let Some(otp) = mount.accounts.otp() else {
        return Router::new();
    };
    let guard = OtpGuard::new(otp.clone()).within(FRESH);
    Router::new()
        .route("/otp", delete(disable::<U>))
        .route("/otp/recovery_codes", post(new_recovery_codes::<U>))
        .route_layer(guard)
        .route("/otp/enroll", post(enroll::<U>))
        .route("/otp/confirm", post(confirm::<U>))
        .route("/remembered_devices", get(remembered_devices::<U>))
        .route(
            "/remembered_devices/{id}",
            delete(revoke_remembered_device::<U>),
        )
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
    Extension(mount): Extension<Mount<U>>,
    session: Option<Extension<Session>>,
    caller: Caller,
    JsonOrForm(form): JsonOrForm<SecondStepForm>,
) -> RouteResult {
    let accounts = &mount.accounts;
    let session = match (form.mode, session) {
        (LoginMode::Tokens, _) => None,
        (LoginMode::Session, Some(Extension(session))) => Some(session),
        (LoginMode::Session, None) => {
            return Err(RouteError::unprocessable("sessions are not enabled"));
        }
    };
    let challenge_cookie = caller.cookie(mount.challenge_cookie.cookie_name())?;
    let has_challenge_cookie = challenge_cookie.is_some();
    let challenge = form.challenge.map(Secret::new).or(challenge_cookie);
    let challenge =
        challenge.ok_or_else(|| RouteError::unprocessable("a challenge is required"))?;
    // Verified before a code is used up: a client may have to repeat its proof with a nonce.
    #[cfg(feature = "dpop")]
    let proof = caller.proof(&mount)?;
    #[cfg(feature = "dpop")]
    let thumbprint = proof.as_ref().map(|proof| proof.key().thumbprint());
    #[cfg(not(feature = "dpop"))]
    let thumbprint = None;
    let origin = caller.origin(&mount)?;
    let proved =
        accounts.prove_second_with_key(challenge.expose(), &form.code, &origin, thumbprint);
    let (proved, device) = proved.await?;
    #[cfg(feature = "dpop")]
    let proved = match proof {
        Some(proof) => proved.bound_to(proof.use_up().await?),
        None => proved,
    };
    let device_token = accounts.device_token(&proved);
    let remembered = if form.remember {
        accounts.remember_device(&proved, &device).await
    } else {
        Ok(None)
    };
    let remembered = remembered.map_err(Rejection::from)?;
    let response = match session {
        Some(session) => {
            accounts.finish_session(proved, &session).await?;
            StatusCode::NO_CONTENT.into_response()
        }
        None => mount.pair_response(&accounts.finish_login(proved, device).await?)?,
    };
    let mut response = mount.with_device_cookie(response, &device_token)?;
    if has_challenge_cookie {
        let cleared = mount.challenge_cookie.clear();
        response.headers_mut().append(header::SET_COOKIE, cleared);
    }
    match remembered {
        Some(token) => mount.with_remember_cookie(response, token),
        None => Ok(response),
    }
}

#[derive(Deserialize)]
struct EnrollForm {
    account: Option<String>,
}

async fn enroll<U: Serialize + Send + Sync + 'static>(
    Extension(mount): Extension<Mount<U>>,
    caller: Identity,
    headers: HeaderMap,
    form: Option<JsonOrForm<EnrollForm>>,
) -> RouteResult {
    let account = form.and_then(|JsonOrForm(form)| form.account);
    let caller = with_code(&mount, caller, &headers).await?;
    let enrollment = mount.accounts.enroll_otp(&caller, account.as_deref()).await;
    Ok(no_store(Json(enrollment?)))
}

#[derive(Deserialize)]
struct ConfirmForm {
    code: String,
}

async fn confirm<U: Serialize + Send + Sync + 'static>(
    Extension(mount): Extension<Mount<U>>,
    caller: Identity,
    headers: HeaderMap,
    JsonOrForm(form): JsonOrForm<ConfirmForm>,
) -> RouteResult {
    let caller = with_code(&mount, caller, &headers).await?;
    let codes = mount.accounts.confirm_otp(&caller, &form.code).await?;
    Ok(recovery_codes_response(&codes))
}

async fn disable<U: Serialize + Send + Sync + 'static>(
    Extension(mount): Extension<Mount<U>>,
    caller: Identity,
) -> RouteResult {
    mount.accounts.disable_otp(&caller).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn new_recovery_codes<U: Serialize + Send + Sync + 'static>(
    Extension(mount): Extension<Mount<U>>,
    caller: Identity,
) -> RouteResult {
    let otp = otp(&mount)?;
    Ok(recovery_codes_response(
        &otp.new_recovery_codes(&caller).await?,
    ))
}

/// A remembered device in the form that its user sees, with times in seconds since 1970.
#[derive(Serialize)]
struct RememberedDeviceView {
    id: String,
    name: Option<String>,
    created_at: u64,
    expires_at: u64,
}

async fn remembered_devices<U: Serialize + Send + Sync + 'static>(
    Extension(mount): Extension<Mount<U>>,
    caller: Identity,
) -> RouteResult {
    let devices = mount.accounts.remembered_devices(caller.subject().id());
    let devices = devices.await.map_err(Rejection::from)?.into_iter();
    let views = devices.map(|device| RememberedDeviceView {
        id: device.id,
        name: device.name,
        created_at: device.created_at.as_secs(),
        expires_at: device.expires_at.as_secs(),
    });
    Ok(no_store(Json(views.collect::<Vec<_>>())))
}

async fn revoke_remembered_device<U: Serialize + Send + Sync + 'static>(
    Extension(mount): Extension<Mount<U>>,
    caller: Identity,
    Path(id): Path<String>,
) -> RouteResult {
    let accounts = &mount.accounts;
    let revoked = accounts
        .revoke_remembered_device(caller.subject().id(), &id)
        .await;
    if revoked.map_err(Rejection::from)? {
        Ok(StatusCode::NO_CONTENT.into_response())
    } else {
        Err(RouteError::new(StatusCode::NOT_FOUND, "no such device"))
    }
}

/// Adds the code in the header to the caller's proofs, if there is one. A guard cannot do this:
/// whether a code is required depends on whether there is an authenticator to replace.
async fn with_code<U: Serialize + Send + Sync + 'static>(
    mount: &Mount<U>,
    caller: Identity,
    headers: &HeaderMap,
) -> Result<Identity, RouteError> {
    let mut codes = headers.get_all(X_OTP).iter();
    let Some(code) = codes.next() else {
        return Ok(caller);
    };
    if codes.next().is_some() {
        return Err(Rejection::malformed("more than one one-time code").into());
    }
    let (otp, code) = (otp(mount)?, code.to_str().unwrap_or_default());
    let verdict = otp.verify(caller.subject().id(), code).await;
    let at = verdict.map_err(|refusal| otp.or_step_up(refusal))?;
    Ok(caller.with_factor(Factor::Otp, at))
}

fn otp<U: Serialize + Send + Sync + 'static>(mount: &Mount<U>) -> Result<&Otp, Rejection> {
    let otp = mount.accounts.otp();
    otp.ok_or_else(|| Rejection::misconfigured("the accounts were built without `otp`"))
}

fn recovery_codes_response(codes: &RecoveryCodes) -> Response {
    no_store(Json(json!({ "recovery_codes": codes })))
}

const X_OTP: HeaderName = HeaderName::from_static("x-otp");
