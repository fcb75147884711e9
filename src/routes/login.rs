//! Login by name and password, which issues a token pair.

use axum::extract::Extension;
use serde::Serialize;

use super::{
    answer::RouteResult,
    body::{FormFields, JsonOrForm, fingerprint},
    caller::Caller,
    finish::{LoginEnd, finish},
    state::RouteState,
};
use crate::account::NewDevice;

pub(super) async fn login<U: Serialize + Send + Sync + 'static>(
    Extension(state): Extension<RouteState<U>>,
    caller: Caller,
    JsonOrForm(form): JsonOrForm<FormFields>,
) -> RouteResult {
    let credentials = state.credentials(&form)?;
    let device = NewDevice {
        name: form.text("device_name").map(str::to_owned),
        user_agent: caller.user_agent.clone(),
        fingerprint: fingerprint(form.get("fingerprint"))?,
    };
    // All of the request is checked before a password is hashed.
    let end = LoginEnd {
        device: device.within_limits()?,
        proof: state.proof(&caller)?,
        ..LoginEnd::default()
    };
    let accounts = &state.accounts;
    let proved = accounts
        .prove(&credentials, &state.origin(&caller)?)
        .await?;
    state.login_response(&finish(accounts, proved, end).await?)
}
