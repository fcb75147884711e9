//! The router of accounts.

use axum::{
    Router,
    extract::{DefaultBodyLimit, Extension, Request},
    middleware::{Next, from_fn},
    response::{IntoResponse, Response},
    routing::{delete, get, post},
};
use serde::{Serialize, de::DeserializeOwned};

use super::{
    login::login,
    pairs::{active_sessions, logout, logout_all, refresh, revoke, revoke_other},
    password::password,
    second_factor, second_step, services,
    sessions::{session_login, session_logout},
    state::RouteState,
};
use crate::{authenticate::Authenticate, layer::AuthLayer, request::cross_site};

pub(super) fn router<U, S>(state: RouteState<U>) -> Router<S>
where
    U: Serialize + DeserializeOwned + Send + Sync + 'static,
    S: Clone + Send + Sync + 'static,
{
    let token_body_limit = DefaultBodyLimit::max(MAX_TOKEN_BODY_BYTES);
    let authenticated: Router<S> = Router::new()
        .route("/logout_all", post(logout_all::<U>))
        .route("/active_sessions", get(active_sessions::<U>))
        .route("/active_sessions/{id}", delete(revoke::<U>))
        .route(
            "/revoke_other_session",
            post(revoke_other::<U>).layer(token_body_limit),
        )
        .route("/password", post(password::<U>))
        .merge(second_factor::router(&state));
    let authenticated = require_access_token(&state, authenticated);
    let mut public = Router::new()
        .route("/login", post(login::<U>))
        .route("/refresh", post(refresh::<U>).layer(token_body_limit))
        .route("/logout", post(logout::<U>).layer(token_body_limit))
        .merge(second_step::router(&state))
        .merge(services::router(&state));
    if let Some(sessions) = state.accounts.sessions() {
        let cookie = AuthLayer::new(sessions.clone());
        let login = post(session_login::<U>).route_layer(cookie.clone().optional());
        public = public
            .route("/session/login", login)
            .route("/session/logout", post(session_logout).route_layer(cookie));
    }
    public
        .route_layer(from_fn(reject_cross_site))
        .merge(authenticated)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(Extension(state))
}

/// Rejects a request that another site caused. The rule is that of cookies, although these routes
/// need none: a login by another site would log its user in to an account of that site.
async fn reject_cross_site(request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    match cross_site::check(&parts) {
        Ok(()) => next.run(Request::from_parts(parts, body)).await,
        Err(rejection) => rejection.into_response(),
    }
}

/// Requires an access token. A token that is bound to a key needs a proof of that key.
fn require_access_token<U, S>(state: &RouteState<U>, authenticated: Router<S>) -> Router<S>
where
    U: Serialize + DeserializeOwned + Send + Sync + 'static,
    S: Clone + Send + Sync + 'static,
{
    let pairs = state.accounts.pairs();
    match &state.dpop {
        Some(dpop) => {
            let bound = dpop.protect(pairs.clone());
            authenticated.route_layer(AuthLayer::new(pairs.clone().or(bound)))
        }
        None => authenticated.route_layer(AuthLayer::new(pairs.clone())),
    }
}

/// Enough for four fingerprints; a password has at most four kilobytes.
const MAX_BODY_BYTES: usize = 16 * 1024;
/// Large enough that an oversized token is refused as a token, not as a body.
const MAX_TOKEN_BODY_BYTES: usize = 128 * 1024;
