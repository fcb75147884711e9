//! The routes: those of the library for accounts and providers, with registration, keys, health and
//! a few protected pages.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::{ConnectInfo, DefaultBodyLimit, State, rejection::JsonRejection},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::{Value, json};
use tower_http::csrf::CsrfLayer;
use tower_jam::{
    AuthUser, Claims, ConfigError, Factor, Identity, Jam, Rejection, account::StoreUsers,
    guard::role, layer::GuardLayer,
};

#[derive(Clone)]
struct Application {
    jam: Jam,
    users: Arc<StoreUsers<Claims>>,
    admin: Option<Arc<str>>,
}

/// Returns the routes of every engine that is configured.
pub(super) fn router(jam: &Jam, admin: Option<String>) -> Result<Router, ConfigError> {
    let accounts = jam.accounts()?;
    let admins = GuardLayer::new(role("admin"));
    let mut pages = Router::new()
        .route("/admin", get(me).route_layer(admins))
        .route("/me", get(me));
    if let Ok(code) = jam.otp_guard() {
        let code = code.within(Duration::from_secs(5 * 60));
        pages = pages.route("/vault", get(vault).route_layer(code));
    }
    let mut router = pages
        .route_layer(jam.pairs_layer()?)
        .route("/register", post(register).route_layer(CsrfLayer::new()))
        .route("/healthz", get(|| async { "ok" }))
        .route("/readyz", get(ready));
    if let Ok(cookie) = jam.session_layer() {
        router = router.route("/session/me", get(me).route_layer(cookie));
    }
    if jam.jwt().is_ok() {
        router = router.route("/.well-known/jwks.json", get(jwks));
    }
    let application = Application {
        jam: jam.clone(),
        users: Arc::clone(jam.store_users()?),
        admin: admin.map(Into::into),
    };
    let router = router
        .layer(DefaultBodyLimit::max(16 * 1024))
        .merge(tower_jam::routes::accounts(accounts.clone()));
    #[cfg(feature = "oauth2")]
    let router = providers::add(router, jam, &application.users)?;
    Ok(router.with_state(application))
}

#[derive(Deserialize)]
struct Registration {
    username: String,
    password: String,
}

async fn register(
    State(application): State<Application>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    body: Result<Json<Registration>, JsonRejection>,
) -> Result<Response, Rejection> {
    let Json(Registration { username, password }) = match body {
        Ok(body) => body,
        // The message of axum is not used: it quotes the body, which may contain the password.
        Err(error) => return Ok(problem(error.status(), "a name and a password are needed")),
    };
    let is_allowed =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '@' | '+');
    if !(1..=64).contains(&username.len()) || !username.chars().all(is_allowed) {
        let rule = "a username is 1 to 64 letters, digits or any of . _ - @ +";
        return Ok(problem(StatusCode::UNPROCESSABLE_ENTITY, rule));
    }
    // A registration costs a hash, so it counts as an attempt of its address and is not given back.
    let throttle = application.jam.throttle()?;
    let address = throttle.client_address(peer.ip(), &headers);
    let _counted = throttle.attempt_from(address).await?;
    let passwords = application.jam.passwords()?;
    let password = passwords
        .check_new_for(&password, [username.as_str()])
        .await;
    let password = match password {
        Ok(password) => password,
        Err(error) => {
            return Ok(problem(
                StatusCode::UNPROCESSABLE_ENTITY,
                &error.to_string(),
            ));
        }
    };
    let hash = passwords.hash(&password).await?;
    let claims = Claims::new().with("username", &username);
    let claims = claims
        .map_err(|error| Rejection::misconfigured("a name is no claim").with_source(error))?;
    let is_admin = application.admin.as_deref() == Some(&*username);
    let roles = is_admin.then_some("admin");
    let added = application
        .users
        .add(&username, hash.expose(), roles, claims);
    Ok(match added.await? {
        Some(id) => (StatusCode::CREATED, Json(json!({ "id": id }))).into_response(),
        None => problem(StatusCode::CONFLICT, "this username is taken"),
    })
}

async fn me(user: AuthUser<Claims>) -> Json<AuthUser<Claims>> {
    Json(user)
}

/// A page behind `OtpGuard`: the caller has given a code within five minutes.
async fn vault(identity: Identity) -> Json<Value> {
    let proved_at = identity.proved_at(&Factor::Otp);
    Json(json!({ "code_given_at": proved_at.map(|at| at.as_secs()) }))
}

async fn jwks(State(application): State<Application>) -> Result<impl IntoResponse, Rejection> {
    let keys = application.jam.jwt()?.keys().public_jwks();
    let cached = [(header::CACHE_CONTROL, "public, max-age=300")];
    Ok((cached, Json(keys)))
}

/// Whether requests can be answered: a process can be alive while its store is unavailable.
async fn ready(State(application): State<Application>) -> Result<&'static str, Rejection> {
    application.jam.ready().await?;
    Ok("ready")
}

/// An error in the form of RFC 9457.
fn problem(status: StatusCode, detail: &str) -> Response {
    let body = json!({ "type": "about:blank", "title": status.canonical_reason(),
        "status": status.as_u16(), "detail": detail });
    let content_type = [(header::CONTENT_TYPE, "application/problem+json")];
    (status, content_type, body.to_string()).into_response()
}

/// Logins with the identity providers of the configuration.
#[cfg(feature = "oauth2")]
mod providers {
    use tower_jam::{StoreError, account::Users, oauth2::ProviderLogin};

    use super::*;

    pub(super) fn add(
        router: Router<Application>,
        jam: &Jam,
        users: &Arc<StoreUsers<Claims>>,
    ) -> Result<Router<Application>, ConfigError> {
        let clients: Vec<_> = jam.oauth2_clients().cloned().collect();
        if clients.is_empty() {
            return Ok(router);
        }
        let users = Arc::clone(users);
        let link = move |login| link(Arc::clone(&users), login);
        Ok(router.merge(tower_jam::routes::providers(
            jam.accounts()?.clone(),
            clients,
            link,
        )?))
    }

    /// Returns the user that belongs to a login, and creates it at the first one.
    async fn link(
        users: Arc<StoreUsers<Claims>>,
        login: ProviderLogin,
    ) -> Result<Option<String>, StoreError> {
        let (issuer, subject) = login.profile.key();
        // A registration cannot take this name, since it contains a space.
        let name = format!("{issuer} {subject}");
        if users.find(&name).await?.is_none() {
            let claims =
                Claims::new().with("name", login.profile.name.as_deref().unwrap_or("somebody"));
            let claims = claims.map_err(|error| StoreError::Unavailable(error.into()))?;
            // The empty hash matches no password. Of two concurrent first logins, one adds the
            // user.
            users.add(&name, "", [""; 0], claims).await?;
        }
        let user = users.find(&name).await?;
        Ok(user.map(|user| user.grant.subject().to_owned()))
    }
}
