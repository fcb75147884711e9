//! The routes for the owner of a second factor: its enrolment, and the devices that skip codes.

use axum::{
    Json, Router,
    extract::{Extension, Path},
    http::{HeaderMap, HeaderName, StatusCode},
    response::{IntoResponse, Response},
    routing::{delete, get, post},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::json;

use super::{
    answer::{RouteError, RouteResult, no_store},
    body::JsonOrForm,
    state::RouteState,
};
use crate::{
    account::FRESH,
    identity::{Factor, Identity},
    layer::OtpGuard,
    otp::{Otp, RecoveryCodes},
    rejection::Rejection,
};

/// The routes for the owner of a second factor, inside the authentication layer.
pub(super) fn router<U, S>(state: &RouteState<U>) -> Router<S>
where
    U: Serialize + DeserializeOwned + Send + Sync + 'static,
    S: Clone + Send + Sync + 'static,
{
    let Some(otp) = state.accounts.otp() else {
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
struct EnrollForm {
    account: Option<String>,
}

async fn enroll<U: Serialize + Send + Sync + 'static>(
    Extension(state): Extension<RouteState<U>>,
    caller: Identity,
    headers: HeaderMap,
    form: Option<JsonOrForm<EnrollForm>>,
) -> RouteResult {
    let account = form.and_then(|JsonOrForm(form)| form.account);
    let caller = with_code(&state, caller, &headers).await?;
    let factor = state.accounts.second_factor();
    let enrollment = factor.enroll(&caller, account.as_deref()).await;
    Ok(no_store(Json(enrollment?)))
}

#[derive(Deserialize)]
struct ConfirmForm {
    code: String,
}

async fn confirm<U: Serialize + Send + Sync + 'static>(
    Extension(state): Extension<RouteState<U>>,
    caller: Identity,
    headers: HeaderMap,
    JsonOrForm(form): JsonOrForm<ConfirmForm>,
) -> RouteResult {
    let caller = with_code(&state, caller, &headers).await?;
    let codes = state
        .accounts
        .second_factor()
        .confirm(&caller, &form.code)
        .await?;
    Ok(recovery_codes_response(&codes))
}

async fn disable<U: Serialize + Send + Sync + 'static>(
    Extension(state): Extension<RouteState<U>>,
    caller: Identity,
) -> RouteResult {
    state.accounts.second_factor().disable(&caller).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn new_recovery_codes<U: Serialize + Send + Sync + 'static>(
    Extension(state): Extension<RouteState<U>>,
    caller: Identity,
) -> RouteResult {
    let otp = otp(&state)?;
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
    Extension(state): Extension<RouteState<U>>,
    caller: Identity,
) -> RouteResult {
    let factor = state.accounts.second_factor();
    let devices = factor.remembered_devices(caller.subject().id()).await;
    let devices = devices.map_err(Rejection::from)?.into_iter();
    let views = devices.map(|device| RememberedDeviceView {
        id: device.id,
        name: device.name,
        created_at: device.created_at.as_secs(),
        expires_at: device.expires_at.as_secs(),
    });
    Ok(no_store(Json(views.collect::<Vec<_>>())))
}

async fn revoke_remembered_device<U: Serialize + Send + Sync + 'static>(
    Extension(state): Extension<RouteState<U>>,
    caller: Identity,
    Path(id): Path<String>,
) -> RouteResult {
    let factor = state.accounts.second_factor();
    let revoked = factor
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
    state: &RouteState<U>,
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
    let (otp, code) = (otp(state)?, code.to_str().unwrap_or_default());
    let verdict = otp.verify(caller.subject().id(), code).await;
    let at = verdict.map_err(|refusal| otp.or_step_up(refusal))?;
    Ok(caller.with_factor(Factor::Otp, at))
}

fn otp<U: Serialize + Send + Sync + 'static>(state: &RouteState<U>) -> Result<&Otp, Rejection> {
    let otp = state.accounts.otp();
    otp.ok_or_else(|| Rejection::misconfigured("the accounts were built without `otp`"))
}

fn recovery_codes_response(codes: &RecoveryCodes) -> Response {
    no_store(Json(json!({ "recovery_codes": codes })))
}

const X_OTP: HeaderName = HeaderName::from_static("x-otp");
