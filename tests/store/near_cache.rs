//! The rules of the near-cache, one by one, before a store that answers and announces when the test says so.
//! What it does before real servers is in the tests of their stores.

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

/// One node's cache before a store that it shares with others.
struct World {
    clock: Arc<ManualClock>,
    hub: Hub,
    near: Arc<NearCache>,
}

/// The tasks' time is tokio's, which a paused runtime moves by itself; the cache's is the clock's.
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
    // Each of the caches before this hub has had its turn by then.
    let beats = hub.heartbeats() + 4;
    until(|| hub.heartbeats() >= beats).await;
    Arc::new(near)
}

fn key(name: &str) -> StoreKey {
    StoreKey::new("session", &[name.as_bytes()])
}

impl World {
    fn hence(&self) -> Timestamp {
        self.clock.now().after(Duration::from_secs(3_600))
    }

    /// A write by another node.
    async fn set(&self, key: &StoreKey, value: &'static str) -> Version {
        let write = Write::new(value, self.hence());
        let version = write.version;
        assert!(self.hub.put(key, write, When::Always).await.unwrap());
        version
    }

    async fn read_cached(&self, key: &StoreKey) -> Option<Entry> {
        self.near.read_cached(key).await.unwrap().entry
    }

    /// Whether the next answer would come from memory; it does not fill it.
    async fn is_remembered(&self, key: &StoreKey) -> bool {
        let before = self.hub.reads();
        // A read that is not finished fills nothing.
        self.hub.hold_answers().await;
        let read_cached = abandon_after(1, self.near.read_cached(key));
        self.hub.release_answers();
        let is_remembered =
            read_cached.is_some_and(|read_cached| read_cached.unwrap().is_remembered);
        assert_eq!(
            self.hub.reads() == before,
            is_remembered,
            "it says which it was"
        );
        is_remembered
    }

