//! The change of a password.

use axum::{extract::Extension, http::StatusCode, response::IntoResponse};
use serde::{Deserialize, Serialize};

use super::{answer::RouteResult, body::JsonOrForm, caller::Caller, state::RouteState};
use crate::{identity::Identity, secret::Secret};

#[derive(Deserialize)]
pub(super) struct PasswordForm {
    current: String,
    new: String,
}

pub(super) async fn password<U: Serialize + Send + Sync + 'static>(
    Extension(state): Extension<RouteState<U>>,
    identity: Identity,
    caller: Caller,
    JsonOrForm(form): JsonOrForm<PasswordForm>,
) -> RouteResult {
    let (current, new) = (Secret::new(form.current), Secret::new(form.new));
    let origin = state.origin(&caller)?;
    let accounts = &state.accounts;
    accounts
        .change_password(&identity, &current, new.expose(), &origin)
        .await?;
    let mut response = state.without_refresh_cookie(StatusCode::NO_CONTENT.into_response());
    // Known under the old password, the device would be unknown now. The password has been changed,
    // so a failure here fails nothing.
    match accounts.device_token_of(identity.subject().id()).await {
        Ok(Some(device_token)) => state.add_device_cookie(&mut response, &device_token)?,
        Ok(None) => {}
        Err(error) => {
            tracing::warn!(%error, "a device could not be marked as known after a password change");
        }
    }
    Ok(response)
}
