//! The table `store`: sessions on every kind of store, and the effect of each of its settings.

use std::time::{Duration, Instant};

use http::StatusCode;
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};
use tower_jam::{Jam, Rejection, store::StoreKey};

use crate::{
    support::{
        postgres,
        process::{Folder, free_port, until},
        redis::{self, Certificate, Cluster, Guarded, Shape},
    },
    world::{alice, build, built, error_chain, instance, visit},
};

/// Jam's README, sessions on Redis: two nodes of one configuration, and a logout on one of them.
async fn nodes_share_sessions(store: &Value) {
    let config = instance(json!({ "store": store }));
    let [one, other] = [built(&config).await, built(&config).await];
    one.ready().await.unwrap();
    let session = one.session_create(alice()).await.unwrap();
    let token = session.token.expose();
    assert!(other.session_get(token).await.unwrap().is_some(), "{store}");
    assert_eq!(visit(&other, token).await, StatusCode::OK, "{store}");
    let count = |data: &mut tower_jam::session::SessionData<_>| {
        data.values.insert("visits".to_owned(), json!(1));
    };
    other.session_update(token, count).await.unwrap().unwrap();
    let (_, data) = one.session_get(token).await.unwrap().unwrap();
    assert_eq!(data.values["visits"], 1, "{store}");

    let renewed = other.session_rework(token).await.unwrap().unwrap();
    assert!(one.session_get(token).await.unwrap().is_none(), "{store}");
    let token = renewed.expose();
    assert_eq!(visit(&other, token).await, StatusCode::OK, "{store}");

    assert!(one.session_delete(token).await.unwrap());
    assert!(other.session_get(token).await.unwrap().is_none(), "{store}");
    // A near-cache receives the invalidation.
    let deadline = Instant::now() + Duration::from_secs(2);
    while visit(&other, token).await != StatusCode::UNAUTHORIZED {
        assert!(Instant::now() < deadline, "a logout was not seen: {store}");
        tokio::task::yield_now().await;
    }
    for _ in 0..2 {
        one.session_create(alice()).await.unwrap();
    }
    assert_eq!(other.session_clear("alice").await.unwrap(), 2, "{store}");
}

#[tokio::test]
async fn nodes_share_sessions_on_redis() {
    let url = redis::Server::shared().database();
    for more in [
        json!({}),
        json!({ "prefix": "acme", "connect_timeout": "500ms", "command_timeout": "2s" }),
        json!({ "near_cache": {} }),
        json!({ "near_cache": { "capacity": 100, "max_age": "5s" } }),
    ] {
        nodes_share_sessions(&table("redis", &url, more)).await;
    }
    for url in [Cluster::shared().url(), Guarded::shared().url()] {
        let more = json!({ "prefix": redis::prefix(), "near_cache": {} });
        nodes_share_sessions(&table("redis", &url, more)).await;
    }
}

#[tokio::test]
async fn nodes_share_sessions_on_postgres() {
    let url = postgres::Server::shared().database().await;
    for more in [
        json!({}),
        json!({ "schema": "auth", "prefix": "acme_", "connections": 2, "command_timeout": "2s" }),
        json!({ "near_cache": { "max_age": "5s" } }),
    ] {
        nodes_share_sessions(&table("postgres", &url, more)).await;
    }
}

/// A file has one owner, and the next process finds the sessions.
#[tokio::test]
async fn a_file_stores_sessions_for_the_next_process() {
    for near_cache in [None, Some(json!({}))] {
        let folder = Folder::new("file");
        let path = folder.path().join("store.redb");
        let mut store = json!({ "type": "file", "path": path });
        if let Some(near) = near_cache {
            store["near_cache"] = near;
        }
        let config = instance(json!({ "store": store }));
        let jam = built(&config).await;
        let [kept, ended] = [
            jam.session_create(alice()).await.unwrap(),
            jam.session_create(alice()).await.unwrap(),
        ];
        assert_eq!(visit(&jam, ended.token.expose()).await, StatusCode::OK);
        assert!(jam.session_delete(ended.token.expose()).await.unwrap());
        let status = visit(&jam, ended.token.expose()).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
        let failure = build(&config).await.unwrap_err();
        assert_eq!(failure.setting(), "store.path", "{failure}");
        drop(jam);
        let jam = built(&config).await;
        assert_eq!(visit(&jam, kept.token.expose()).await, StatusCode::OK);
        let status = visit(&jam, ended.token.expose()).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
    }
}

