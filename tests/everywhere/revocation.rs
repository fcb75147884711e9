//! How late a logout on one node is on another one, which remembers the session.

use std::{
    convert::Infallible,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::body::Body;
use http::{Request, Response};
use tower::{Layer, ServiceExt};
use tower_jam::{Grant, MasterSecret, SessionLayer, Sessions, SystemClock};

use super::support::stores::{self, Backend};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_logout_on_one_node_of_redis_is_soon_one_on_the_other() {
    measure(stores::redis(&(Arc::new(SystemClock) as _)).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_logout_on_one_node_of_postgres_is_soon_one_on_the_other() {
    measure(stores::postgres(&(Arc::new(SystemClock) as _)).await).await;
}

/// Prints how long after the end of a logout the other node still let the session in. The near-cache promises two
/// seconds; the goal on loopback is 10 ms for 99 of 100 and 100 ms for all.
async fn measure(backend: Backend) {
    let secret = MasterSecret::generate();
    let [one, two] = backend
        .near
        .clone()
        .map(|store| Sessions::<String>::builder(store, &secret).build().unwrap());
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
        for _ in 0..2 {
            assert_eq!(answer(&two, token.expose()).await, 200);
        }
        let began = Instant::now();
        assert!(one.delete(token.expose()).await.unwrap());
        let ended = Instant::now();
        while answer(&two, token.expose()).await == 200 {
            remembered += 1;
            assert!(
                began.elapsed() < WORST,
                "{}: it is still let in",
                backend.name
            );
        }
        delays.push(ended.elapsed());
        assert_eq!(answer(&one, token.expose()).await, 401);
    }
    delays.sort();
    let at = |share: usize| delays[(delays.len() * share / 100).min(delays.len() - 1)];
    println!(
        "{}: of {rounds} logouts the other node knew after {:?} (median), {:?} (99 %), {:?} (all); {remembered} \
         requests came in between",
        backend.name,
        at(50),
        at(99),
        at(100),
    );
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
