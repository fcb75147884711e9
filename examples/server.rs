//! A server to try: registration, login, a protected page, sessions and a page for administrators.
//!
//! ```text
//! cargo run --example server -- [--listen ADDR] [--data DIR] [--admin NAME]
//! ```
//!
//! It keeps its signing key, its secret and `store.redb` with the users and sessions in DIR (default `.jam`), so all of
//! them survive a restart, and a crash too. Who registers as NAME is given the role `admin` at login.

use std::{
    error::Error,
    fs,
    io::Write as _,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::Semaphore, task::spawn_blocking};
use tower_http::csrf::CsrfLayer;
use tower_jam::{
    Algorithm, AuthUser, Claims, Factor, Grant, Jwt, JwtLayer, Key, KeyRing, MasterSecret,
    Rejection, Session, SessionLayer, Sessions, Timestamp,
    guard::role,
    layer::GuardLayer,
    store::{self, FileStore, Store, When, Write},
};

#[derive(Clone)]
struct App {
    jwt: Jwt<Claims>,
    sessions: Sessions<Member>,
    store: Arc<dyn Store>,
    hashing: Arc<Semaphore>,
    decoy: Arc<str>,
    admin: Option<Arc<str>>,
}

/// The user in a session.
#[derive(Serialize, Deserialize)]
struct Member {
    username: String,
}

#[derive(Deserialize)]
struct Credentials {
    username: String,
    password: String,
}

/// What the store holds of a user.
#[derive(Serialize, Deserialize)]
struct Account {
    id: String,
    password_hash: String,
}

fn router(app: App) -> Router {
    let bearer = JwtLayer::new(app.jwt.clone());
    let cookie = SessionLayer::new(app.sessions.clone());
    Router::new()
        .route(
            "/admin",
            get(admin).route_layer(GuardLayer::new(role("admin"))),
        )
        .route("/me", get(me))
        .route_layer(bearer)
        .merge(
            Router::new()
                .route("/session/me", get(session_me))
                .route("/session/logout", post(session_logout))
                .route_layer(cookie.clone()),
        )
        .merge(
            Router::new()
                .route("/register", post(register))
                .route("/login", post(login))
                .route(
                    "/session/login",
                    post(session_login).route_layer(cookie.optional()),
                )
                .route_layer(CsrfLayer::new()),
        )
        .route("/.well-known/jwks.json", get(jwks))
        .route("/healthz", get(|| async { "ok" }))
        .layer(DefaultBodyLimit::max(16 * 1024))
        .with_state(app)
}

async fn register(
    State(app): State<App>,
    Json(asked): Json<Credentials>,
) -> Result<Response, Failure> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '@' | '+');
    if !(1..=64).contains(&asked.username.len()) || !asked.username.chars().all(is_name) {
        return Err(Failure::Unprocessable(
            "a username is 1 to 64 letters, digits or any of . _ - @ +",
        ));
    }
    if !(8..=1024).contains(&asked.password.len()) {
        return Err(Failure::Unprocessable("a password has 8 to 1024 bytes"));
    }
    let account = Account {
        id: format!("{:032x}", rand::random::<u128>()),
        password_hash: app.hash(asked.password).await?,
    };
    let value = serde_json::to_vec(&account)?;
    let write = Write::new(value, Timestamp::NEVER);
    if !app
        .store
        .put(&account_key(&asked.username), write, When::Absent)
        .await?
    {
        return Err(Failure::Conflict);
    }
    Ok((StatusCode::CREATED, Json(json!({ "id": account.id }))).into_response())
}

async fn login(
    State(app): State<App>,
    Json(asked): Json<Credentials>,
) -> Result<Response, Failure> {
    let username = asked.username.clone();
    let account = app.check_password(asked).await?;
    let user = Claims::new().with("username", &username)?;
    let grant = Grant::new(account.id, user)
        .factor(Factor::Password)
        .roles(app.roles(&username));
    let token = app.jwt.issue(grant).await?;
    let body =
        json!({ "access_token": token.expose(), "token_type": "Bearer", "expires_in": 15 * 60 });
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(body)).into_response())
}

async fn me(user: AuthUser<Claims>) -> Json<AuthUser<Claims>> {
    Json(user)
}

async fn admin(user: AuthUser<Claims>) -> Json<Value> {
    Json(json!({ "welcome": user.claim("username") }))
}

async fn session_login(
    State(app): State<App>,
    session: Session,
    Json(asked): Json<Credentials>,
) -> Result<StatusCode, Failure> {
    let username = asked.username.clone();
    let epoch = match app.account(&username).await? {
        Some(account) => Some(app.sessions.epoch(&account.id).await?),
        None => None,
    };
    let account = app.check_password(asked).await?;
    let grant = Grant::new(
        account.id,
        Member {
            username: username.clone(),
        },
    )
    .factor(Factor::Password)
    .roles(app.roles(&username));
    let login = session.login(grant);
    match epoch {
        Some(epoch) => login.since(epoch).await?,
        None => login.await?,
    };
    Ok(StatusCode::NO_CONTENT)
}