/// Everything on the store is unavailable at once, and available again without a restart.
#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_server_is_503_until_it_recovers() {
    let mut redis = redis::Server::start();
    let mut postgres = postgres::Server::start(&[]);
    execute_create(&postgres).await;
    for near_cache in [json!(null), json!({})] {
        let near = json!({ "near_cache": near_cache });
        let stores = [
            table("redis", &redis.url(), near.clone()),
            table("postgres", &postgres.url("jam"), near.clone()),
        ];
        let mut nodes = Vec::new();
        for store in stores {
            let jam = built(&instance(json!({ "store": store }))).await;
            let session = jam.session_create(alice()).await.unwrap();
            nodes.push((jam, session.token.expose().clone()));
        }
        redis.kill();
        postgres.kill();
        for (jam, session) in &nodes {
            until_ready_is(jam, false).await;
            let error = jam.ready().await.unwrap_err();
            assert_eq!(
                Rejection::from(error).status(),
                StatusCode::SERVICE_UNAVAILABLE
            );
            let refused = jam.session_get(session).await.err().unwrap();
            assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
            // A near-cache may answer from memory for the rest of a second.
            let deadline = Instant::now() + Duration::from_secs(3);
            while visit(jam, session).await != StatusCode::SERVICE_UNAVAILABLE {
                assert!(Instant::now() < deadline, "{near}");
                tokio::task::yield_now().await;
            }
        }
        until("Redis has its port again", || redis.run());
        postgres.restart();
        for (jam, session) in &nodes {
            until_ready_is(jam, true).await;
            let status = visit(jam, session).await;
            // That Redis has no file, so it has lost the session.
            let is_kept = format!("{:?}", jam.store()).contains("Postgres");
            let expected = if is_kept { 200 } else { 401 };
            assert_eq!(status, expected, "{near}");
            jam.session_create(alice()).await.unwrap();
        }
    }
}

async fn until_ready_is(jam: &Jam, is_ready: bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while jam.ready().await.is_ok() != is_ready {
        assert!(Instant::now() < deadline, "still ready: {}", !is_ready);
        tokio::task::yield_now().await;
    }
}

async fn execute_create(server: &postgres::Server) {
    postgres::execute(&server.url("postgres"), "CREATE DATABASE jam").await;
}

#[tokio::test]
async fn a_prefix_stands_before_every_key_of_redis() {
    for (issuer, prefix, expected) in [
        (Some("https://auth.acme.dev"), None, "auth.acme.dev:"),
        (
            Some("https://auth.acme.dev:8443/tenant"),
            None,
            "auth.acme.dev:",
        ),
        (Some("https://[::1]:8443"), None, "[::1]:"),
        (Some("https://auth.acme.dev"), Some("shop"), "shop:"),
        (None, None, "tower-jam:"),
    ] {
        let server = redis::Server::start();
        let mut config = instance(
            json!({ "store": table("redis", &server.url(), json!({ "prefix": prefix })) }),
        );
        config["issuer"] = json!(issuer);
        let jam = built(&config).await;
        jam.session_create(alice()).await.unwrap();
        let keys = server.command(&["KEYS", "*"]);
        let keys: Vec<_> = keys.lines().filter(|line| line.contains(':')).collect();
        assert!(
            !keys.is_empty() && keys.iter().all(|key| key.starts_with(expected)),
            "{keys:?}"
        );
    }
}

