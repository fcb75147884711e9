//! The rules of the near-cache, one by one, in front of a store whose answers and invalidations the
//! test controls. The tests of the stores cover its behaviour with real servers.

use std::{convert::Infallible, pin::Pin, sync::Arc, time::Duration};

use crate::support::{ProbeStore, abandon_after, hub::Hub, until};
use axum::body::Body;
use http::{Request, Response};
use tokio::time::sleep;
use tower::{Layer, ServiceExt};
use tower_jam::{
    Clock, Env, Grant, MasterSecret, SessionLayer, Sessions, StoreError, SystemClock, Timestamp,
    store::{Entry, MemoryStore, Namespace, NearCache, Store, StoreKey, Version, When, Write},
    testing::{ManualClock, contract},
};

/// One node's cache in front of a store that it shares with others.
struct World {
    clock: Arc<ManualClock>,
    hub: Hub,
    near: Arc<NearCache>,
}

/// The tasks use tokio's time, which a paused runtime advances by itself; the cache uses the clock.
async fn world() -> World {
    let clock = Arc::new(ManualClock::default());
    let hub = Hub::new(clock.clone());
    let near = near(&hub, &clock).await;
    World { clock, hub, near }
}

async fn near(hub: &Hub, clock: &Arc<ManualClock>) -> Arc<NearCache> {
    let near = NearCache::builder(Arc::new(hub.clone()))
        .clock(clock.clone())
        .build()
        .unwrap();
    // Every cache in front of this hub has run by then.
    let beats = hub.heartbeats() + 4;
    until(|| hub.heartbeats() >= beats).await;
    Arc::new(near)
}

fn key(name: &str) -> StoreKey {
    StoreKey::new("session", &[name.as_bytes()])
}

impl World {
    fn in_an_hour(&self) -> Timestamp {
        self.clock.now().after(Duration::from_secs(3_600))
    }

    /// A write by another node.
    async fn set(&self, key: &StoreKey, value: &'static str) -> Version {
        let write = Write::new(value, self.in_an_hour());
        let version = write.version;
        assert!(self.hub.put(key, write, When::Always).await.unwrap());
        version
    }

    async fn read_cached(&self, key: &StoreKey) -> Option<Entry> {
        self.near.read_cached(key).await.unwrap().entry
    }

    /// Whether the next read would be answered from memory. It does not fill the cache.
    async fn is_remembered(&self, key: &StoreKey) -> bool {
        let before = self.hub.reads();
        // An unfinished read fills nothing.
        self.hub.hold_answers().await;
        let read_cached = abandon_after(1, self.near.read_cached(key));
        self.hub.release_answers();
        let is_remembered =
            read_cached.is_some_and(|read_cached| read_cached.unwrap().is_remembered);
        assert_eq!(
            self.hub.reads() == before,
            is_remembered,
            "the flag agrees with the number of reads"
        );
        is_remembered
    }

    async fn remember(&self, key: &StoreKey) {
        self.read_cached(key).await;
        assert!(self.is_remembered(key).await);
    }
}

#[tokio::test(start_paused = true)]
async fn reads_are_answered_from_memory_absence_included() {
    let world = world().await;
    let (there, absent) = (key("there"), key("absent"));
    let version = world.set(&there, "value").await;
    for key in [&there, &absent] {
        world.remember(key).await;
    }
    assert_eq!(world.read_cached(&there).await.unwrap().version, version);
    assert!(world.read_cached(&absent).await.is_none());
}

#[tokio::test(start_paused = true)]
async fn only_keys_with_invalidations_are_cached() {
    let world = world().await;
    let key = StoreKey::new(Namespace::new("throttle"), &[b"alice"]);
    world.set(&key, "1").await;
    for _ in 0..3 {
        let read_cached = world.near.read_cached(&key).await.unwrap();
        assert!(!read_cached.is_remembered);
        assert!(read_cached.entry.is_some());
    }
    assert_eq!(world.hub.reads(), 3);
}

