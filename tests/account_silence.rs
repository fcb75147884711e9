//! Proves that nothing of a password, a token or a fingerprint is in a log or in the store, whatever is done with them.
//!
//! The only test of its process: what is logged is remembered for each line of code by whichever thread
//! comes to it first, and a thread without a log would silence it for all.
#![allow(
    clippy::unwrap_used,
    reason = "the helpers of a test panic as the test does"
)]

#[path = "support/log.rs"]
mod log;
mod support;

use std::{net::SocketAddr, sync::Arc};

use self::log::Log;
use axum::{Router, body::Body, extract::ConnectInfo, http::Request, routing::get};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use support::{ProbeStore, shared};
use tower::ServiceExt;
use tower_jam::{
    Accounts, Algorithm, Claims, Identity, Jwt, Key, KeyRing, MasterSecret, Passwords, Throttle,
    TokenPairs,
    account::{self, Cost, StoreUsers, Users},
    layer::AuthLayer,
    store::MemoryStore,
};
use tracing::{Level, subscriber::with_default};

const PASSWORDS: [&str; 3] = [
    "swordfish number one",
    "swordfish number two",
    "swordfish number three",
];

async fn send(app: &Router, method: &str, path: &str, bearer: &str, body: &Value) -> (u16, Value) {
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", "application/json")
        .header("authorization", format!("Bearer {bearer}"))
        .header("user-agent", "a browser")
        .body(Body::from(body.to_string()))
        .unwrap();
    let peer: SocketAddr = "192.0.2.1:9".parse().unwrap();
    request.extensions_mut().insert(ConnectInfo(peer));
    let response = app.clone().oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

/// Everything that clients do, well and badly; returns what must not be seen anywhere.
async fn a_day(probe: &ProbeStore, app: &Router) -> Vec<String> {
    let mut secrets: Vec<String> = PASSWORDS.map(str::to_owned).into();
    let fingerprint = json!({ "screen": "swordfish pixels" });
    let login = |password: &str| json!({ "username": "alice", "password": password, "device_name": "phone", "fingerprint": fingerprint });
    let mut tokens = Vec::new();
    for _ in 0..3 {
        let (status, pair) = send(app, "POST", "/login", "", &login(PASSWORDS[0])).await;
        assert_eq!(status, 200, "{pair}");
        tokens.push((
            pair["access_token"].as_str().unwrap().to_owned(),
            pair["refresh_token"].as_str().unwrap().to_owned(),
        ));
    }
    assert_eq!(
        send(app, "POST", "/login", "", &login(PASSWORDS[1]))
            .await
            .0,
        401
    );
    let (access, refresh) = tokens[0].clone();
    let body = json!({ "refresh_token": refresh, "fingerprint": "swordfish of another browser" });
    let (status, pair) = send(app, "POST", "/refresh", "", &body).await;
    assert_eq!(status, 200);
    tokens.push((
        pair["access_token"].as_str().unwrap().to_owned(),
        pair["refresh_token"].as_str().unwrap().to_owned(),
    ));
    for fails_at in 1..4 {
        probe.fail_at(fails_at, true);
        send(app, "POST", "/refresh", "", &body).await;
        probe.fail_at(fails_at, false);
        send(app, "POST", "/login", "", &login(PASSWORDS[0])).await;
        probe.fail_at(fails_at, false);
        send(app, "GET", "/active_sessions", &access, &Value::Null).await;
        probe.fail_at(0, false);
    }
    assert_eq!(send(app, "GET", "/me", &refresh, &Value::Null).await.0, 401);
    assert_eq!(send(app, "GET", "/me", &access, &Value::Null).await.0, 200);
    let other = json!({ "refresh_token": tokens[3].1 });
    assert_eq!(
        send(app, "POST", "/revoke_other_session", &access, &other)
            .await
            .0,
        204
    );
    assert_eq!(
        send(
            app,
            "POST",
            "/logout",
            "",
            &json!({ "refresh_token": tokens[1].1 })
        )
        .await
        .0,
        204
    );
    let change = json!({ "current": PASSWORDS[0], "new": PASSWORDS[2] });
    assert_eq!(
        send(app, "POST", "/password", &access, &change).await.0,
        204
    );
    assert_eq!(send(app, "POST", "/refresh", "", &other).await.0, 401);
    for (access, refresh) in tokens {
        secrets.extend(access.split('.').map(str::to_owned));
        secrets.push(refresh);
    }
    secrets.push("swordfish".to_owned());
    secrets
}

#[test]
fn no_password_token_or_fingerprint_is_in_a_log_or_in_the_store() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(Level::TRACE)
        .with_ansi(false)
        .with_writer(log.clone())
        .finish();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let (probe, store) = shared(ProbeStore::new(MemoryStore::new()));
    let secrets = with_default(subscriber, || {
        runtime.block_on(async {
            let secret = MasterSecret::generate();
            let cost = Cost::Argon2id {
                memory_kib: 8,
                passes: 1,
                lanes: 1,
            };
            let passwords = Passwords::builder()
                .dangerous_cost(cost)
                .pepper(&secret)
                .build()
                .unwrap();
            let users = StoreUsers::new(store.clone());
            let hash = passwords.check_new(PASSWORDS[0]).await.unwrap();
            let hash = passwords.hash(&hash).await.unwrap();
            users
                .add("alice", hash.expose(), ["editor"], Claims::new())
                .await
                .unwrap();
            let users: Arc<dyn Users<Claims>> = Arc::new(users);
            let jwt = Jwt::builder(KeyRing::new(Key::generate(Algorithm::EdDsa).unwrap()))
                .issuer("https://auth.acme.dev")
                .audience("api")
                .build()
                .unwrap();
            let reread = account::reread(users.clone());
            let pairs = TokenPairs::builder(jwt, store.clone(), &secret, reread)
                .build()
                .unwrap();
            let throttle = Throttle::builder(store.clone(), &secret).build();
            let accounts = Accounts::builder(users, passwords, throttle, pairs.clone()).build();
            let me = get(|_: Identity| async { "you" }).route_layer(AuthLayer::new(pairs));
            let app = Router::new()
                .route("/me", me)
                .merge(account::routes(accounts));
            a_day(&probe, &app).await
        })
    });
    let log = log.text();
    for code in [
        "login_succeeded",
        "wrong_password",
        "refreshed",
        "fingerprint_changed",
        "password_changed",
        "session_ended",
    ] {
        assert!(
            log.contains(code),
            "the log was looked at, and has {code}: {log}"
        );
    }
    assert!(log.contains("request refused"));
    let written = probe.written();
    assert!(secrets.len() > 12 && written.len() > 10);
    for secret in secrets.iter().filter(|secret| secret.len() >= 9) {
        assert!(!log.contains(secret.as_str()), "the log has {secret:?}");
        for value in &written {
            let text = String::from_utf8_lossy(value);
            assert!(!text.contains(secret.as_str()), "the store has {secret:?}");
        }
    }
}