#[tokio::test]
async fn schema_prefix_and_connections_of_postgres_are_the_tables() {
    let url = postgres::Server::shared().database().await;
    let more = json!({ "schema": "auth", "prefix": "shop_", "connections": 2 });
    let jam = built(&instance(json!({ "store": table("postgres", &url, more) }))).await;
    let waves = (0..16).map(|_| jam.session_create(alice()));
    let all: Vec<_> = waves.collect();
    for session in futures_of(all).await {
        session.unwrap();
    }
    let mut connection = PgConnection::connect(&url).await.unwrap();
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT table_schema || '.' || table_name FROM information_schema.tables WHERE table_schema NOT IN \
         ('pg_catalog', 'information_schema')",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    assert!(
        tables.len() >= 2 && tables.iter().all(|name| name.starts_with("auth.shop_")),
        "{tables:?}"
    );
    let connections: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'tower-jam'",
    )
    .fetch_one(&mut connection)
    .await
    .unwrap();
    assert_eq!(connections, 2);
}

/// Awaits all of the futures concurrently.
async fn futures_of<F: Future>(futures: Vec<F>) -> Vec<F::Output> {
    let mut pinned: Vec<_> = futures.into_iter().map(Box::pin).collect();
    let mut answers: Vec<Option<F::Output>> = pinned.iter().map(|_| None).collect();
    std::future::poll_fn(|cx| {
        for (future, answer) in pinned.iter_mut().zip(&mut answers) {
            if answer.is_none()
                && let std::task::Poll::Ready(ready) = future.as_mut().poll(cx)
            {
                *answer = Some(ready);
            }
        }
        if answers.iter().all(Option::is_some) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    answers.into_iter().flatten().collect()
}

#[tokio::test]
async fn a_command_takes_no_longer_than_its_timeout() {
    let redis = redis::Server::start();
    let postgres = postgres::Server::start(&[]);
    execute_create(&postgres).await;
    let quick = json!({ "command_timeout": "200ms" });
    let nodes = [
        start_with_retries(table("redis", &redis.url(), quick.clone())).await,
        start_with_retries(table("postgres", &postgres.url("jam"), quick)).await,
    ];
    for jam in nodes {
        // A busy machine may be late once, but not each time; if the setting were ignored, every
        // attempt would be late.
        let mut seen = Vec::new();
        // The default is a second.
        while seen
            .last()
            .is_none_or(|it| *it > Duration::from_millis(900))
        {
            assert!(seen.len() < 5, "{seen:?}: {jam:?}");
            until_ready_is(&jam, true).await;
            redis.signal("STOP");
            postgres.signal("STOP");
            let began = Instant::now();
            jam.ready().await.unwrap_err();
            seen.push(began.elapsed());
            redis.signal("CONT");
            postgres.signal("CONT");
        }
    }
}

/// The timeout of a command also applies to the start, which may take several attempts on a busy
/// machine.
async fn start_with_retries(store: Value) -> Jam {
    let config = instance(json!({ "store": store }));
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let error = match build(&config).await {
            Ok(jam) if jam.ready().await.is_ok() => return jam,
            Ok(_) => "it is not ready".to_owned(),
            Err(error) => error.to_string(),
        };
        assert!(Instant::now() < deadline, "{error}");
    }
}

#[tokio::test]
async fn an_authority_of_its_own_is_trusted_for_tls() {
    let certificate = Certificate::new();
    let shape = Shape {
        certificate: Some(certificate.clone()),
        ..Shape::default()
    };
    let server = redis::Server::with(&shape);
    let url = format!("rediss://127.0.0.1:{}", server.port);
    let ca_file = certificate.folder().join("ca.pem");
    nodes_share_sessions(&table("redis", &url, json!({ "ca_file": ca_file }))).await;
    // A relative path is relative to the configuration.
    let path = certificate.folder().join("jam.json");
    let config = instance(json!({ "store": table("redis", &url, json!({ "ca_file": "ca.pem" })) }));
    std::fs::write(&path, config.to_string()).unwrap();
    let jam: Jam = Jam::from_file(&path).unwrap().build().await.unwrap();
    jam.ready().await.unwrap();
    let failure = build(&instance(
        json!({ "store": table("redis", &url, json!({})) }),
    ))
    .await;
    assert_eq!(failure.unwrap_err().setting(), "store.url");
}

#[tokio::test]
async fn a_redis_that_may_evict_is_refused_unless_allowed() {
    let shape = Shape {
        arguments: ["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"]
            .map(str::to_owned)
            .to_vec(),
        ..Shape::default()
    };
    let server = redis::Server::with(&shape);
    let store = |allowed: bool| {
        let more = json!({ "dangerous_allow_eviction": allowed });
        instance(json!({ "store": table("redis", &server.url(), more) }))
    };
    let failure = build(&store(false)).await.unwrap_err();
    assert_eq!(failure.setting(), "store.dangerous_allow_eviction");
    built(&store(true)).await.ready().await.unwrap();
}

#[tokio::test]
async fn the_capacity_of_memory_is_enforced() {
    let jam = built(&instance(json!({ "store": { "capacity": 3 } }))).await;
    let put = |n: u8| {
        let write = tower_jam::store::Write::new("value", tower_jam::Timestamp::NEVER);
        let key = StoreKey::new("test", &[&[n]]);
        let jam = jam.clone();
        async move {
            jam.store()
                .put(&key, write, tower_jam::store::When::Absent)
                .await
        }
    };
    for n in 0..3 {
        put(n).await.unwrap();
    }
    let full = put(3).await.unwrap_err();
    assert!(matches!(full, tower_jam::StoreError::Full), "{full}");
}

/// Each error names the setting, and neither the error nor a cause of it contains the password.
#[tokio::test]
async fn a_store_that_does_not_start_is_reported_with_its_setting() {
    let folder = Folder::new("stores");
    let missing = folder.path().join("missing.pem");
    let port = free_port();
    let guarded = redis::Server::with(&Shape {
        password: Some("swordfish"),
        ..Shape::default()
    });
    let database = postgres::Server::shared().database().await;
    let (address, path) = (format!("127.0.0.1:{port}"), folder.path().display());
    let cases = [
        (
            table("redis", "http://:hunter2@localhost", json!({})),
            "`store.url`: must begin with `redis://`, `rediss://`, or either with `-cluster` or `-sentinel`".to_owned(),
        ),
        // What follows the password's own `@` or `/` would be parsed as the host, shown in errors,
        // and resolved.
        (
            table("redis", "redis://:sword@hunter2@localhost", json!({})),
            format!("`store.url`: {ENCODE}"),
        ),
        (
            table("redis", "rediss-cluster://:sword@hunter2/fish@localhost", json!({})),
            format!("`store.url`: {ENCODE}"),
        ),
        (
            table("postgres", "postgres://jam:sword@hunter2@localhost/jam", json!({})),
            format!("`store.url`: {ENCODE}"),
        ),
        (
            table("postgres", "postgres://jam:sword@hunter2/fish@localhost/jam", json!({})),
            format!("`store.url`: {ENCODE}"),
        ),
        (
            table("redis", "redis://:hunter2@localhost:99999", json!({})),
            "`store.url`: is not a URL".to_owned(),
        ),
        (
            table("redis", &format!("redis://:hunter2@{address}"), json!({})),
            format!("`store.url`: {address} cannot be reached"),
        ),
        (
            table("redis", &guarded.url().replace("//", "//:hunter2@"), json!({})),
            format!("`store.url`: 127.0.0.1:{} refuses the name or the password", guarded.port),
        ),
        (
            table("redis", &guarded.url(), json!({ "prefix": "a b" })),
            "`store.prefix`: must be 1 to 128 visible ASCII characters other than braces".to_owned(),
        ),
        (
            table("redis", &guarded.url(), json!({ "connect_timeout": "3s" })),
            "`store.connect_timeout`: must be more than zero and at most two seconds".to_owned(),
        ),
        (
            table("redis", &guarded.url(), json!({ "command_timeout": "0s" })),
            "`store.command_timeout`: must be more than zero and at most two seconds".to_owned(),
        ),
        (
            table("redis", &guarded.url(), json!({ "ca_file": missing })),
            "`store.ca_file`: the URL does not ask for TLS".to_owned(),
        ),
        (
            table("redis", "rediss://:hunter2@localhost", json!({ "ca_file": missing })),
            format!("`store.ca_file`: {path}/missing.pem cannot be read"),
        ),
        (
            table("redis", "redis://x", json!({ "schema": "auth" })),
            "`store.schema`: conflicts with `type`, which is redis".to_owned(),
        ),
        (
            table("redis", "redis://x", json!({ "connections": 3 })),
            "`store.connections`: conflicts with `type`, which is redis".to_owned(),
        ),
        (
            table("postgres", "redis://:hunter2@localhost", json!({})),
            "`store.url`: must begin with `postgres://`".to_owned(),
        ),
        (
            table("postgres", "postgres://jam:hunter2@local host/jam", json!({})),
            "`store.url`: is not a database URL".to_owned(),
        ),
        (
            table("postgres", &format!("postgres://jam:hunter2@{address}/jam"), json!({})),
            format!("`store.url`: no connection to {address}"),
        ),
        (
            table("postgres", &database.replace("postgres@", "guarded:hunter2@"), json!({})),
            format!("`store.url`: no connection to 127.0.0.1:{}", postgres::Server::shared().port()),
        ),
        (
            table("postgres", &database, json!({ "schema": "Auth" })),
            "`store.schema`: must be at most 31 lower-case ASCII letters, digits and `_`, and not begin with a digit".to_owned(),
        ),
        (
            table("postgres", &database, json!({ "prefix": "a-b" })),
            "`store.prefix`: must be at most 24 lower-case ASCII letters, digits and `_`, and not begin with a digit".to_owned(),
        ),
        (
            table("postgres", &database, json!({ "connections": 0 })),
            "`store.connections`: must be from 1 to 1000".to_owned(),
        ),
        (
            table("postgres", &database, json!({ "command_timeout": "3s" })),
            "`store.command_timeout`: must be from 10ms to 2s".to_owned(),
        ),
        (
            table("postgres", &database, json!({ "connect_timeout": "1s" })),
            "`store.connect_timeout`: conflicts with `type`, which is postgres".to_owned(),
        ),
        (
            json!({ "type": "file" }),
            "`store.path`: is not set".to_owned(),
        ),
        (
            json!({ "type": "file", "path": format!("{path}/nowhere/store.redb") }),
            format!("`store.path`: {path}/nowhere/store.redb"),
        ),
        (
            json!({ "type": "file", "path": folder.path() }),
            format!("`store.path`: {path}"),
        ),
        (
            json!({ "near_cache": {} }),
            "`store.near_cache`: conflicts with `type`, which is memory".to_owned(),
        ),
        (
            json!({ "type": "file", "path": format!("{path}/a.redb"), "near_cache": { "capacity": 0 } }),
            "`store.near_cache.capacity`: is zero".to_owned(),
        ),
        (
            json!({ "type": "file", "path": format!("{path}/b.redb"), "near_cache": { "max_age": "2m" } }),
            "`store.near_cache.max_age`: is not between a millisecond and a minute".to_owned(),
        ),
    ];
    let mut wrong = Vec::new();
    for (store, words) in cases {
        let Err(error) = build(&instance(json!({ "store": store }))).await else {
            panic!("it started: {words}");
        };
        if !error.to_string().starts_with(&format!("setting {words}")) {
            wrong.push(format!("said     {error}\nexpected setting {words}"));
        }
        assert!(
            !error_chain(&error).contains("hunter2"),
            "{}",
            error_chain(&error)
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

const ENCODE: &str =
    "special characters in the user, the password or a parameter must be percent-encoded";

fn table(kind: &str, url: &str, more: Value) -> Value {
    let mut table = json!({ "type": kind, "url": url });
    let Value::Object(more) = more else {
        panic!("settings must be a table");
    };
    table.as_object_mut().unwrap().extend(more);
    table
}
