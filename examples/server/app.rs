//! The application: registration, the routes of accounts, what is behind them, and logins with the providers that are
//! configured.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::{ConnectInfo, DefaultBodyLimit, State, rejection::JsonRejection},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::{Value, json};
use tower_http::csrf::CsrfLayer;
use tower_jam::{
    AuthUser, Claims, ConfigError, Factor, Identity, Jam, Rejection, StoreError,
    account::StoreUsers, guard::role, layer::GuardLayer, password::NewPasswordError, routes,
};

#[derive(Clone)]
struct App {
    jam: Jam,
    users: Arc<StoreUsers<Claims>>,
    admin: Option<Arc<str>>,
}

#[derive(Deserialize)]
struct Form {
    username: String,
    password: String,
}

/// The routes. Who registers as `admin` has the role of that name. Sessions, codes and providers are there if they are configured.
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
    let register = post(register).route_layer(CsrfLayer::new());
    let mut router = protected
        .route_layer(jam.pairs_layer()?)
        .route("/register", register)
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
        .merge(routes::accounts(accounts.clone()));
    #[cfg(feature = "oauth2")]
    let router = with_providers(router, &app)?;
    Ok(router.with_state(app))
}

async fn register(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    asked: Result<Json<Form>, JsonRejection>,
) -> Result<Response, Failure> {
    // axum's own answer quotes what does not fit, which may be the password.
    let Json(asked) = asked.map_err(|refused| Failure::Unreadable(refused.status()))?;
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '@' | '+');
    if !(1..=64).contains(&asked.username.len()) || !asked.username.chars().all(is_name) {
        return Err(Failure::Unprocessable(
            "a username is 1 to 64 letters, digits or any of . _ - @ +".to_owned(),
        ));
    }
    // Each one stays, and costs a hash: so it counts as an attempt of this address, and is not given back.
    let throttle = app.jam.throttle()?;
    let address = throttle.client_address(peer.ip(), &headers);
    let _counted = throttle.attempt_from(address).await?;
    let passwords = app.jam.passwords()?;
    let password = passwords
        .check_new_for(&asked.password, [asked.username.as_str()])
        .await?;
    let hash = passwords.hash(&password).await?;
    let user = Claims::new().with("username", &asked.username)?;
    let roles = app.roles(&asked.username);
    let id = app
        .users
        .add(&asked.username, hash.expose(), roles, user)
        .await?;
    let id = id.ok_or(Failure::Conflict)?;
    Ok((StatusCode::CREATED, Json(json!({ "id": id }))).into_response())
}

async fn me(user: AuthUser<Claims>) -> Json<AuthUser<Claims>> {
    Json(user)
}

/// Inside `OtpGuard`: a code came with this request, or was given less than five minutes ago.
async fn vault(identity: Identity) -> Json<Value> {
    let given = identity.proved_at(&Factor::Otp);
    Json(json!({ "gold": 79, "code_given_at": given.map(|at| at.as_secs()) }))
}

async fn welcome(user: AuthUser<Claims>) -> Json<Value> {
    Json(json!({ "welcome": user.claim("username") }))
}

async fn jwks(State(app): State<App>) -> Result<impl IntoResponse, Rejection> {
    let keys = app.jam.jwt()?.keys().public_jwks();
    let cached = [(header::CACHE_CONTROL, "public, max-age=300")];
    Ok((cached, Json(keys)))
}

/// Whether requests can be answered: a process may live while its store is away.
async fn readyz(State(app): State<App>) -> Result<&'static str, Rejection> {
    app.jam.ready().await?;
    Ok("ready")
}

impl App {
    fn roles(&self, username: &str) -> Vec<String> {
        let is_admin = self.admin.as_deref() == Some(username);
        is_admin.then(|| "admin".to_owned()).into_iter().collect()
    }
}

/// Logins with the providers that are configured, each user made at its first login.
#[cfg(feature = "oauth2")]
fn with_providers(router: Router<App>, app: &App) -> Result<Router<App>, ConfigError> {
    let providers: Vec<_> = app.jam.oauth2_clients().cloned().collect();
    if providers.is_empty() {
        return Ok(router);
    }
    let (accounts, users) = (app.jam.accounts()?.clone(), Arc::clone(&app.users));
    let link = move |login| link(Arc::clone(&users), login);
    Ok(router.merge(routes::providers(accounts, providers, link)?))
}

#[cfg(feature = "oauth2")]
async fn link(
    users: Arc<StoreUsers<Claims>>,
    login: tower_jam::oauth2::ProviderLogin,
) -> Result<Option<String>, StoreError> {
    use tower_jam::account::Users;

    let (issuer, subject) = login.profile.key();
    // Nobody can register this name: it has a space in it.
    let name = format!("{issuer} {subject}");
    let shown = login.profile.name.as_deref().unwrap_or("somebody");
    // What somebody is called elsewhere is no username here.
    let claims = Claims::new().with("name", shown);
    let claims = claims.map_err(|error| StoreError::Unavailable(error.into()))?;
    if users.find(&name).await?.is_none() {
        // Of two first logins at once one makes the user.
        users
            .add(&name, NO_PASSWORD, [] as [String; 0], claims)
            .await?;
    }
    let user = users.find(&name).await?;
    Ok(user.map(|user| user.grant.subject().to_owned()))
}

/// The hash of a user whom no password lets in.
#[cfg(feature = "oauth2")]
const NO_PASSWORD: &str = "";

enum Failure {
    Conflict,
    Unreadable(StatusCode),
    Unprocessable(String),
    Rejected(Rejection),
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let (status, detail) = match self {
            Self::Conflict => (StatusCode::CONFLICT, "this username is taken".to_owned()),
            Self::Unreadable(status) => (status, "a name and a password are needed".to_owned()),
            Self::Unprocessable(detail) => (StatusCode::UNPROCESSABLE_ENTITY, detail),
            Self::Rejected(rejection) => return rejection.into_response(),
        };
        let problem = json!({ "type": "about:blank", "title": status.canonical_reason(), "status": status.as_u16(), "detail": detail });
        let content_type = HeaderValue::from_static("application/problem+json");
        (
            status,
            [(header::CONTENT_TYPE, content_type)],
            problem.to_string(),
        )
            .into_response()
    }
}

impl From<Rejection> for Failure {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::Rejected(error.into())
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Rejected(error.into())
    }
}

impl From<NewPasswordError> for Failure {
    fn from(error: NewPasswordError) -> Self {
        Self::Unprocessable(error.to_string())
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::Rejected(Rejection::misconfigured("a claim does not serialise").with_source(error))
    }
}
