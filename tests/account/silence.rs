//! Checks that no part of a password, a token or a fingerprint is in a log or in a store, whatever
//! is done with them.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, body::Body, extract::ConnectInfo, http::Request, routing::get};
use base64_simd::URL_SAFE_NO_PAD;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;
use tower_jam::{
    Accounts, Algorithm, Claims, Env, Grant, Identity, Jwt, Key, KeyRing, MasterSecret, Passwords,
    Sessions, Throttle, TokenPairs, account,
    account::{StoreUsers, Users},
    layer::AuthLayer,
    password::Cost,
    routes,
    store::{FileStore, MemoryStore, PostgresStore, RedisStore, Store},
};
use tracing::Level;

use crate::support::{ProbeStore, again, log::Log, postgres, process::Folder, redis, shared};

const ISSUER: &str = "https://auth.acme.dev";
const PASSWORDS: [&str; 3] = [
    "swordfish number one",
    "swordfish number two",
    "swordfish number three",
];

async fn send(app: &Router, method: &str, path: &str, bearer: &str, body: &Value) -> (u16, Value) {
    let (status, _, body) = exchange(app, method, path, bearer, body).await;
    (status, body)
}

/// Returns the status, the cookies and the body of a response.
async fn exchange(
    app: &Router,
    method: &str,
    path: &str,
    bearer: &str,
    body: &Value,
) -> (u16, Vec<String>, Value) {
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
    let cookies = response.headers().get_all("set-cookie").iter();
    let cookies = cookies
        .map(|line| line.to_str().unwrap().to_owned())
        .collect();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (
        status,
        cookies,
        serde_json::from_slice(&body).unwrap_or_default(),
    )
}

/// Does everything that clients do, correctly and wrongly. Returns what must not appear anywhere.
async fn use_accounts(probe: &ProbeStore, app: &Router) -> Vec<String> {
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
    // A deserializer quotes a value of the wrong type, which may be a secret that a client sent as
    // a number.
    let number = json!({ "refresh_token": 481_516_234_213_u64 });
    assert_eq!(send(app, "POST", "/refresh", "", &number).await.0, 422);
    secrets.push("481516234213".to_owned());
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
    // A session, a device over the limit, a replayed token, and guesses until the lock.
    let (status, cookies, _) =
        exchange(app, "POST", "/session/login", "", &login(PASSWORDS[0])).await;
    assert_eq!(status, 204);
    for cookie in cookies {
        secrets.extend(
            cookie
                .split(['=', ';', '.'])
                .filter(|part| part.len() > 20)
                .map(str::to_owned),
        );
    }
    for _ in 0..6 {
        let (status, pair) = send(app, "POST", "/login", "", &login(PASSWORDS[0])).await;
        assert_eq!(status, 200, "{pair}");
        tokens.push((
            pair["access_token"].as_str().unwrap().to_owned(),
            pair["refresh_token"].as_str().unwrap().to_owned(),
        ));
    }
    let newest = tokens[tokens.len() - 1].clone();
    let access = newest.0.clone();
    let change = json!({ "current": PASSWORDS[0], "new": PASSWORDS[2] });
    assert_eq!(
        send(app, "POST", "/password", &access, &change).await.0,
        204
    );
    assert_eq!(send(app, "POST", "/refresh", "", &other).await.0, 401);
    for _ in 0..12 {
        send(app, "POST", "/login", "", &login("swordfish guessed")).await;
    }
    for (access, refresh) in tokens {
        secrets.extend(access.split('.').map(str::to_owned));
        secrets.push(refresh);
    }
    secrets.push("swordfish".to_owned());
    secrets
}

/// Runs an application of one user on `store`. Returns what must not appear anywhere.
async fn an_application(probe: &ProbeStore, store: &Arc<dyn Store>) -> Vec<String> {
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
    let users = StoreUsers::new(&Env::new(ISSUER, store.clone(), &secret));
    let hash = passwords.check_new(PASSWORDS[0]).await.unwrap();
    let hash = passwords.hash(&hash).await.unwrap();
    users
        .add("alice", hash.expose(), ["editor"], Claims::new())
        .await
        .unwrap();
    let users: Arc<dyn Users<Claims>> = Arc::new(users);
    let jwt = Jwt::builder(KeyRing::new(Key::generate(Algorithm::EdDsa).unwrap()))
        .issuer(ISSUER)
        .audience("api")
        .build()
        .unwrap();
    let reread = |subject: String| async { Ok(Some(Grant::new(subject, Claims::new()))) };
    let hasty = TokenPairs::builder(
        &Env::new(ISSUER, store.clone(), &secret),
        jwt.clone(),
        reread,
    )
    .grace(Duration::ZERO)
    .build()
    .unwrap();
    let reread = account::user_reader(users.clone());
    let pairs = TokenPairs::builder(&Env::new(ISSUER, store.clone(), &secret), jwt, reread)
        .max_devices(5)
        .build()
        .unwrap();
    let sessions = Sessions::builder(&Env::new(ISSUER, store.clone(), &secret));
    let sessions = sessions.users(account::user_reader(users.clone()));
    let sessions = sessions.build().unwrap();
    let throttle = Throttle::builder(&Env::new(ISSUER, store.clone(), &secret)).build();
    let accounts = Accounts::builder(
        &Env::new(ISSUER, store.clone(), &secret),
        users,
        passwords,
        throttle,
        pairs.clone(),
    )
    .sessions(sessions)
    .build()
    .unwrap();
    let me = get(|_: Identity| async { "you" }).route_layer(AuthLayer::new(pairs));
    let app = Router::new()
        .route("/me", me)
        .merge(routes::accounts(accounts));
    let mut secrets = use_accounts(probe, &app).await;
    // A token that is used again long after its successor was issued.
    let stolen = hasty.issue(Grant::new("bob", Claims::new())).await.unwrap();
    let token = stolen.refresh_token.expose();
    let next = hasty.refresh(token, None).await.unwrap();
    assert!(hasty.refresh(token, None).await.is_err());
    secrets.extend([token.clone(), next.refresh_token.expose().clone()]);
    secrets
}

