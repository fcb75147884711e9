//! An application with accounts, and requests to it.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::ConnectInfo,
    http::{HeaderMap, Request, header},
    routing::get,
};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;
use tower_jam::{
    Accounts, Algorithm, AuthUser, Claims, Clock, Env, Jwt, Key, KeyRing, MasterSecret, Otp,
    Passwords, Secret, Sessions, SystemClock, Throttle, TokenPairs, account,
    account::{Credentials, Origin, StoreUsers, Users},
    event::{Event, EventKind, Events},
    layer::AuthLayer,
    password::Cost,
    routes,
    routes::AccountRoutes,
    store::{MemoryStore, Store},
    testing::ManualClock,
};

pub const PASSWORD: &str = "correct horse, battery";
pub const ISSUER: &str = "https://auth.acme.dev";
pub const WRONG: &str = "incorrect horse, battery";

/// An application with the user alice.
pub struct World {
    pub clock: Arc<ManualClock>,
    pub users: Arc<StoreUsers<Claims>>,
    pub alice: String,
    pub accounts: Accounts<Claims>,
    pub passwords: Passwords,
    pub sessions: Sessions<Claims>,
    pub store: Arc<dyn Store>,
    pub otp: Otp,
    pub events: Arc<Mutex<Vec<Event>>>,
    pub shared: Shared,
}

/// The least memory that argon2 accepts, so that a hundred logins are quick.
pub const CHEAP_KIB: u32 = 8;

pub fn passwords(memory_kib: u32) -> Passwords {
    let cost = Cost::Argon2id {
        memory_kib,
        passes: 1,
        lanes: 1,
    };
    Passwords::builder().dangerous_cost(cost).build().unwrap()
}

pub async fn world_on(store: Arc<dyn Store>, clock: Arc<ManualClock>) -> World {
    world_at(store, clock, CHEAP_KIB).await
}

/// The same with hashes of this cost.
pub async fn world_at(store: Arc<dyn Store>, clock: Arc<ManualClock>, memory_kib: u32) -> World {
    let passwords = passwords(memory_kib);
    let secret = MasterSecret::generate();
    let users = StoreUsers::new(&Env::new(ISSUER, store.clone(), &secret));
    let hash = passwords.check_new(PASSWORD).await.unwrap();
    let hash = passwords.hash(&hash).await.unwrap();
    let claims = Claims::new().with("name", "Alice").unwrap();
    let alice = users
        .add("alice", hash.expose(), ["editor"], claims)
        .await
        .unwrap()
        .unwrap();
    let shared = Shared {
        secret,
        otp_secret: None,
        ring: KeyRing::new(Key::generate(Algorithm::EdDsa).unwrap()),
        alice,
        clock,
        memory_kib,
        events: Arc::default(),
    };
    shared.node(&store, |users| users)
}

/// What the nodes of an application share, except the store.
#[derive(Clone)]
pub struct Shared {
    pub secret: MasterSecret,
    /// The secret of the one-time codes, if it is a separate one.
    pub otp_secret: Option<MasterSecret>,
    ring: KeyRing,
    alice: String,
    clock: Arc<ManualClock>,
    memory_kib: u32,
    pub events: Arc<Mutex<Vec<Event>>>,
}

impl Shared {
    /// A node of the application, whose accounts read the users through `seen`.
    pub fn node(
        &self,
        store: &Arc<dyn Store>,
        seen: impl FnOnce(Arc<dyn Users<Claims>>) -> Arc<dyn Users<Claims>>,
    ) -> World {
        let (clock, passwords) = (self.clock.clone(), passwords(self.memory_kib));
        let users = Arc::new(StoreUsers::new(&Env::new(
            ISSUER,
            store.clone(),
            &self.secret,
        )));
        let recorded = Arc::clone(&self.events);
        let sink = Events::to(move |event: &Event| recorded.lock().unwrap().push(event.clone()));
        let jwt = Jwt::builder(self.ring.clone())
            .issuer(ISSUER)
            .audience("api")
            .clock(clock.clone())
            .build()
            .unwrap();
        let found = seen(users.clone());
        let reread = account::user_reader(found.clone());
        let pairs = TokenPairs::builder(
            &Env::new(ISSUER, store.clone(), &self.secret).with_events(sink.clone()),
            jwt,
            reread,
        )
        .build()
        .unwrap();
        let sessions = Sessions::builder(
            &Env::new(ISSUER, store.clone(), &self.secret).with_clock(clock.clone()),
        )
        .users(account::user_reader(found.clone()))
        .build()
        .unwrap();
        let throttle = Throttle::builder(
            &Env::new(ISSUER, store.clone(), &self.secret)
                .with_clock(clock.clone())
                .with_events(sink.clone()),
        )
        .build();
        let secret = self.otp_secret.as_ref().unwrap_or(&self.secret);
        let otp = Otp::builder(
            &Env::new(ISSUER, store.clone(), secret)
                .with_clock(clock.clone())
                .with_events(sink.clone()),
            "Acme",
        )
        .build()
        .unwrap();
        let accounts = Accounts::builder(
            &Env::new(ISSUER, store.clone(), secret)
                .with_clock(clock.clone())
                .with_events(sink),
            found,
            passwords.clone(),
            throttle,
            pairs,
        )
        .sessions(sessions.clone())
        .otp(otp.clone())
        .remember_devices(Duration::from_secs(30 * 86_400))
        .unwrap()
        .build()
        .unwrap();
        World {
            store: store.clone(),
            otp,
            clock,
            users,
            alice: self.alice.clone(),
            accounts,
            passwords,
            sessions,
            events: Arc::clone(&self.events),
            shared: self.clone(),
        }
    }
}

