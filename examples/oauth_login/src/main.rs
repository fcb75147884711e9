//! A page whose users log in with an identity provider.
//!
//! `cargo run -p example-oauth-login`, then open the address that it prints. The provider is a
//! small one in this process. If GITHUB_ID and GITHUB_SECRET are set, it is GitHub: register an
//! application there with the callback that is printed.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "an example talks to its reader, and a lock is not poisoned"
)]

mod provider;

use std::{
    collections::HashMap,
    env,
    error::Error,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    response::{Html, IntoResponse, Redirect},
    routing::{get, post},
};
use tokio::net::TcpListener;
use tower_jam::{
    Accounts, Algorithm, AuthUser, Claims, Env, Grant, Jwt, Key, KeyRing, MasterSecret, OAuth2,
    Passwords, Rejection, Session, SessionLayer, Sessions, StoreError, Throttle, TokenPairs,
    account::{self, User, Users},
    oauth2::{Provider, ProviderLogin},
    store::{MemoryStore, Store, StoreFuture},
};

/// The users of this page. A real application has a table, with a column for each part of the key
/// and a unique index on both.
#[derive(Default)]
struct People {
    ids: Mutex<HashMap<(String, String), String>>,
    names: Mutex<HashMap<String, String>>,
}

impl People {
    /// Returns the id of the user that belongs to a login. The first login creates the user.
    fn link(&self, login: &ProviderLogin) -> String {
        let (issuer, subject) = login.profile.key();
        let mut ids = self.ids.lock().unwrap();
        let next = (ids.len() + 1).to_string();
        let key = (issuer.to_owned(), subject.to_owned());
        let id = ids.entry(key).or_insert(next).clone();
        let name = login.profile.name.as_deref().unwrap_or("somebody");
        let mut names = self.names.lock().unwrap();
        names.insert(id.clone(), name.to_owned());
        id
    }
}

impl Users<Claims> for People {
    /// Finds no user by name, since no user has a password.
    fn find<'a>(&'a self, _: &'a str) -> StoreFuture<'a, Option<User<Claims>>> {
        Box::pin(async { Ok(None) })
    }

    fn read<'a>(&'a self, id: &'a str) -> StoreFuture<'a, Option<User<Claims>>> {
        let name = self.names.lock().unwrap().get(id).cloned();
        let user = name.and_then(|name| Claims::new().with("name", name).ok());
        let user = user.map(|claims| User::new(Grant::new(id, claims), ""));
        Box::pin(async { Ok(user) })
    }

    fn replace_hash<'a>(&'a self, _: &'a str, _: &'a str, _: &'a str) -> StoreFuture<'a, bool> {
        Box::pin(async { Ok(false) })
    }
}

async fn page(user: Option<AuthUser<Claims>>) -> Html<String> {
    let name = user.and_then(|user| user.get::<String>("name").ok().flatten());
    Html(match name {
        // The user chose the name at the provider, so it is not trusted.
        Some(name) => format!(
            "Hello, {}. <form method=post action=/logout><button>Log out</button></form>\n",
            name.replace('&', "&amp;").replace('<', "&lt;")
        ),
        None => "<a href=/oauth/login>Log in</a>\n".to_owned(),
    })
}

async fn logout(session: Session) -> Result<impl IntoResponse, Rejection> {
    session.logout().await?;
    Ok(Redirect::to("/"))
}

const ISSUER: &str = "https://acme.dev";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = env::args()
        .nth(1)
        .unwrap_or_else(|| "127.0.0.1:3000".to_owned());
    let listener = TcpListener::bind(address).await?;
    let url = format!("http://{}", listener.local_addr()?);

    let provider = match (env::var("GITHUB_ID"), env::var("GITHUB_SECRET")) {
        (Ok(id), Ok(secret)) => Provider::github(&id, &secret).build()?,
        _ => own_provider().await?,
    };
    let name = provider.name().to_owned();
    let callback = format!("{url}/oauth/{name}/callback");
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let secret = MasterSecret::generate();
    let oauth = OAuth2::builder(&Env::new(ISSUER, store.clone(), &secret), provider)
        .redirect_url(&callback)
        .build()?;

    let people = Arc::new(People::default());
    let users: Arc<dyn Users<Claims>> = people.clone();
    let sessions = Sessions::builder(&Env::new(ISSUER, store.clone(), &secret))
        .users(account::user_reader(users))
        .build()?;
    let accounts = accounts(people.clone(), store, &secret, sessions.clone())?;
    let link = move |login: ProviderLogin| {
        let people = people.clone();
        async move { Ok::<_, StoreError>(Some(people.link(&login))) }
    };
    let app = Router::new()
        .route("/logout", post(logout))
        .route("/", get(page))
        .route_layer(SessionLayer::new(sessions).optional())
        .route(
            "/oauth/login",
            get(async move || Redirect::to(&format!("/oauth/{name}/login?return_to=/"))),
        )
        .merge(tower_jam::routes::providers(accounts, [oauth], link)?);
    println!("callback: {callback}\nopen {url}/");
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    Ok(axum::serve(listener, app).await?)
}

/// Starts a provider in this process and discovers it by its address, like any other.
async fn own_provider() -> Result<Provider, Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let routes = provider::routes(&url, "example")?;
    tokio::spawn(async move { axum::serve(listener, routes).await });
    let found = Provider::discover("own", &url, "example")
        .dangerous_http_on_loopback()
        .await?;
    Ok(found.client_secret("swordfish").build()?)
}

/// Returns accounts whose logins create a session.
fn accounts(
    people: Arc<dyn Users<Claims>>,
    store: Arc<dyn Store>,
    secret: &MasterSecret,
    sessions: Sessions<Claims>,
) -> Result<Accounts<Claims>, Box<dyn Error>> {
    let ring = KeyRing::new(Key::generate(Algorithm::EdDsa)?);
    let env = Env::new(ISSUER, store, secret);
    let jwt = Jwt::builder(ring).env(&env).audience("acme").build()?;
    let reread = account::user_reader(people.clone());
    let pairs = TokenPairs::builder(&env, jwt, reread).build()?;
    let throttle = Throttle::builder(&env).build();
    let passwords = Passwords::builder().build()?;
    let accounts = Accounts::builder(&env, people, passwords, throttle, pairs);
    Ok(accounts.sessions(sessions).build()?)
}
