//! A server to try: registration, login, a protected page, devices, sessions and a page for administrators.
//!
//! ```text
//! cargo run --example server -- [--listen ADDR] [--data DIR] [--admin NAME]
//! ```
//!
//! It keeps its signing key, its secret and `store.redb` with the users, devices and sessions in DIR (default `.jam`), so
//! all of them survive a restart, and a crash too. Who registers as NAME has the role `admin`.

use std::{
    error::Error,
    fs,
    io::Write as _,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use axum::{
    Json, Router,
    extract::{ConnectInfo, DefaultBodyLimit, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tower_http::csrf::CsrfLayer;
use tower_jam::{
    Algorithm, AuthUser, Claims, Jwt, Key, KeyRing, MasterSecret, Passwords, Rejection,
    SessionLayer, Sessions, StoreError, Throttle, TokenPairs,
    account::{self, Accounts, NewPasswordError, StoreUsers, Users},
    guard::role,
    layer::{AuthLayer, GuardLayer},
    store::{FileStore, Store},
};

#[derive(Clone)]
struct App {
    accounts: Accounts<Claims>,
    passwords: Passwords,
    throttle: Throttle,
    users: Arc<StoreUsers<Claims>>,
    jwt: Jwt<Claims>,
    sessions: Sessions<Claims>,
    admin: Option<Arc<str>>,
}

#[derive(Deserialize)]
struct Form {
    username: String,
    password: String,
}

fn router(app: App) -> Router {
    let bearer = AuthLayer::new(app.accounts.pairs().clone());
    let cookie = SessionLayer::new(app.sessions.clone());
    let admins = GuardLayer::new(role("admin"));
    Router::new()
        .route("/admin", get(admin).route_layer(admins))
        .route("/me", get(me))
        .route_layer(bearer)
        .merge(
            Router::new()
                .route("/session/me", get(me))
                .route_layer(cookie),
        )
        .merge(
            Router::new()
                .route("/register", post(register))
                .route_layer(CsrfLayer::new()),
        )
        .route("/.well-known/jwks.json", get(jwks))
        .route("/healthz", get(|| async { "ok" }))
        .layer(DefaultBodyLimit::max(16 * 1024))
        .merge(account::routes(app.accounts.clone()))
        .with_state(app)
}

async fn register(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Json(asked): Json<Form>,
) -> Result<Response, Failure> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '@' | '+');
    if !(1..=64).contains(&asked.username.len()) || !asked.username.chars().all(is_name) {
        return Err(Failure::Unprocessable(
            "a username is 1 to 64 letters, digits or any of . _ - @ +".to_owned(),
        ));
    }
    // A hash costs as much here as at a login, so it counts as an attempt of this address until it is one.
    let attempt = app.throttle.attempt_from(peer.ip()).await?;
    let password = app.passwords.check_new(&asked.password).await?;
    let hash = app.passwords.hash(&password).await?;
    let user = Claims::new().with("username", &asked.username)?;
    let roles = app.roles(&asked.username);
    let id = app
        .users
        .add(&asked.username, hash.expose(), roles, user)
        .await?;
    let id = id.ok_or(Failure::Conflict)?;
    attempt.give_back().await;
    Ok((StatusCode::CREATED, Json(json!({ "id": id }))).into_response())
}

async fn me(user: AuthUser<Claims>) -> Json<AuthUser<Claims>> {
    Json(user)
}

async fn admin(user: AuthUser<Claims>) -> Json<Value> {
    Json(json!({ "welcome": user.claim("username") }))
}

async fn jwks(State(app): State<App>) -> impl IntoResponse {
    (
        [(header::CACHE_CONTROL, "public, max-age=300")],
        Json(app.jwt.keys().public_jwks()),
    )
}

impl App {
    fn roles(&self, username: &str) -> Vec<String> {
        let is_admin = self.admin.as_deref() == Some(username);
        is_admin.then(|| "admin".to_owned()).into_iter().collect()
    }
}

enum Failure {
    Conflict,
    Unprocessable(String),
    Rejected(Rejection),
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let (status, detail) = match self {
            Self::Conflict => (StatusCode::CONFLICT, "this username is taken".to_owned()),
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
        Self::Rejected(Rejection::misconfigured("a claim does not serialise").because(error))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .init();
    let Options {
        listen,
        data,
        admin,
    } = Options::parse(std::env::args().skip(1))?;
    fs::create_dir_all(&data).map_err(|error| format!("{}: {error}", data.display()))?;
    let ring = KeyRing::new(signing_key(&data.join("ed25519.pem"))?);
    let secret = master_secret(&data.join("secret"))?;
    let issuer = "http://localhost";
    let store: Arc<dyn Store> = Arc::new(FileStore::open(data.join("store.redb"))?);
    let passwords = Passwords::builder().build()?;
    let users = Arc::new(StoreUsers::new(Arc::clone(&store)));
    let found: Arc<dyn Users<Claims>> = users.clone();
    let throttle = Throttle::builder(Arc::clone(&store), &secret).build();
    let jwt = Jwt::builder(ring)
        .issuer(issuer)
        .audience("example")
        .build()?;
    let reread = account::reread(Arc::clone(&found));
    let pairs = TokenPairs::builder(jwt.clone(), Arc::clone(&store), &secret, reread).build()?;
    let sessions = Sessions::builder(store, &secret).issuer(issuer).build()?;
    let accounts = Accounts::builder(found, passwords.clone(), throttle.clone(), pairs)
        .sessions(sessions.clone())
        .build();
    let app = App {
        accounts,
        passwords,
        throttle,
        users,
        jwt,
        sessions,
        admin: admin.map(Into::into),
    };
    let listener = TcpListener::bind(listen)
        .await
        .map_err(|error| format!("cannot listen on {listen}: {error}"))?;
    greet(listener.local_addr()?)?;
    let server = axum::serve(
        listener,
        router(app).into_make_service_with_connect_info::<SocketAddr>(),
    )
    .with_graceful_shutdown(stopped());
    // Whoever has sent half a request by then is not waited for any longer.
    let overdue = async {
        stopped().await;
        tokio::time::sleep(PATIENCE).await;
    };
    tokio::select! {
        outcome = server => outcome?,
        () = overdue => {}
    }
    Ok(())
}

struct Options {
    listen: SocketAddr,
    data: PathBuf,
    admin: Option<String>,
}

impl Options {
    fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, Box<dyn Error>> {
        let mut options = Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 3000)),
            data: PathBuf::from(".jam"),
            admin: None,
        };
        while let Some(word) = words.next() {
            let mut value = || {
                let value = words.next();
                value.ok_or_else(|| format!("{word} needs a value"))
            };
            match word.as_str() {
                "--listen" => {
                    let value = value()?;
                    options.listen = value
                        .parse()
                        .map_err(|error| format!("--listen {value}: {error}"))?;
                }
                "--data" => options.data = PathBuf::from(value()?),
                "--admin" => options.admin = Some(value()?),
                _ => {
                    return Err(format!(
                        "{word} is not an option: --listen ADDR, --data DIR, --admin NAME"
                    )
                    .into());
                }
            }
        }
        Ok(options)
    }
}

