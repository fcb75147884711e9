//! The routes for services that receive tokens: introspection (RFC 7662) and revocation (RFC 7009).

use axum::{
    Form, Json, Router,
    extract::{Extension, rejection::FormRejection},
    http::{HeaderMap, StatusCode},
    routing::post,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::json;

use super::{
    answer::{RouteError, RouteResult, no_store},
    service_credential::is_authenticated,
    state::RouteState,
};
use crate::{refresh::TokenInfo, rejection::Rejection, secret::Secret};

pub(super) fn router<U, S>(state: &RouteState<U>) -> Router<S>
where
    U: Serialize + DeserializeOwned + Send + Sync + 'static,
    S: Clone + Send + Sync + 'static,
{
    if state.services.is_empty() {
        return Router::new();
    }
    Router::new()
        .route("/introspect", post(introspect::<U>))
        .route("/revoke", post(revoke::<U>))
}

#[derive(Deserialize)]
struct TokenRequest {
    token: String,
    token_type_hint: Option<String>,
}

type TokenForm = Result<Form<TokenRequest>, FormRejection>;

async fn introspect<U: DeserializeOwned + Send + Sync + 'static>(
    Extension(state): Extension<RouteState<U>>,
    headers: HeaderMap,
    form: TokenForm,
) -> RouteResult {
    let (token, hint) = requested_token(&state, &headers, form)?;
    let pairs = state.accounts.pairs();
    let info = pairs.introspect(token.expose()).await;
    let info = info.map_err(Rejection::from)?;
    // A service that accepts any active token must not take a refresh token for an access token.
    let is_requested_type =
        |info: &TokenInfo| info.is_access || hint.as_deref() == Some("refresh_token");
    let response = match info.filter(is_requested_type) {
        Some(info) => Json(json!(info)),
        None => Json(json!({ "active": false })),
    };
    Ok(no_store(response))
}

async fn revoke<U: DeserializeOwned + Send + Sync + 'static>(
    Extension(state): Extension<RouteState<U>>,
    headers: HeaderMap,
    form: TokenForm,
) -> RouteResult {
    // The type of the token follows from its form, so the hint is not needed.
    let (token, _) = requested_token(&state, &headers, form)?;
    let pairs = state.accounts.pairs();
    let revoked = pairs.revoke_token(token.expose()).await;
    // An invalid token is not an error (RFC 7009 section 2.2).
    revoked.map_err(Rejection::from)?;
    Ok(no_store(StatusCode::OK))
}

/// Authenticates the service, and returns the token and its type hint.
fn requested_token<U>(
    state: &RouteState<U>,
    headers: &HeaderMap,
    form: TokenForm,
) -> Result<(Secret<String>, Option<String>), RouteError> {
    if !is_authenticated(&state.services, headers) {
        return Err(RouteError::UnknownService);
    }
    let Form(request) = form.map_err(|_| {
        let detail = "a form with a `token` is required";
        RouteError::new(StatusCode::BAD_REQUEST, detail)
    })?;
    Ok((Secret::new(request.token), request.token_type_hint))
}
