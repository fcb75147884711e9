//! Login to a session, and logout.

use axum::{extract::Extension, http::StatusCode, response::IntoResponse};
use serde::Serialize;

use super::{
    answer::RouteResult,
    body::{FormFields, JsonOrForm},
    caller::Caller,
    finish::{LoginEnd, finish},
    state::RouteState,
};
use crate::session::Session;

pub(super) async fn session_login<U: Serialize + Send + Sync + 'static>(
    Extension(state): Extension<RouteState<U>>,
    session: Session,
    caller: Caller,
    JsonOrForm(form): JsonOrForm<FormFields>,
) -> RouteResult {
    let credentials = state.credentials(&form)?;
    let accounts = &state.accounts;
    let proved = accounts
        .prove(&credentials, &state.origin(&caller)?)
        .await?;
    let end = LoginEnd {
        session: Some(session),
        ..LoginEnd::default()
    };
    state.login_response(&finish(accounts, proved, end).await?)
}

pub(super) async fn session_logout(session: Session) -> RouteResult {
    session.logout().await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