fn signing_key(path: &Path) -> Result<Key, Box<dyn Error>> {
    let make = || {
        let key = Key::generate(Algorithm::EdDsa)?;
        Ok(key
            .to_pkcs8_pem()
            .ok_or("the key has no private part")?
            .expose()
            .clone()
            .into_bytes())
    };
    let key = Key::from_pem(Algorithm::EdDsa, kept(path, make)?);
    Ok(key.map_err(|error| format!("{}: {error}", path.display()))?)
}

fn master_secret(path: &Path) -> Result<MasterSecret, Box<dyn Error>> {
    let make = || Ok(rand::random::<[u8; 32]>().to_vec());
    let secret = MasterSecret::new(&kept(path, make)?);
    Ok(secret.map_err(|error| format!("{}: {error}", path.display()))?)
}

/// The content of a file that only its owner can read, made on the first start.
fn kept(
    path: &Path,
    make: impl FnOnce() -> Result<Vec<u8>, Box<dyn Error>>,
) -> Result<Vec<u8>, Box<dyn Error>> {
    let about = |error: std::io::Error| format!("{}: {error}", path.display());
    if !path.exists() {
        let content = make()?;
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options
            .open(path)
            .map_err(about)?
            .write_all(&content)
            .map_err(about)?;
    }
    Ok(fs::read(path).map_err(about)?)
}

fn greet(address: SocketAddr) -> std::io::Result<()> {
    writeln!(
        std::io::stdout(),
        "\
listening on http://{address}

Try it in another terminal:

  curl -H 'content-type: application/json' -d '{{\"username\":\"alice\",\"password\":\"correct horse\"}}' http://{address}/register
  TOKEN=$(curl -s -H 'content-type: application/json' -d '{{\"username\":\"alice\",\"password\":\"correct horse\"}}' http://{address}/login | sed 's/.*\"access_token\":\"\\([^\"]*\\)\".*/\\1/')
  curl -i -H \"authorization: Bearer $TOKEN\" http://{address}/me

and a refusal:

  curl -i -H \"authorization: Bearer $TOKEN\" http://{address}/admin
"
    )
}

async fn stopped() {
    let interrupt = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let Ok(mut terminate) = signal(SignalKind::terminate()) else {
            return;
        };
        tokio::select! {
            _ = interrupt => {}
            _ = terminate.recv() => {}
        }
    }
    #[cfg(not(unix))]
    interrupt.await.ok();
}

/// Many times as long as a login takes.
const PATIENCE: Duration = Duration::from_secs(3);
