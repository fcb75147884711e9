//! The delay of a logout between two nodes, the second of which has cached the session.

use std::{
    convert::Infallible,
    io::Write as _,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::body::Body;
use http::{Request, Response};
use tower::{Layer, ServiceExt};
use tower_jam::{
    Env, Grant, MasterSecret, SessionLayer, Sessions, SystemClock,
    store::{NearCache, PostgresStore, RedisStore, Store, StoreKey},
};

use super::support::{
    postgres,
    proxy::Proxy,
    redis,
    stores::{self, Backend},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_logout_on_one_node_of_redis_soon_reaches_the_other() {
    measure(stores::redis(&(Arc::new(SystemClock) as _)).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_logout_on_one_node_of_postgres_soon_reaches_the_other() {
    measure(stores::postgres(&(Arc::new(SystemClock) as _)).await).await;
}

/// Prints how long after a logout the other node still accepted the session. The near-cache
/// promises two seconds; the goal on loopback is 10 ms for 99 of 100 and 100 ms for all.
async fn measure(backend: Backend) {
    let secret = MasterSecret::generate();
    let [one, two] = backend.near.clone().map(|store| {
        Sessions::<String>::builder(&Env::new("self", store, &secret))
            .build()
            .unwrap()
    });
    let rounds =
        std::env::var("JAM_REVOCATION_ROUNDS").map_or(1_000, |rounds| rounds.parse().unwrap());
    let mut delays = Vec::new();
    let mut remembered = 0;
    for _ in 0..rounds {
        let token = one
            .create(Grant::new("alice", "Alice".to_owned()))
            .await
            .unwrap()
            .token;
        // A cache that is not read is never late.
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            assert_eq!(answer(&two, token.expose()).await, 200);
            if is_remembered(&backend).await {
                break;
            }
            let name = backend.name;
            assert!(Instant::now() < deadline, "{name}: it is not cached");
        }
        assert!(one.revoke_token(token.expose()).await.unwrap());
        let ended = Instant::now();
        loop {
            let delay = ended.elapsed();
            if answer(&two, token.expose()).await != 200 {
                break;
            }
            remembered += 1;
            let name = backend.name;
            assert!(delay < WORST, "{name}: accepted after {delay:?}");
        }
        delays.push(ended.elapsed());
        assert_eq!(answer(&one, token.expose()).await, 401);
    }
    delays.sort();
    let at = |share: usize| delays[(delays.len() * share / 100).min(delays.len() - 1)];
    let figures = format!(
        "{}: of {rounds} logouts the other node knew after {:?} (median), {:?} (99 %), {:?} (all); {remembered} \
         requests came in between\n",
        backend.name,
        at(50),
        at(99),
        at(100),
    );
    // Bypasses the test runner, which shows the output only of a failed test.
    std::io::stdout().write_all(figures.as_bytes()).unwrap();
}

/// Whether the second node would answer for alice's one session from memory.
async fn is_remembered(backend: &Backend) -> bool {
    let group = StoreKey::new("session-user", &[b"self", b"alice"]);
    let listed = backend.nodes[1].list(&group).await.unwrap();
    assert_eq!(listed.len(), 1);
    backend.near[1]
        .read_cached(&listed[0].0)
        .await
        .unwrap()
        .is_remembered
}

/// A node is cut off from its store and does not know it: what is sent to it is lost. At the latest
/// two seconds after a logout on the other node, its cache no longer accepts the session.
async fn cut_off(name: &str, direct: Arc<dyn Store>, near: Arc<dyn Store>, proxy: &Proxy) {
    let secret = MasterSecret::generate();
    let [one, two] = [direct, near].map(|store| {
        Sessions::<String>::builder(&Env::new("self", store, &secret))
            .build()
            .unwrap()
    });
    let mut latest = Duration::ZERO;
    for round in 0..5 {
        let token = one
            .create(Grant::new("alice", "Alice".to_owned()))
            .await
            .unwrap()
            .token;
        let began = Instant::now();
        while answer(&two, token.expose()).await != 200 {
            assert!(
                began.elapsed() < Duration::from_secs(5),
                "{name}: it does not recover"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        // Some heartbeats, so that the cache answers.
        tokio::time::sleep(Duration::from_millis(700)).await;
        assert_eq!(answer(&two, token.expose()).await, 200);
        proxy.freeze(true);
        assert!(one.revoke_token(token.expose()).await.unwrap());
        let ended = Instant::now();
        let mut last = None;
        while ended.elapsed() < Duration::from_millis(2_500) {
            if answer(&two, token.expose()).await == 200 {
                last = Some(ended.elapsed());
            }
        }
        let last = last.unwrap_or_default();
        assert!(
            last < WORST,
            "{name} round {round}: accepted after {last:?}"
        );
        latest = latest.max(last);
        proxy.freeze(false);
    }
    let figure = format!("{name}: a node that is cut off accepts for at most {latest:?}\n");
    std::io::stdout().write_all(figure.as_bytes()).unwrap();
    assert!(latest > Duration::ZERO, "{name}: the cache never answered");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_node_that_is_cut_off_from_redis_accepts_no_session_after_two_seconds() {
    let server = redis::Server::start();
    let proxy = Proxy::to(server.port);
    let direct = Arc::new(RedisStore::connect(&server.url()).await.unwrap());
    let url = format!("redis://{}", proxy.address);
    let near = NearCache::new(Arc::new(RedisStore::connect(&url).await.unwrap())).unwrap();
    cut_off("redis", direct, Arc::new(near), &proxy).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_node_that_is_cut_off_from_postgres_accepts_no_session_after_two_seconds() {
    let server = postgres::Server::shared();
    let url = server.database().await;
    let proxy = Proxy::to(server.port());
    let direct = Arc::new(PostgresStore::connect(&url).await.unwrap());
    let through = url.replace(
        &format!(":{}/", server.port()),
        &format!(":{}/", proxy.address.port()),
    );
    assert_ne!(through, url);
    let near = NearCache::new(Arc::new(PostgresStore::connect(&through).await.unwrap())).unwrap();
    cut_off("postgres", direct, Arc::new(near), &proxy).await;
}

async fn answer(node: &Sessions<String>, token: &str) -> u16 {
    let inner = tower::service_fn(async |_: Request<Body>| {
        Ok::<_, Infallible>(Response::new(Body::empty()))
    });
    let request = Request::builder()
        .header("cookie", format!("__Host-sid={token}"))
        .body(Body::empty())
        .unwrap();
    let service = SessionLayer::new(node.clone()).layer(inner);
    service.oneshot(request).await.unwrap().status().as_u16()
}

const WORST: Duration = Duration::from_secs(2);