async fn session_me(user: AuthUser<Member>) -> Json<AuthUser<Member>> {
    Json(user)
}

async fn session_logout(session: Session) -> Result<StatusCode, Rejection> {
    session.logout().await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn jwks(State(app): State<App>) -> impl IntoResponse {
    (
        [(header::CACHE_CONTROL, "public, max-age=300")],
        Json(app.jwt.keys().public_jwks()),
    )
}

impl App {
    async fn account(&self, username: &str) -> Result<Option<Account>, Failure> {
        let entry = self.store.get(&account_key(username)).await?;
        Ok(entry
            .map(|entry| serde_json::from_slice(&entry.value))
            .transpose()?)
    }

    /// The account behind the credentials. An unknown name costs the same hash as a wrong password.
    async fn check_password(&self, asked: Credentials) -> Result<Account, Failure> {
        let account = self.account(&asked.username).await?;
        let expected = account
            .as_ref()
            .map_or(&*self.decoy, |account| &account.password_hash)
            .to_owned();
        let is_right = self
            .hashing(move || {
                let expected = PasswordHash::new(&expected)?;
                Ok(Argon2::default()
                    .verify_password(asked.password.as_bytes(), &expected)
                    .is_ok())
            })
            .await?;
        account.filter(|_| is_right).ok_or(Failure::WrongPassword)
    }

    async fn hash(&self, password: String) -> Result<String, Failure> {
        self.hashing(move || {
            Ok(Argon2::default()
                .hash_password(password.as_bytes())?
                .to_string())
        })
        .await
    }

    /// Runs a hash on a thread of its own, a few at a time: each takes 19 MiB.
    async fn hashing<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, argon2::password_hash::Error> + Send + 'static,
    ) -> Result<T, Failure> {
        let permit = Arc::clone(&self.hashing)
            .try_acquire_owned()
            .map_err(|_| Failure::Busy)?;
        let done = spawn_blocking(move || {
            let answer = work();
            drop(permit);
            answer
        });
        Ok(done.await??)
    }

    fn roles(&self, username: &str) -> Vec<String> {
        let is_admin = self.admin.as_deref() == Some(username);
        is_admin.then(|| "admin".to_owned()).into_iter().collect()
    }
}

fn account_key(username: &str) -> store::Key {
    store::Key::new("account", &[username.as_bytes()])
}

enum Failure {
    WrongPassword,
    Conflict,
    Unprocessable(&'static str),
    Busy,
    Rejected(Rejection),
    Broken(Box<dyn Error + Send + Sync>),
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let (status, detail) = match self {
            Self::WrongPassword => (StatusCode::UNAUTHORIZED, "wrong username or password"),
            Self::Conflict => (StatusCode::CONFLICT, "this username is taken"),
            Self::Unprocessable(detail) => (StatusCode::UNPROCESSABLE_ENTITY, detail),
            Self::Busy => (StatusCode::TOO_MANY_REQUESTS, "too many logins at once"),
            Self::Rejected(rejection) => return rejection.into_response(),
            Self::Broken(error) => {
                tracing::error!(error, "request failed");
                (StatusCode::INTERNAL_SERVER_ERROR, "something went wrong")
            }
        };
        let problem = json!({ "type": "about:blank", "title": status.canonical_reason(), "status": status.as_u16(), "detail": detail });
        let mut response = (status, Json(problem)).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            header::HeaderValue::from_static("application/problem+json"),
        );
        if status == StatusCode::TOO_MANY_REQUESTS {
            headers.insert(header::RETRY_AFTER, header::HeaderValue::from_static("1"));
        }
        response
    }
}

/// What the library refuses has its own answer; everything else is our fault.
impl<E: Into<Box<dyn Error + Send + Sync>>> From<E> for Failure {
    fn from(error: E) -> Self {
        let error = match error.into().downcast::<tower_jam::StoreError>() {
            Ok(error) => return Self::Rejected((*error).into()),
            Err(error) => error,
        };
        match error.downcast::<tower_jam::IssueError>() {
            Ok(error) => Self::Rejected((*error).into()),
            Err(error) => Self::Broken(error),
        }
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
    let app = App {
        jwt: Jwt::builder(ring)
            .issuer(issuer)
            .audience("example")
            .build()?,
        sessions: Sessions::builder(Arc::clone(&store), &secret)
            .issuer(issuer)
            .build()?,
        store,
        hashing: Arc::new(Semaphore::new(16)),
        decoy: Argon2::default()
            .hash_password(b"nobody's password")?
            .to_string()
            .into(),
        admin: admin.map(Into::into),
    };
    let listener = TcpListener::bind(listen)
        .await
        .map_err(|error| format!("cannot listen on {listen}: {error}"))?;
    greet(listener.local_addr()?)?;
    let server = axum::serve(listener, router(app)).with_graceful_shutdown(stopped());
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
