//! Lists in every store, bare and behind near-caches.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tower_jam::{
    Clock, Jwt,
    store::{NearCache, RedisStore, Store},
};

use super::{
    support::{redis, stores},
    world::{App, BOTH, Mode, is_good, issue, verdict},
};

/// How late a revocation may take effect behind a near-cache.
const WORST: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_revocation_on_one_node_is_enforced_on_the_other_on_every_store() {
    let app = App::new();
    for backend in stores::each(app.clock.clone() as Arc<dyn Clock>).await {
        for mode in BOTH {
            for (stores, is_near) in [(&backend.nodes, false), (&backend.near, true)] {
                let name = format!("{} {mode:?} near: {is_near}", backend.name);
                let nodes = [app.node(mode, &stores[0]), app.node(mode, &stores[1])];
                life(&app, &nodes, &name, is_near).await;
            }
        }
    }
}

async fn life(app: &App, nodes: &[Jwt; 2], name: &str, is_near: bool) {
    let [one, other] = nodes;
    for round in 0..3 {
        let subject = format!("{name} {round}");
        let [first, second, kept] = [
            issue(one, &subject).await,
            issue(one, &subject).await,
            issue(one, &format!("not {subject}")).await,
        ];
        for node in nodes {
            for token in [&first, &first, &second, &second, &kept] {
                assert!(is_good(node, token).await, "{name}");
            }
        }
        one.revoke_token(&first).await.unwrap();
        refused(other, &first, is_near, name).await;
        assert!(!is_good(one, &first).await, "{name}");
        assert!(is_good(other, &second).await, "{name}");
        one.list().unwrap().revoke_all(&subject).await.unwrap();
        refused(other, &second, is_near, name).await;
        assert!(!is_good(one, &second).await, "{name}");
        for issuer in nodes {
            let fresh = issue(issuer, &subject).await;
            for node in nodes {
                assert!(is_good(node, &fresh).await, "{name}: a login right after");
                assert!(is_good(node, &kept).await, "{name}");
            }
        }
        app.advance(1);
    }
}

async fn refused(node: &Jwt, token: &str, is_near: bool, name: &str) {
    let began = Instant::now();
    while is_good(node, token).await {
        assert!(
            is_near && began.elapsed() < WORST,
            "{name}: it is still accepted"
        );
        tokio::task::yield_now().await;
    }
}

/// The second that tokens are post-dated to has passed; what is left is what an operator does.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn flushall_revives_nothing() {
    for is_near in [false, true] {
        let app = App::new();
        let server = redis::Server::start();
        let mut nodes = Vec::new();
        for _ in 0..2 {
            let redis = RedisStore::builder(&server.url()).clock(app.clock.clone());
            let redis = Arc::new(redis.connect().await.unwrap());
            let near = NearCache::builder(redis.clone()).clock(app.clock.clone());
            let store: Arc<dyn Store> = if is_near {
                Arc::new(near.build().unwrap())
            } else {
                redis
            };
            nodes.push(app.node(Mode::Black, &store));
        }
        let (revoked, live) = (
            issue(&nodes[0], "alice").await,
            issue(&nodes[0], "bob").await,
        );
        for node in &nodes {
            assert!(is_good(node, &revoked).await && is_good(node, &live).await);
        }
        nodes[0].revoke_token(&revoked).await.unwrap();
        refused(&nodes[1], &revoked, is_near, "redis").await;
        app.advance(2);
        server.command(&["FLUSHALL"]);
        for node in &nodes {
            refused(node, &revoked, is_near, "flushed").await;
            refused(node, &live, is_near, "flushed").await;
            assert_eq!(
                verdict(node, &live).await,
                "401 the token is older than its list"
            );
        }
        let fresh = issue(&nodes[0], "alice").await;
        for node in &nodes {
            assert!(is_good(node, &fresh).await);
        }
    }
}