    async fn remember(&self, key: &StoreKey) {
        self.read_cached(key).await;
        assert!(self.is_remembered(key).await);
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_read_is_answered_from_memory_absence_too() {
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
async fn only_keys_whose_changes_are_announced_are_remembered() {
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
async fn an_announced_key_leaves_memory_at_once_and_others_stay() {
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

/// The answer has left the server with the old value; the change is announced, and the announcement is
/// delivered first. Kept, the old value would stay until it is too old.
#[tokio::test(start_paused = true)]
async fn a_fill_that_its_announcement_overtook_is_not_kept() {
    let world = world().await;
    let key = key("key");
    world.set(&key, "old").await;
    world.hub.hold_answers().await;
    let near = Arc::clone(&world.near);
    let asked = key.clone();
    let filling = tokio::spawn(async move { near.read_cached(&asked).await.unwrap() });
    until(|| world.hub.watched_reads() == 1).await;
    world.set(&key, "new").await;
    world.hub.release_answers();
    assert_eq!(filling.await.unwrap().entry.unwrap().value, "old");
    assert!(!world.is_remembered(&key).await);
    assert_eq!(world.read_cached(&key).await.unwrap().value, "new");
}

#[tokio::test(start_paused = true)]
async fn a_fill_that_began_before_everything_may_have_changed_is_not_kept() {
    let world = world().await;
    let key = key("key");
    world.set(&key, "old").await;
    world.hub.hold_answers().await;
    let near = Arc::clone(&world.near);
    let asked = key.clone();
    let filling = tokio::spawn(async move { near.read_cached(&asked).await.unwrap() });
    until(|| world.hub.watched_reads() == 1).await;
    world.hub.announce_everything();
    world.hub.release_answers();
    assert!(filling.await.unwrap().entry.is_some());
    assert!(!world.is_remembered(&key).await);
}

#[tokio::test(start_paused = true)]
async fn a_fill_of_a_connection_that_broke_meanwhile_is_not_kept() {
    let world = world().await;
    let key = key("key");
    world.set(&key, "old").await;
    world.hub.hold_answers().await;
    let near = Arc::clone(&world.near);
    let asked = key.clone();
    let filling = tokio::spawn(async move { near.read_cached(&asked).await.unwrap() });
    until(|| world.hub.watched_reads() == 1).await;
    // The reader holds the broken connection, so there are two when the new one is made.
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
async fn our_own_write_drops_the_key_whatever_comes_of_it() {
    let world = world().await;
    let key = key("key");
    world.hub.silence(true);
    let version = world.set(&key, "first").await;
    let write = || Write::new("mine", world.hence());

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
        "it was refused, so memory may be old"
    );

    world.remember(&key).await;
    world.hub.set_down(true);
    assert!(world.near.take(&key).await.is_err());
    world.hub.set_down(false);
    assert!(
        !world.is_remembered(&key).await,
        "nobody knows what became of it"
    );

    world.remember(&key).await;
    assert!(world.near.take(&key).await.unwrap().is_some());
    assert!(world.read_cached(&key).await.is_none());

    world.remember(&key).await;
    assert_eq!(world.near.add(&key, 2, world.hence()).await.unwrap(), 2);
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

/// The caller of a write went away while it was under way; the write happens all the same, or not.
#[tokio::test(start_paused = true)]
async fn a_write_whose_caller_vanished_drops_the_key() {
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

/// A store that nobody announces for may make the write long after its caller went away. What is read in between is not
/// remembered, or an ended session would be let in until its memory is too old.
#[tokio::test(start_paused = true)]
async fn a_write_that_is_made_after_its_caller_vanished_is_seen() {
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
    assert!(store.take(&key).await.unwrap().is_some(), "now it is made");
    assert!(near.read_cached(&key).await.unwrap().entry.is_none());
    clock.advance(Duration::from_secs(11));
    near.read_cached(&key).await.unwrap();
    assert!(near.read_cached(&key).await.unwrap().is_remembered);
}

/// The connection for announcements has broken, and the next heartbeat will say so: until then the store is asked.
#[tokio::test(start_paused = true)]
async fn a_read_that_the_watching_connection_fails_is_one_of_the_store() {
    let world = world().await;
    let key = key("key");
    world.set(&key, "value").await;
    world.hub.fail_watched_reads(true);
    let reads = world.hub.watched_reads();
    assert_eq!(world.read_cached(&key).await.unwrap().value, "value");
    assert_eq!(world.hub.watched_reads(), reads + 1);
    assert!(
        !world.is_remembered(&key).await,
        "nobody would announce a change"
    );
    world.hub.fail_watched_reads(false);
    world.remember(&key).await;
}

/// Ending a group is one verb of the store behind the cache too: one member that cannot be removed does not save the
/// others.
#[tokio::test(start_paused = true)]
async fn ending_a_group_is_left_to_the_store() {
    let world = world().await;
    let group = StoreKey::new("session-user", &[b"alice"]);
    let keys = ["one", "two", "three"].map(key);
    for key in &keys {
        let put = Write::new("value", world.hence()).in_group(group.clone());
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
        "the store is asked instead"
    );
}

/// The lease counts from the question: an answer that took long says nothing about the time it took.
#[tokio::test(start_paused = true)]
async fn a_lease_begins_when_the_heartbeat_was_asked_for() {
    let world = world().await;
    let key = key("key");
    world.hub.hang_heartbeats(true);
    let asked = world.hub.heartbeats_asked();
    until(|| world.hub.heartbeats_asked() > asked).await;
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
async fn a_broken_connection_forgets_everything_and_is_made_anew() {
    let world = world().await;
    let key = key("key");
    world.set(&key, "old").await;
    world.remember(&key).await;
    world.hub.fail_heartbeats(true);
    until(|| world.hub.connections() == 0).await;
    assert!(!world.is_remembered(&key).await);
    // Unannounced, since nobody listens.
    world.set(&key, "new").await;
    assert_eq!(world.read_cached(&key).await.unwrap().value, "new");
    assert!(
        !world.is_remembered(&key).await,
        "nothing is remembered without a connection"
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
async fn it_is_bounded_and_new_keys_find_room() {
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
        // The store pauses, and a look that is dropped there fills nothing.
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
async fn a_read_of_the_store_that_says_otherwise_corrects_memory() {
    let world = world().await;
    let key = key("key");
    world.hub.silence(true);
    world.set(&key, "old").await;
    world.remember(&key).await;
    assert!(world.near.get(&key).await.unwrap().is_some());
    assert!(world.is_remembered(&key).await, "the store said the same");
    world.set(&key, "new").await;
    assert_eq!(world.read_cached(&key).await.unwrap().value, "old");
    assert_eq!(world.near.get(&key).await.unwrap().unwrap().value, "new");
    assert_eq!(world.read_cached(&key).await.unwrap().value, "new");
    world.hub.take(&key).await.unwrap();
    assert!(world.near.get(&key).await.unwrap().is_none());
    assert!(world.read_cached(&key).await.is_none());
}

#[tokio::test(start_paused = true)]
async fn its_task_and_its_connection_end_with_it() {
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
async fn settings_that_mean_nothing_are_refused() {
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

/// How a request with this cookie is answered: 200, 401 or 503.
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
async fn a_session_is_read_once_and_its_end_on_one_node_holds_on_the_other() {
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

/// Every announcement is lost, and still nobody is refused by an old memory; whoever was let in by one is not
/// once the lease is over.
#[tokio::test(start_paused = true)]
async fn a_no_is_confirmed_by_the_store_and_a_yes_ends_with_the_lease() {
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
        "memory holds the old secret"
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
        "it has not heard of it"
    );
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(answer(&two, renewed.expose()).await, 401);
}

/// A member is refused by no outage and let in by none: 503 says that nobody knows.
#[tokio::test(start_paused = true)]
async fn with_the_store_away_nobody_is_let_in_and_nobody_logged_out() {
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

/// A touch prolongs a life; whoever remembers the entry before it need not be told.
#[tokio::test(start_paused = true)]
async fn a_touch_is_quiet_and_other_nodes_go_on() {
    let world = world().await;
    let key = key("key");
    let version = world.set(&key, "seen at noon").await;
    world.remember(&key).await;
    let touch = Write::new("seen at one", world.hence()).without_invalidation();
    assert!(
        world
            .hub
            .put(&key, touch, When::Unchanged(version))
            .await
            .unwrap()
    );
    assert!(world.is_remembered(&key).await);
    let late = Write::new("late", world.hence());
    assert!(
        !world
            .near
            .put(&key, late, When::Unchanged(version))
            .await
            .unwrap()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_contract_holds_behind_it_before_memory_and_before_a_store_that_announces() {
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

/// Without announcements each check of the contract that is about them fails.
#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_keeps_silent_is_caught() {
    let hub = Hub::new(Arc::new(SystemClock));
    let node = || -> Arc<dyn Store> { Arc::new(NearCache::new(Arc::new(hub.clone())).unwrap()) };
    let (one, other) = (node(), node());
    contract::announcements::an_answer_is_remembered(&other).await;
    hub.silence(true);
    use contract::announcements as checks;
    // While one panic is told with its backtrace the others may stand still for a second, after which a node has forgotten
    // everything and silence does no harm: then it is asked again.
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