pub async fn world() -> World {
    let clock = Arc::new(ManualClock::at(SystemClock.now()));
    let store = Arc::new(MemoryStore::new().with_clock(clock.clone()));
    world_on(store, clock).await
}

impl World {
    pub fn app(&self) -> Router {
        self.mount(routes::accounts(self.accounts.clone()))
    }

    pub fn with_cookie(&self) -> Router {
        let routes = AccountRoutes::builder(self.accounts.clone());
        self.mount(Router::new().nest("/auth", routes.refresh_cookie().build()))
    }

    pub fn mount(&self, routes: Router) -> Router {
        let me = get(|user: AuthUser<Claims>| async { axum::Json(user) });
        let access = AuthLayer::new(self.accounts.pairs().clone());
        Router::new()
            .route("/me", me)
            .route_layer(access)
            .merge(routes)
    }

    pub fn count(&self, kind: EventKind) -> usize {
        let events = self.events.lock().unwrap();
        events.iter().filter(|event| event.kind == kind).count()
    }

    pub fn credentials(&self, password: &str) -> Credentials {
        Credentials {
            name: "alice".to_owned(),
            password: Secret::new(password.to_owned()),
        }
    }

    pub async fn login(&self) -> Pair {
        let answer = post(&self.app(), "/login", &[], login("alice", PASSWORD)).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        Pair::of(&answer)
    }
}

pub struct Pair {
    pub bearer: String,
    pub refresh: String,
}

impl Pair {
    pub fn of(answer: &Answer) -> Self {
        let text = |name: &str| answer.json()[name].as_str().unwrap().to_owned();
        Self {
            bearer: format!("Bearer {}", text("access_token")),
            refresh: text("refresh_token"),
        }
    }

    pub fn authorization(&self) -> [(&str, &str); 1] {
        [("authorization", &self.bearer)]
    }

    pub fn body(&self) -> Value {
        json!({ "refresh_token": self.refresh })
    }
}

#[derive(PartialEq, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("{}", self.text))
    }

    pub fn cookie(&self, name: &str) -> Option<String> {
        let mut lines = self.headers.get_all(header::SET_COOKIE).iter();
        let line = lines.find(|line| line.to_str().unwrap().starts_with(&format!("{name}=")))?;
        Some(line.to_str().unwrap().to_owned())
    }
}

pub fn login(name: &str, password: &str) -> Value {
    json!({ "username": name, "password": password })
}

pub async fn send(
    app: &Router,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: String,
) -> Answer {
    send_from(app, Some("192.0.2.1:9"), method, path, headers, body).await
}

pub async fn send_from(
    app: &Router,
    peer: Option<&str>,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: String,
) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut request = request.body(Body::from(body)).unwrap();
    if let Some(peer) = peer {
        let peer: SocketAddr = peer.parse().unwrap();
        request.extensions_mut().insert(ConnectInfo(peer));
    }
    let response = app.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Answer {
        status: parts.status.as_u16(),
        headers: parts.headers,
        text: String::from_utf8(body.to_vec()).unwrap(),
    }
}

pub async fn post(app: &Router, path: &str, headers: &[(&str, &str)], body: Value) -> Answer {
    let mut headers = headers.to_vec();
    headers.push(("content-type", "application/json"));
    send(app, "POST", path, &headers, body.to_string()).await
}

pub fn origin() -> Origin {
    Origin::new("192.0.2.1".parse().unwrap())
}
