//! The application: registration, the routes of accounts, a few protected pages, and logins with
//! the configured identity providers.

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
struct App {
    jam: Jam,
    users: Arc<StoreUsers<Claims>>,
    admin: Option<Arc<str>>,
}

/// Returns the routes. The user that registers as `admin` gets the role of that name. Sessions,
/// one-time codes and providers are served if they are configured.
pub(crate) fn router(jam: &Jam, admin: Option<String>) -> Result<Router, ConfigError> {
    let accounts = jam.accounts()?;
    let admins = GuardLayer::new(role("admin"));
    let mut protected = Router::new()
        .route("/admin", get(welcome).route_layer(admins))
        .route("/me", get(me));
    if let Ok(code) = jam.otp_guard() {
        let code = code.within(Duration::from_secs(5 * 60));
        protected = protected.route("/vault", get(vault).route_layer(code));
    }
    let mut router = protected
        .route_layer(jam.pairs_layer()?)
        .route("/register", post(register).route_layer(CsrfLayer::new()))
        .route("/healthz", get(|| async { "ok" }))
        .route("/readyz", get(readyz));
    if let Ok(cookie) = jam.session_layer() {
        router = router.route("/session/me", get(me).route_layer(cookie));
    }
    if jam.jwt().is_ok() {
        router = router.route("/.well-known/jwks.json", get(jwks));
    }
    let app = App {
        users: Arc::clone(jam.store_users()?),
        admin: admin.map(Into::into),
        jam: jam.clone(),
    };
    let router = router
        .layer(DefaultBodyLimit::max(16 * 1024))
        .merge(tower_jam::routes::accounts(accounts.clone()));
    #[cfg(feature = "oauth2")]
    let router = providers::add(router, &app)?;
    Ok(router.with_state(app))
}

#[derive(Deserialize)]
struct Registration {
    username: String,
    password: String,
}

async fn register(
    State(app): State<App>,
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
    // A registration costs a hash and stays in the store, so it counts as an attempt of its address
    // and is not refunded.
    let throttle = app.jam.throttle()?;
    let address = throttle.client_address(peer.ip(), &headers);
    let _counted = throttle.attempt_from(address).await?;
    let passwords = app.jam.passwords()?;
    let checked = passwords
        .check_new_for(&password, [username.as_str()])
        .await;
    let password = match checked {
        Ok(password) => password,
        Err(error) => {
            return Ok(problem(
                StatusCode::UNPROCESSABLE_ENTITY,
                &error.to_string(),
            ));
        }
    };
    let hash = passwords.hash(&password).await?;
    let claims = Claims::new().with("username", &username).map_err(|error| {
        Rejection::misconfigured("a claim does not serialize").with_source(error)
    })?;
    let is_admin = app.admin.as_deref() == Some(&*username);
    let roles = is_admin.then_some("admin");
    let added = app.users.add(&username, hash.expose(), roles, claims);
    Ok(match added.await? {
        Some(id) => (StatusCode::CREATED, Json(json!({ "id": id }))).into_response(),
        None => problem(StatusCode::CONFLICT, "this username is taken"),
    })
}

async fn me(user: AuthUser<Claims>) -> Json<AuthUser<Claims>> {
    Json(user)
}

/// A page behind `OtpGuard`: the caller gave a code with this request, or less than five minutes
/// ago.
async fn vault(identity: Identity) -> Json<Value> {
    let proved_at = identity.proved_at(&Factor::Otp);
    Json(json!({ "gold": 79, "code_given_at": proved_at.map(|at| at.as_secs()) }))
}

async fn welcome(user: AuthUser<Claims>) -> Json<Value> {
    Json(json!({ "welcome": user.claim("username") }))
}

async fn jwks(State(app): State<App>) -> Result<impl IntoResponse, Rejection> {
    let keys = app.jam.jwt()?.keys().public_jwks();
    let cached = [(header::CACHE_CONTROL, "public, max-age=300")];
    Ok((cached, Json(keys)))
}

/// Whether requests can be answered: a process can be alive while its store is unavailable.
async fn readyz(State(app): State<App>) -> Result<&'static str, Rejection> {
    app.jam.ready().await?;
    Ok("ready")
}

/// An error in the form of RFC 9457.
fn problem(status: StatusCode, detail: &str) -> Response {
    let body = json!({ "type": "about:blank", "title": status.canonical_reason(),
        "status": status.as_u16(), "detail": detail });
    let content_type = [(header::CONTENT_TYPE, "application/problem+json")];
    (status, content_type, body.to_string()).into_response()
}

/// Logins with the configured identity providers.
#[cfg(feature = "oauth2")]
mod providers {
    use tower_jam::{StoreError, account::Users, oauth2::ProviderLogin};

    use super::*;

    pub(super) fn add(router: Router<App>, app: &App) -> Result<Router<App>, ConfigError> {
        let clients: Vec<_> = app.jam.oauth2_clients().cloned().collect();
        if clients.is_empty() {
            return Ok(router);
        }
        let (accounts, users) = (app.jam.accounts()?.clone(), Arc::clone(&app.users));
        let link = move |login| link(Arc::clone(&users), login);
        Ok(router.merge(tower_jam::routes::providers(accounts, clients, link)?))
    }

    /// Returns the id of the user that belongs to a login. The first login creates the user.
    async fn link(
        users: Arc<StoreUsers<Claims>>,
        login: ProviderLogin,
    ) -> Result<Option<String>, StoreError> {
        let (issuer, subject) = login.profile.key();
        // Nobody can register this name, since it contains a space.
        let name = format!("{issuer} {subject}");
        if users.find(&name).await?.is_none() {
            // The provider's name of the user is for display only: it is no username here.
            let shown = login.profile.name.as_deref().unwrap_or("somebody");
            let claims = Claims::new().with("name", shown);
            let claims = claims.map_err(|error| StoreError::Unavailable(error.into()))?;
            // If two first logins run at once, one of them creates the user.
            users.add(&name, NO_PASSWORD, [""; 0], claims).await?;
        }
        let user = users.find(&name).await?;
        Ok(user.map(|user| user.grant.subject().to_owned()))
    }

    /// A hash that no password matches.
    const NO_PASSWORD: &str = "";
}