/// The content of each store, as an attacker finds it on a stolen disk.
async fn on_every_store() -> Vec<(&'static str, Vec<String>, Vec<Vec<u8>>)> {
    let mut found = Vec::new();
    let (probe, store) = shared(ProbeStore::new(MemoryStore::new()));
    found.push((
        "memory",
        an_application(&probe, &store).await,
        probe.written(),
    ));
    let nothing = ProbeStore::new(MemoryStore::new());

    let folder = Folder::new("account-silence");
    let path = folder.path().join("store.redb");
    let store: Arc<dyn Store> = Arc::new(FileStore::open(&path).unwrap());
    let secrets = an_application(&nothing, &store).await;
    drop(store);
    found.push(("file", secrets, vec![std::fs::read(&path).unwrap()]));

    let server = redis::Server::start();
    let store: Arc<dyn Store> = Arc::new(RedisStore::connect(&server.url()).await.unwrap());
    let secrets = an_application(&nothing, &store).await;
    let names = server.command(&["KEYS", "*"]);
    let names = names.lines().filter(|line| line.starts_with("tower-jam:"));
    let values = names.filter_map(|name| {
        let value = redis::reply_to(server.port, &[b"GET", name.as_bytes()])?;
        Some([name.as_bytes(), &value].concat())
    });
    found.push(("redis", secrets, values.collect()));

    let url = postgres::Server::shared().database().await;
    let store: Arc<dyn Store> = Arc::new(PostgresStore::connect(&url).await.unwrap());
    let secrets = an_application(&nothing, &store).await;
    let pool = sqlx::PgPool::connect(&url).await.unwrap();
    let rows = "SELECT row_to_json(t)::text::bytea FROM tower_jam.entries t";
    let mut values: Vec<Vec<u8>> = sqlx::query_scalar(rows).fetch_all(&pool).await.unwrap();
    let raw = "SELECT value FROM tower_jam.entries";
    values.extend(
        sqlx::query_scalar::<_, Vec<u8>>(raw)
            .fetch_all(&pool)
            .await
            .unwrap(),
    );
    found.push(("postgres", secrets, values));
    found
}

#[test]
fn no_password_token_or_fingerprint_is_in_a_log_or_in_a_store() {
    let body = "silence::in_a_process_of_its_own";
    let ran = again(body).output().unwrap();
    let out = String::from_utf8_lossy(&ran.stdout);
    let err = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{out}{err}");
    assert!(out.contains("1 passed"), "{out}");
}

#[test]
#[ignore = "the body of a child process"]
fn in_a_process_of_its_own() {
    let log = Log::default();
    // For the whole process, with what other crates log through `log`, as fred does.
    tracing_subscriber::fmt()
        .with_max_level(Level::TRACE)
        .with_ansi(false)
        .with_writer(log.clone())
        .init();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let found = runtime.block_on(on_every_store());
    let log = log.text();
    for code in [
        "login_succeeded",
        "wrong_password",
        "refreshed",
        "fingerprint_changed",
        "password_changed",
        "session_ended",
        "reuse_detected",
        "device_evicted",
        "throttled",
    ] {
        assert!(log.contains(code), "the log contains {code}");
    }
    assert!(log.contains("request refused"));
    // The drivers of the stores have logged as well.
    for other in ["sqlx", "fred"] {
        assert!(log.contains(other), "{other} has logged nothing");
    }
    for (store, secrets, values) in found {
        assert!(secrets.len() > 12 && !values.is_empty(), "{store}");
        let size: usize = values.iter().map(Vec::len).sum();
        assert!(size > 1_000, "{store}: {size} bytes were searched");
        for secret in secrets.iter().filter(|secret| secret.len() >= 9) {
            let decoded = URL_SAFE_NO_PAD.decode_to_vec(secret.as_bytes());
            // As it was sent, as the bytes that it encodes, and either of them in hexadecimal.
            let mut forms = vec![secret.clone().into_bytes()];
            forms.extend(decoded.ok().filter(|bytes| bytes.len() >= 9));
            let hex = |bytes: &Vec<u8>| {
                let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                digits.into_bytes()
            };
            forms.extend(forms.clone().iter().map(hex));
            for form in &forms {
                let is_in = |text: &[u8]| text.windows(form.len()).any(|part| part == form);
                assert!(
                    !is_in(log.as_bytes()),
                    "{store}: the log contains {secret:?}"
                );
                assert!(
                    !values.iter().any(|value| is_in(value)),
                    "{store} holds {secret:?}"
                );
            }
        }
    }
}
