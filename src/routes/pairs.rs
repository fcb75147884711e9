//! The routes of token pairs: refresh, logout, and the list of devices.

use axum::{
    Json,
    extract::{Extension, Path},
    http::StatusCode,
    response::IntoResponse,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    answer::{RouteError, RouteResult, no_store},
    body::{JsonOrForm, fingerprint},
    caller::Caller,
    state::RouteState,
};
use crate::{clock::Timestamp, identity::Identity, refresh::DeviceInfo, rejection::Rejection};

#[derive(Deserialize)]
pub(super) struct RefreshForm {
    refresh_token: Option<String>,
    fingerprint: Option<Value>,
}

pub(super) async fn refresh<U: Serialize + Send + Sync + 'static>(
    Extension(state): Extension<RouteState<U>>,
    caller: Caller,
    JsonOrForm(form): JsonOrForm<RefreshForm>,
) -> RouteResult {
    let token = state.refresh_token(&caller, form.refresh_token)?;
    let fingerprint = fingerprint(form.fingerprint.as_ref())?;
    let pairs = state.accounts.pairs();
    if let Some(proof) = state.proof(&caller)? {
        // A proof is stored only for a genuine refresh token, so that nobody else can fill the
        // store.
        let key = if pairs.is_ours(token.expose()) {
            proof.use_up().await?
        } else {
            proof.key().clone()
        };
        let pair = pairs.refresh_bound(token.expose(), fingerprint.as_ref(), &key);
        return state.pair_response(&pair.await?);
    }
    let pair = pairs.refresh(token.expose(), fingerprint.as_ref()).await?;
    state.pair_response(&pair)
}

pub(super) async fn logout<U: Serialize + Send + Sync + 'static>(
    Extension(state): Extension<RouteState<U>>,
    caller: Caller,
    JsonOrForm(form): JsonOrForm<RefreshForm>,
) -> RouteResult {
    let token = state.refresh_token(&caller, form.refresh_token)?;
    state.accounts.pairs().logout(token.expose()).await?;
    Ok(state.without_refresh_cookie(StatusCode::NO_CONTENT.into_response()))
}

pub(super) async fn logout_all<U: Serialize + Send + Sync + 'static>(
    Extension(state): Extension<RouteState<U>>,
    caller: Identity,
) -> RouteResult {
    state
        .accounts
        .revoke_all(caller.subject().id())
        .await
        .map_err(Rejection::from)?;
    Ok(state.without_refresh_cookie(StatusCode::NO_CONTENT.into_response()))
}

/// A device in the form that its user sees, with times in seconds since 1970.
#[derive(Serialize)]
struct DeviceView {
    id: String,
    device_name: Option<String>,
    user_agent: Option<String>,
    created_at: u64,
    last_used_at: u64,
    current: bool,
}

impl DeviceView {
    fn new(device: DeviceInfo, current_id: Option<&str>) -> Self {
        let seconds = |at: Timestamp| at.as_secs();
        Self {
            current: current_id == Some(&*device.id),
            id: device.id,
            device_name: device.device_name,
            user_agent: device.user_agent,
            created_at: seconds(device.created_at),
            last_used_at: seconds(device.last_used_at),
        }
    }
}

pub(super) async fn active_sessions<U: Serialize + Send + Sync + 'static>(
    Extension(state): Extension<RouteState<U>>,
    caller: Identity,
) -> RouteResult {
    let devices = state.accounts.pairs().list(caller.subject().id()).await;
    let devices = devices.map_err(Rejection::from)?.into_iter();
    let shown: Vec<_> = devices
        .map(|device| DeviceView::new(device, caller.session_id()))
        .collect();
    Ok(no_store(Json(shown)))
}

pub(super) async fn revoke<U: Serialize + Send + Sync + 'static>(
    Extension(state): Extension<RouteState<U>>,
    caller: Identity,
    Path(id): Path<String>,
) -> RouteResult {
    let revoked = state
        .accounts
        .pairs()
        .revoke(caller.subject().id(), &id)
        .await;
    if revoked.map_err(Rejection::from)? {
        Ok(StatusCode::NO_CONTENT.into_response())
    } else {
        Err(RouteError::new(StatusCode::NOT_FOUND, "no such session"))
    }
}

pub(super) async fn revoke_other<U: Serialize + Send + Sync + 'static>(
    Extension(state): Extension<RouteState<U>>,
    identity: Identity,
    caller: Caller,
    JsonOrForm(form): JsonOrForm<RefreshForm>,
) -> RouteResult {
    let token = state.refresh_token(&caller, form.refresh_token)?;
    state
        .accounts
        .pairs()
        .revoke_others(&identity, token.expose())
        .await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