#[tokio::test(start_paused = true)]
async fn an_invalidated_key_is_evicted_at_once_and_others_stay() {
    let world = world().await;
    let (one, other) = (key("one"), key("other"));
    world.set(&one, "first").await;
    world.set(&other, "first").await;
    world.remember(&one).await;
    world.remember(&other).await;
    world.set(&one, "second").await;
    assert!(!world.is_remembered(&one).await);
    assert!(world.is_remembered(&other).await);
    assert_eq!(world.read_cached(&one).await.unwrap().value, "second");
    world.remember(&one).await;
    assert!(world.hub.take(&one).await.unwrap().is_some());
    assert!(world.read_cached(&one).await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_key_that_was_absent_is_seen_when_another_node_writes_it() {
    let world = world().await;
    let key = key("new");
    world.remember(&key).await;
    world.set(&key, "value").await;
    assert_eq!(world.read_cached(&key).await.unwrap().value, "value");
}

/// The answer with the old value has left the server; the change sends an invalidation, which is
/// delivered first. If the answer were cached, the old value would stay until its maximum age.
#[tokio::test(start_paused = true)]
async fn a_fill_that_its_invalidation_overtook_is_not_cached() {
    let world = world().await;
    let key = key("key");
    world.set(&key, "old").await;
    world.hub.hold_answers().await;
    let near = Arc::clone(&world.near);
    let wanted = key.clone();
    let filling = tokio::spawn(async move { near.read_cached(&wanted).await.unwrap() });
    until(|| world.hub.watched_reads() == 1).await;
    world.set(&key, "new").await;
    world.hub.release_answers();
    assert_eq!(filling.await.unwrap().entry.unwrap().value, "old");
    assert!(!world.is_remembered(&key).await);
    assert_eq!(world.read_cached(&key).await.unwrap().value, "new");
}

#[tokio::test(start_paused = true)]
async fn a_fill_that_began_before_a_full_invalidation_is_not_cached() {
    let world = world().await;
    let key = key("key");
    world.set(&key, "old").await;
    world.hub.hold_answers().await;
    let near = Arc::clone(&world.near);
    let wanted = key.clone();
    let filling = tokio::spawn(async move { near.read_cached(&wanted).await.unwrap() });
    until(|| world.hub.watched_reads() == 1).await;
    world.hub.invalidate_everything();
    world.hub.release_answers();
    assert!(filling.await.unwrap().entry.is_some());
    assert!(!world.is_remembered(&key).await);
}

#[tokio::test(start_paused = true)]
async fn a_fill_of_a_connection_that_broke_meanwhile_is_not_cached() {
    let world = world().await;
    let key = key("key");
    world.set(&key, "old").await;
    world.hub.hold_answers().await;
    let near = Arc::clone(&world.near);
    let wanted = key.clone();
    let filling = tokio::spawn(async move { near.read_cached(&wanted).await.unwrap() });
    until(|| world.hub.watched_reads() == 1).await;
    // The reader holds the broken connection, so there are two when the new one is opened.
    world.hub.fail_heartbeats(true);
    sleep(Duration::from_secs(1)).await;
    world.hub.fail_heartbeats(false);
    let answered = world.hub.heartbeats();
    until(|| world.hub.connections() == 2 && world.hub.heartbeats() > answered).await;
    world.hub.release_answers();
    assert!(filling.await.unwrap().entry.is_some());
    assert!(!world.is_remembered(&key).await);
}

#[tokio::test(start_paused = true)]
async fn our_own_write_evicts_the_key_whatever_the_result() {
    let world = world().await;
    let key = key("key");
    world.hub.silence(true);
    let version = world.set(&key, "first").await;
    let write = || Write::new("mine", world.in_an_hour());

    world.remember(&key).await;
    assert!(
        world
            .near
            .put(&key, write(), When::Unchanged(version))
            .await
            .unwrap()
    );
    assert_eq!(world.read_cached(&key).await.unwrap().value, "mine");

    world.remember(&key).await;
    assert!(!world.near.put(&key, write(), When::Absent).await.unwrap());
    assert!(
        !world.is_remembered(&key).await,
        "the write was rejected, so the cached entry may be stale"
    );

    world.remember(&key).await;
    world.hub.set_down(true);
    assert!(world.near.take(&key).await.is_err());
    world.hub.set_down(false);
    assert!(!world.is_remembered(&key).await, "the outcome is unknown");

    world.remember(&key).await;
    assert!(world.near.take(&key).await.unwrap().is_some());
    assert!(world.read_cached(&key).await.is_none());

    world.remember(&key).await;
    assert_eq!(
        world.near.add(&key, 2, world.in_an_hour()).await.unwrap(),
        2
    );
    assert_eq!(world.read_cached(&key).await.unwrap().value, "2");

    world.remember(&key).await;
    let group = StoreKey::new("session-user", &[b"alice"]);
    assert!(world.near.take(&key).await.unwrap().is_some());
    let grouped = write().in_group(group.clone());
    assert!(world.near.put(&key, grouped, When::Absent).await.unwrap());
    world.remember(&key).await;
    assert_eq!(world.near.remove_group(&group).await.unwrap(), 1);
    assert!(world.read_cached(&key).await.is_none());
}

/// The caller of a write was cancelled meanwhile; the write may be executed or not.
#[tokio::test(start_paused = true)]
async fn a_write_whose_caller_was_cancelled_evicts_the_key() {
    let clock = Arc::new(ManualClock::default());
    let store = Arc::new(ProbeStore::pausing(
        MemoryStore::new().with_clock(clock.clone()),
    ));
    let near = NearCache::for_sole_writer(store)
        .clock(clock.clone())
        .build()
        .unwrap();
    let key = key("key");
    near.read_cached(&key).await.unwrap();
    assert!(near.read_cached(&key).await.unwrap().is_remembered);
    let expires_at = clock.now().after(Duration::from_secs(60));
    let write = near.put(&key, Write::new("value", expires_at), When::Always);
    assert!(abandon_after(1, write).is_none());
    assert!(!near.read_cached(&key).await.unwrap().is_remembered);
}

/// A store without invalidations may execute a write long after its caller was cancelled. What is
/// read in between must not be cached, or a revoked session would be accepted until the maximum
/// age.
#[tokio::test(start_paused = true)]
async fn a_write_executed_after_its_caller_was_cancelled_is_seen() {
    let clock = Arc::new(ManualClock::default());
    let store = Arc::new(ProbeStore::pausing(
        MemoryStore::new().with_clock(clock.clone()),
    ));
    let near = NearCache::for_sole_writer(store.clone())
        .clock(clock.clone())
        .build()
        .unwrap();
    let key = key("key");
    let expires_at = clock.now().after(Duration::from_secs(60));
    let put = near.put(&key, Write::new("value", expires_at), When::Always);
    assert!(put.await.unwrap());
    assert!(abandon_after(1, near.take(&key)).is_none());
    for _ in 0..3 {
        assert!(near.read_cached(&key).await.unwrap().entry.is_some());
    }
    assert!(
        store.take(&key).await.unwrap().is_some(),
        "the write is executed now"
    );
    assert!(near.read_cached(&key).await.unwrap().entry.is_none());
    clock.advance(Duration::from_secs(11));
    near.read_cached(&key).await.unwrap();
    assert!(near.read_cached(&key).await.unwrap().is_remembered);
}

/// The connection for invalidations has broken, and the next heartbeat will report it: until then
/// the store is read.
#[tokio::test(start_paused = true)]
async fn a_read_that_the_watching_connection_fails_goes_to_the_store() {
    let world = world().await;
    let key = key("key");
    world.set(&key, "value").await;
    world.hub.fail_watched_reads(true);
    let reads = world.hub.watched_reads();
    assert_eq!(world.read_cached(&key).await.unwrap().value, "value");
    assert_eq!(world.hub.watched_reads(), reads + 1);
    assert!(
        !world.is_remembered(&key).await,
        "no invalidation would arrive"
    );
    world.hub.fail_watched_reads(false);
    world.remember(&key).await;
}

/// Removing a group is one operation of the store behind the cache too: one member that cannot be
/// removed does not preserve the others.
#[tokio::test(start_paused = true)]
async fn removing_a_group_is_left_to_the_store() {
    let world = world().await;
    let group = StoreKey::new("session-user", &[b"alice"]);
    let keys = ["one", "two", "three"].map(key);
    for key in &keys {
        let put = Write::new("value", world.in_an_hour()).in_group(group.clone());
        world.near.put(key, put, When::Always).await.unwrap();
        world.remember(key).await;
    }
    world.hub.silence(true);
    assert_eq!(world.near.remove_group(&group).await.unwrap(), 3);
    assert_eq!(world.hub.groups_removed(), 1);
    for key in &keys {
        assert!(world.read_cached(key).await.is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn without_an_answered_heartbeat_memory_answers_for_one_second() {
    let world = world().await;
    let key = key("key");
    world.set(&key, "value").await;
    world.remember(&key).await;
    world.hub.hang_heartbeats(true);
    world.clock.advance(Duration::from_millis(999));
    assert!(world.is_remembered(&key).await);
    world.clock.advance(Duration::from_millis(1));
    assert!(!world.is_remembered(&key).await);
    assert!(
        world.read_cached(&key).await.is_some(),
        "the store is read instead"
    );
}

/// The lease counts from the request: an answer that took long says nothing about the time that it
/// took.
#[tokio::test(start_paused = true)]
async fn a_lease_begins_when_the_heartbeat_was_requested() {
    let world = world().await;
    let key = key("key");
    world.hub.hang_heartbeats(true);
    let wanted = world.hub.heartbeats_requested();
    until(|| world.hub.heartbeats_requested() > wanted).await;
    world.clock.advance(Duration::from_millis(900));
    world.hub.hang_heartbeats(false);
    let answered = world.hub.heartbeats();
    until(|| world.hub.heartbeats() > answered).await;
    world.hub.hang_heartbeats(true);
    world.remember(&key).await;
    world.clock.advance(Duration::from_millis(99));
    assert!(world.is_remembered(&key).await);
    world.clock.advance(Duration::from_millis(1));
    assert!(!world.is_remembered(&key).await);
}

#[tokio::test(start_paused = true)]
async fn heartbeats_four_times_a_second_keep_memory_answering() {
    let world = world().await;
    let key = key("key");
    world.remember(&key).await;
    for _ in 0..20 {
        let answered = world.hub.heartbeats();
        until(|| world.hub.heartbeats() > answered).await;
        world.clock.advance(Duration::from_millis(300));
        assert!(world.is_remembered(&key).await);
    }
}

#[tokio::test(start_paused = true)]
async fn a_broken_connection_clears_the_cache_and_is_reopened() {
    let world = world().await;
    let key = key("key");
    world.set(&key, "old").await;
    world.remember(&key).await;
    world.hub.fail_heartbeats(true);
    until(|| world.hub.connections() == 0).await;
    assert!(!world.is_remembered(&key).await);
    // Without an invalidation, since no node receives it.
    world.set(&key, "new").await;
    assert_eq!(world.read_cached(&key).await.unwrap().value, "new");
    assert!(
        !world.is_remembered(&key).await,
        "nothing is cached without a connection"
    );
    world.hub.fail_heartbeats(false);
    let answered = world.hub.heartbeats();
    until(|| world.hub.heartbeats() > answered).await;
    world.remember(&key).await;
    assert_eq!(world.read_cached(&key).await.unwrap().value, "new");
}

#[tokio::test(start_paused = true)]
async fn a_heartbeat_that_never_answers_is_a_broken_connection() {
    let world = world().await;
    world.hub.hang_heartbeats(true);
    until(|| world.hub.connections() == 0).await;
    world.hub.hang_heartbeats(false);
    until(|| world.hub.connections() == 1).await;
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_down_is_an_error_and_not_an_old_answer() {
    let world = world().await;
    let key = key("key");
    world.set(&key, "value").await;
    world.remember(&key).await;
    world.hub.set_down(true);
    until(|| world.hub.connections() == 0).await;
    assert!(matches!(
        world.near.read_cached(&key).await,
        Err(StoreError::Unavailable(_))
    ));
    world.hub.set_down(false);
    until(|| world.hub.connections() == 1).await;
    assert!(world.read_cached(&key).await.is_some());
}

#[tokio::test(start_paused = true)]
async fn an_entry_leaves_at_its_own_expiry_and_at_the_maximum_age() {
    let clock = Arc::new(ManualClock::default());
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new().with_clock(clock.clone()));
    let near = NearCache::for_sole_writer(store)
        .clock(clock.clone())
        .build()
        .unwrap();
    let (short, long) = (key("short"), key("long"));
    let now = clock.now();
    for (key, seconds) in [(&short, 5), (&long, 3_600)] {
        let write = Write::new("value", now.after(Duration::from_secs(seconds)));
        assert!(near.put(key, write, When::Always).await.unwrap());
        near.read_cached(key).await.unwrap();
    }
    clock.advance(Duration::from_millis(4_999));
    assert!(near.read_cached(&short).await.unwrap().is_remembered);
    clock.advance(Duration::from_millis(1));
    let read_cached = near.read_cached(&short).await.unwrap();
    assert!(!read_cached.is_remembered && read_cached.entry.is_none());
    clock.advance(Duration::from_millis(4_999));
    assert!(near.read_cached(&long).await.unwrap().is_remembered);
    clock.advance(Duration::from_millis(1));
    assert!(!near.read_cached(&long).await.unwrap().is_remembered);
    assert!(
        near.read_cached(&long).await.unwrap().is_remembered,
        "and is read again"
    );
}

#[tokio::test]
async fn the_cache_is_bounded_and_new_keys_find_space() {
    for capacity in [1, 2, 300] {
        let store = Arc::new(ProbeStore::pausing(MemoryStore::new()));
        let near = NearCache::for_sole_writer(store)
            .capacity(capacity)
            .build()
            .unwrap();
        let keys: Vec<_> = (0..2_000).map(|number| key(&number.to_string())).collect();
        for key in &keys {
            near.read_cached(key).await.unwrap();
            assert!(near.read_cached(key).await.unwrap().is_remembered);
        }
        // The store pauses, and a read that is dropped there fills nothing.
        let held = keys
            .iter()
            .filter_map(|key| abandon_after(1, near.read_cached(key)))
            .filter(|read_cached| read_cached.as_ref().unwrap().is_remembered)
            .count();
        assert!(
            held <= capacity && held > capacity / 2,
            "{held} of {capacity}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_different_read_of_the_store_corrects_the_cache() {
    let world = world().await;
    let key = key("key");
    world.hub.silence(true);
    world.set(&key, "old").await;
    world.remember(&key).await;
    assert!(world.near.get(&key).await.unwrap().is_some());
    assert!(world.is_remembered(&key).await, "the store agreed");
    world.set(&key, "new").await;
    assert_eq!(world.read_cached(&key).await.unwrap().value, "old");
    assert_eq!(world.near.get(&key).await.unwrap().unwrap().value, "new");
    assert_eq!(world.read_cached(&key).await.unwrap().value, "new");
    world.hub.take(&key).await.unwrap();
    assert!(world.near.get(&key).await.unwrap().is_none());
    assert!(world.read_cached(&key).await.is_none());
}

#[tokio::test(start_paused = true)]
async fn the_task_and_the_connection_end_with_the_cache() {
    let world = world().await;
    assert_eq!(world.hub.connections(), 1);
    drop(world.near);
    until(|| world.hub.connections() == 0).await;
    sleep(Duration::from_secs(10)).await;
    assert_eq!(world.hub.connections(), 0);
}

#[test]
fn without_a_runtime_it_says_so() {
    let hub = Hub::new(Arc::new(ManualClock::default()));
    let error = NearCache::new(Arc::new(hub)).unwrap_err();
    assert!(error.to_string().contains("tokio runtime"), "{error}");
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    assert!(
        NearCache::for_sole_writer(store).build().is_ok(),
        "it has no task"
    );
}

#[tokio::test]
async fn invalid_settings_are_refused() {
    let hub = || Arc::new(Hub::new(Arc::new(ManualClock::default())));
    let error =
        |built: Result<NearCache, tower_jam::ConfigError>| built.unwrap_err().setting().to_owned();
    assert_eq!(
        error(NearCache::builder(hub()).capacity(0).build()),
        "capacity"
    );
    for age in [Duration::ZERO, Duration::from_secs(61)] {
        assert_eq!(
            error(NearCache::builder(hub()).max_age(age).build()),
            "max_age"
        );
    }
}

/// Sessions on two nodes, each behind its own cache.
async fn two_nodes() -> (World, [Sessions<String>; 2], Arc<NearCache>) {
    let world = world().await;
    let second = near(&world.hub, &world.clock).await;
    let secret = MasterSecret::generate();
    let engine = |near: &Arc<NearCache>| {
        let store: Arc<dyn Store> = near.clone();
        Sessions::builder(&Env::new("self", store, &secret).with_clock(world.clock.clone()))
            .build()
            .unwrap()
    };
    let nodes = [engine(&world.near), engine(&second)];
    (world, nodes, second)
}

/// The status of a request with this cookie: 200, 401 or 503.
async fn answer(node: &Sessions<String>, token: &str) -> u16 {
    let inner = tower::service_fn(async |_: Request<Body>| {
        Ok::<_, Infallible>(Response::new(Body::empty()))
    });
    let service = SessionLayer::new(node.clone()).layer(inner);
    let request = Request::builder()
        .header("cookie", format!("__Host-sid={token}"))
        .body(Body::empty())
        .unwrap();
    service.oneshot(request).await.unwrap().status().as_u16()
}

#[tokio::test(start_paused = true)]
async fn a_session_is_read_once_and_its_revocation_on_one_node_holds_on_the_other() {
    let (world, [one, two], _cache) = two_nodes().await;
    let token = one
        .create(Grant::new("alice", "Alice".to_owned()))
        .await
        .unwrap()
        .token;
    assert_eq!(answer(&two, token.expose()).await, 200);
    let reads = world.hub.reads();
    for _ in 0..100 {
        assert_eq!(answer(&two, token.expose()).await, 200);
    }
    assert_eq!(world.hub.reads(), reads);
    assert!(one.revoke_token(token.expose()).await.unwrap());
    assert_eq!(answer(&two, token.expose()).await, 401);
    assert_eq!(answer(&one, token.expose()).await, 401);
}

/// Every invalidation is lost, and still no caller is rejected because of a stale entry; a caller
/// that is accepted because of one is rejected once the lease has ended.
#[tokio::test(start_paused = true)]
async fn a_rejection_is_confirmed_by_the_store_and_an_acceptance_ends_with_the_lease() {
    let (world, [one, two], _cache) = two_nodes().await;
    let token = one
        .create(Grant::new("alice", "Alice".to_owned()))
        .await
        .unwrap()
        .token;
    assert_eq!(answer(&two, token.expose()).await, 200);
    world.hub.silence(true);
    let renewed = one.cycle_id(token.expose()).await.unwrap().unwrap();
    assert_eq!(
        answer(&two, renewed.expose()).await,
        200,
        "the cache holds the old secret"
    );
    assert_eq!(
        answer(&two, token.expose()).await,
        401,
        "the store corrected it"
    );

    assert_eq!(answer(&two, renewed.expose()).await, 200);
    assert!(one.revoke_token(renewed.expose()).await.unwrap());
    world.hub.hang_heartbeats(true);
    assert_eq!(
        answer(&two, renewed.expose()).await,
        200,
        "it received no invalidation"
    );
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(answer(&two, renewed.expose()).await, 401);
}

/// An outage neither rejects nor accepts a member: 503 means that the store cannot tell.
#[tokio::test(start_paused = true)]
async fn an_unavailable_store_neither_accepts_nor_logs_out_a_user() {
    let (world, [one, two], _cache) = two_nodes().await;
    let token = one
        .create(Grant::new("alice", "Alice".to_owned()))
        .await
        .unwrap()
        .token;
    assert_eq!(answer(&two, token.expose()).await, 200);
    world.hub.set_down(true);
    until(|| world.hub.connections() == 0).await;
    assert_eq!(answer(&two, token.expose()).await, 503);
    world.hub.set_down(false);
    until(|| world.hub.connections() == 2).await;
    assert_eq!(answer(&two, token.expose()).await, 200);
}

/// A touch extends a lifetime; a node that has cached the entry before it need not be informed.
#[tokio::test(start_paused = true)]
async fn a_touch_is_quiet_and_other_nodes_continue() {
    let world = world().await;
    let key = key("key");
    let version = world.set(&key, "seen at noon").await;
    world.remember(&key).await;
    let touch = Write::new("seen at one", world.in_an_hour()).without_invalidation();
    assert!(
        world
            .hub
            .put(&key, touch, When::Unchanged(version))
            .await
            .unwrap()
    );
    assert!(world.is_remembered(&key).await);
    let late = Write::new("late", world.in_an_hour());
    assert!(
        !world
            .near
            .put(&key, late, When::Unchanged(version))
            .await
            .unwrap()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_contract_holds_with_and_without_invalidations() {
    let clock = Arc::new(ManualClock::default());
    let memory: Arc<dyn Store> = Arc::new(MemoryStore::new().with_clock(clock.clone()));
    let alone = NearCache::for_sole_writer(memory)
        .clock(clock.clone())
        .build()
        .unwrap();
    contract::run(Arc::new(alone), &clock).await;
    contract::run(near(&Hub::new(clock.clone()), &clock).await, &clock).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_see_each_others_changes() {
    let hub = Hub::new(Arc::new(SystemClock));
    let node = || -> Arc<dyn Store> { Arc::new(NearCache::new(Arc::new(hub.clone())).unwrap()) };
    contract::announcements::run(&node(), &node()).await;
}

/// Without invalidations, each check of the contract that concerns them fails.
#[tokio::test(flavor = "multi_thread")]
async fn a_store_without_invalidations_is_detected() {
    let hub = Hub::new(Arc::new(SystemClock));
    let node = || -> Arc<dyn Store> { Arc::new(NearCache::new(Arc::new(hub.clone())).unwrap()) };
    let (one, other) = (node(), node());
    contract::announcements::an_answer_is_remembered(&other).await;
    hub.silence(true);
    use contract::announcements as checks;
    // While one panic is printed with its backtrace, the other threads may stop for a second, after
    // which a node has an empty cache and a lost invalidation does no harm: then the check runs
    // again.
    let caught = async |check: fn(Arc<dyn Store>, Arc<dyn Store>) -> BoxFuture| {
        for _ in 0..5 {
            let check = tokio::spawn(check(one.clone(), other.clone()));
            if check.await.is_err_and(|error| error.is_panic()) {
                return true;
            }
        }
        false
    };
    let writes = caught(|one, other| {
        Box::pin(async move { checks::every_kind_of_write_is_announced(&one, &other).await })
    });
    let group = caught(|one, other| {
        Box::pin(async move { checks::the_end_of_a_group_is_announced(&one, &other).await })
    });
    let absent = caught(|one, other| {
        Box::pin(
            async move { checks::what_was_absent_is_announced_when_it_comes(&one, &other).await },
        )
    });
    let overtaken = caught(|one, other| {
        Box::pin(
            async move { checks::no_fill_outlives_the_change_that_overtook_it(&one, &other).await },
        )
    });
    let all = tokio::join!(writes, group, absent, overtaken);
    assert_eq!(all, (true, true, true, true));
}

type BoxFuture = Pin<Box<dyn Future<Output = ()> + Send>>;
