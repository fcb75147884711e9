//! Lists behind near-caches: an acceptance may come from memory, a rejection is confirmed by the
//! store, and a loss is noticed all the same.

use std::{sync::Arc, time::Duration};

use tokio::time::sleep;
use tower_jam::{
    Jwt,
    store::{NearCache, Store},
};

use super::{
    support::hub::Hub,
    world::{App, BOTH, Mode, is_good, issue, key, verdict},
};

struct World {
    app: App,
    hub: Hub,
    /// One node without a cache; the other one has a near-cache.
    plain: Jwt,
    near: Jwt,
}

async fn world(mode: Mode) -> World {
    let app = App::new();
    let hub = Hub::new(app.clock.clone());
    let near = NearCache::builder(Arc::new(hub.clone())).clock(app.clock.clone());
    let near: Arc<dyn Store> = Arc::new(near.build().unwrap());
    let beats = hub.heartbeats() + 2;
    while hub.heartbeats() < beats {
        sleep(Duration::from_millis(10)).await;
    }
    let plain: Arc<dyn Store> = Arc::new(hub.clone());
    World {
        plain: app.node(mode, &plain),
        near: app.node(mode, &near),
        app,
        hub,
    }
}

impl World {
    /// Lets time pass, with the heartbeats that permit answers from memory.
    async fn advance(&self, seconds: u64) {
        self.app.advance(seconds);
        let beats = self.hub.heartbeats() + 2;
        while self.hub.heartbeats() < beats {
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// Verifies until nothing is read from the store any more.
    async fn remember(&self, token: &str) {
        for _ in 0..3 {
            is_good(&self.near, token).await;
        }
        let reads = self.hub.reads();
        assert!(is_good(&self.near, token).await);
        assert_eq!(self.hub.reads(), reads, "the cache answers");
    }

    async fn take(&self, mode: Mode, kind: &str, name: &str) {
        assert!(
            self.hub
                .take(&key(mode, kind, name))
                .await
                .unwrap()
                .is_some(),
            "{kind}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_revocation_by_another_node_is_evicted_at_once() {
    for mode in BOTH {
        let world = world(mode).await;
        let (one, all) = (
            issue(&world.plain, "alice").await,
            issue(&world.plain, "bob").await,
        );
        world.remember(&one).await;
        world.remember(&all).await;
        world.plain.revoke_token(&one).await.unwrap();
        world.plain.list().unwrap().revoke_all("bob").await.unwrap();
        assert!(!is_good(&world.near, &one).await);
        assert!(!is_good(&world.near, &all).await);
        let next = issue(&world.plain, "bob").await;
        assert!(is_good(&world.near, &next).await, "a login right after");
        world.remember(&next).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_revocation_by_this_node_is_evicted_without_an_invalidation() {
    for mode in BOTH {
        let world = world(mode).await;
        let (one, all) = (
            issue(&world.near, "alice").await,
            issue(&world.near, "bob").await,
        );
        world.remember(&one).await;
        world.remember(&all).await;
        world.hub.silence(true);
        world.near.revoke_token(&one).await.unwrap();
        world.near.list().unwrap().revoke_all("bob").await.unwrap();
        assert!(!is_good(&world.near, &one).await && !is_good(&world.near, &all).await);
    }
}

/// The cache says that the token is revoked, the store no longer does: no token is rejected because
/// of a stale entry.
#[tokio::test(start_paused = true)]
async fn a_cached_rejection_is_confirmed() {
    for mode in BOTH {
        let world = world(mode).await;
        let (one, all) = (
            issue(&world.plain, "alice").await,
            issue(&world.plain, "bob").await,
        );
        world.plain.revoke_token(&one).await.unwrap();
        let list = world.plain.list().unwrap();
        list.revoke_all("bob").await.unwrap();
        for _ in 0..2 {
            assert!(!is_good(&world.near, &one).await && !is_good(&world.near, &all).await);
        }
        world.hub.silence(true);
        let id = world.plain.token_id(&one).unwrap();
        match mode {
            Mode::Black => assert!(list.remove(&id).await.unwrap()),
            Mode::White => list.add(&id).await.unwrap(),
        }
        world.take(mode, "subject", "bob").await;
        assert!(is_good(&world.near, &one).await);
        assert!(is_good(&world.near, &all).await);
    }
}

/// An operator restores the list that was lost and created again.
#[tokio::test(start_paused = true)]
async fn a_rejection_by_a_cached_birth_is_confirmed() {
    let world = world(Mode::Black).await;
    let token = issue(&world.plain, "alice").await;
    let birth = key(Mode::Black, "birth", "");
    let first = world.hub.get(&birth).await.unwrap().unwrap();
    world.take(Mode::Black, "birth", "").await;
    world.advance(2).await;
    for _ in 0..3 {
        assert!(!is_good(&world.near, &token).await);
    }
    world.hub.silence(true);
    let write = tower_jam::store::Write::new(first.value, first.expires_at);
    let always = tower_jam::store::When::Always;
    assert!(world.hub.put(&birth, write, always).await.unwrap());
    assert!(is_good(&world.near, &token).await);
}

/// The birth is cached, the list is gone, and no invalidation was sent. A token that this node has
/// not seen is read as unlisted, and is accepted only with a birth that was read after it.
#[tokio::test(start_paused = true)]
async fn a_loss_without_an_invalidation_revives_no_token() {
    let world = world(Mode::Black).await;
    let [seen, revoked, logged_out] = [
        issue(&world.plain, "alice").await,
        issue(&world.plain, "carol").await,
        issue(&world.plain, "bob").await,
    ];
    world.plain.revoke_token(&revoked).await.unwrap();
    world.plain.list().unwrap().revoke_all("bob").await.unwrap();
    world.advance(2).await;
    let jti = world.plain.token_id(&revoked).unwrap();
    world.hub.silence(true);
    world.remember(&seen).await;
    for (kind, name) in [("birth", ""), ("subject", "bob"), ("id", jti.id())] {
        world.take(Mode::Black, kind, name).await;
    }
    let old = "401 the token is older than its list";
    assert_eq!(verdict(&world.near, &revoked).await, old);
    assert_eq!(verdict(&world.near, &logged_out).await, old);
    assert_eq!(
        verdict(&world.near, &seen).await,
        old,
        "and so the node has noticed"
    );
}

#[tokio::test(start_paused = true)]
async fn a_token_costs_no_more_store_calls_once_it_is_cached() {
    for mode in BOTH {
        let world = world(mode).await;
        for _ in 0..5 {
            let token = issue(&world.plain, "alice").await;
            world.remember(&token).await;
        }
    }
}
