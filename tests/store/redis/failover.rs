//! A replica takes over.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant},
};

use tower_jam::{
    StoreError,
    store::{Namespace, RedisStore, Store, StoreKey, When},
};

use super::{
    support::{
        process::until,
        redis::{Cluster, Guarded},
    },
    world::{group, in_an_hour, key, name, patient, store, write},
};

/// Every operation on many keys, and so on every range of slots.
async fn all_verbs(store: &RedisStore) -> Result<(), StoreError> {
    for number in 0..30 {
        let number = number + 1_000;
        let put = write("value").in_group(group());
        store.put(&key(number), put, When::Always).await?;
        store.add(&key(number + 100), 1, in_an_hour()).await?;
        assert!(store.get(&key(number)).await?.is_some());
    }
    assert_eq!(store.list(&group()).await?.len(), 30);
    assert!(store.take(&key(1_000)).await?.is_some());
    assert_eq!(store.remove_group(&group()).await?, 29);
    Ok(())
}

async fn recovery(store: &RedisStore) -> Duration {
    let begin = Instant::now();
    loop {
        let call = Instant::now();
        let answer = store.put(&key(999), write("value"), When::Always).await;
        assert!(
            call.elapsed() < Duration::from_millis(2_500),
            "{:?}",
            call.elapsed()
        );
        if answer.is_ok() && all_verbs(store).await.is_ok() {
            return begin.elapsed();
        }
        assert!(begin.elapsed() < Duration::from_secs(20), "{answer:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_survives_a_primary() {
    let mut cluster = Cluster::start();
    let store = store(&cluster.url()).await;
    all_verbs(&store).await.unwrap();
    for number in 0..60 {
        store
            .put(&key(number), write("kept"), When::Always)
            .await
            .unwrap();
        // Until a replica has it: of these operations, only `take` waits.
        assert!(store.take(&key(number)).await.unwrap().is_some());
    }
    cluster.misses_after("1000");
    cluster.nodes[0].kill();
    let begin = Instant::now();
    until("the cluster is whole", || {
        let says = |word| {
            cluster.nodes[1]
                .command(&["CLUSTER", "INFO"])
                .contains(word)
        };
        says("cluster_state:ok") && cluster.nodes[3].command(&["ROLE"]).contains("master")
    });
    let promotion = begin.elapsed();
    let recovery = recovery(&store).await;
    assert!(
        recovery < Duration::from_secs(5),
        "{recovery:?} after the replica had taken over"
    );
    eprintln!("the replica took over after {promotion:?}, and was found {recovery:?} later");
    for number in 0..60 {
        assert!(
            store.get(&key(number)).await.unwrap().is_none(),
            "a revocation was undone"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sentinel_names_the_new_primary() {
    let mut guarded = Guarded::start();
    let store = store(&guarded.url()).await;
    all_verbs(&store).await.unwrap();
    guarded.fails_over();
    guarded.servers[0].kill();
    let recovery = recovery(&store).await;
    eprintln!("the Sentinel's service was back after {recovery:?}");
}

/// A slot moves to another primary while everything continues.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_moved_slot_is_found() {
    let cluster = Cluster::start();
    let store = patient(&cluster.url()).await;
    all_verbs(&store).await.unwrap();
    // All slots of the first node are empty now, except for index keys, which expire.
    cluster.nodes[0].command(&["FLUSHALL"]);
    for slot in (0..5461).step_by(7) {
        let slot = slot.to_string();
        for node in [1, 0] {
            let words = ["CLUSTER", "SETSLOT", &slot, "NODE", &cluster.id(1)];
            assert!(cluster.nodes[node].command(&words).starts_with("+OK"));
        }
        if slot.ends_with("00") {
            break;
        }
    }
    all_verbs(&store).await.unwrap();
}

/// While a slot moves, a write that its old owner cannot make is known to be written nowhere.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_moving_slot_is_unavailable_until_it_has_arrived() {
    let cluster = Cluster::start();
    let store = store(&cluster.url()).await;
    let slot = cluster.nodes[0].command(&["CLUSTER", "KEYSLOT", &name(&key(1))]);
    let slot = slot.trim().trim_start_matches(':').to_owned();
    let owner = (0..3).find(|node| {
        let response = cluster.nodes[*node].command(&["GET", &name(&key(1))]);
        !response.starts_with("-MOVED")
    });
    let (owner, next) = (owner.unwrap(), (owner.unwrap() + 1) % 3);
    let set = |node: usize, words: &[&str]| {
        let words = [&["CLUSTER", "SETSLOT", &slot], words].concat();
        assert!(cluster.nodes[node].command(&words).starts_with("+OK"));
    };
    let (from, to) = (cluster.id(owner), cluster.id(next));
    set(next, &["IMPORTING", &from]);
    set(owner, &["MIGRATING", &to]);
    let begin = Instant::now();
    let answer = store.add(&key(1), 1, in_an_hour()).await;
    assert!(
        matches!(answer, Err(StoreError::Unavailable(_))),
        "{answer:?}"
    );
    assert!(
        begin.elapsed() < Duration::from_millis(1_500),
        "{:?}",
        begin.elapsed()
    );
    let answer = store.get(&key(1)).await;
    assert!(
        matches!(answer, Err(StoreError::Unavailable(_))),
        "{answer:?}"
    );
    for node in [next, owner] {
        set(node, &["NODE", &to]);
    }
    assert_eq!(store.add(&key(1), 1, in_an_hour()).await.unwrap(), 1);
    assert_eq!(store.get(&key(1)).await.unwrap().unwrap().value, "1");
}

type Verb = Box<dyn Fn(Arc<RedisStore>) -> Pin<Box<dyn Future<Output = Result<bool, StoreError>>>>>;

fn verb<F>(verb: impl Fn(Arc<RedisStore>) -> F + 'static) -> Verb
where
    F: Future<Output = Result<bool, StoreError>> + 'static,
{
    Box::new(move |store| Box::pin(verb(store)))
}

/// How many calls waited for the replica. The server counts them, since durations are unreliable on
/// a busy machine.
fn waits_of(guarded: &Guarded) -> u32 {
    let stats = guarded.servers[0].command(&["INFO", "commandstats"]);
    let calls = stats
        .split_once("cmdstat_wait:calls=")
        .map(|(_, rest)| rest);
    let calls = calls
        .and_then(|rest| rest.split(',').next())
        .map(str::parse);
    calls.map_or(0, Result::unwrap)
}

/// A write that takes a right away waits for a replica: a change, a removal, or a record where none
/// was before. Other writes do not wait. The replica is suspended.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_writes_that_revoke_wait_for_a_replica() {
    const SESSION: Namespace = Namespace::new("session").cached();
    const REVOKING: Namespace = Namespace::new("revoking").revoking();
    let guarded = Guarded::start();
    let calm = patient(&guarded.url()).await;
    let named = |namespace: Namespace, name: &str| StoreKey::new(namespace, &[name.as_bytes()]);
    for name in ["changed", "taken", "grouped"] {
        let put = write("value").in_group(group());
        calm.put(&named(SESSION, name), put, When::Always)
            .await
            .unwrap();
    }
    let version = calm
        .get(&named(SESSION, "changed"))
        .await
        .unwrap()
        .unwrap()
        .version;
    guarded.servers[1].signal("STOP");
    let put = |namespace: Namespace, name: &'static str, when| {
        verb(move |store| async move {
            let key = StoreKey::new(namespace, &[name.as_bytes()]);
            store.put(&key, write("value"), when).await
        })
    };
    let verbs = [
        (
            "a note that ends something",
            true,
            put(REVOKING, "new", When::Absent),
        ),
        (
            "one that replaces another",
            true,
            put(REVOKING, "new", When::Always),
        ),
        (
            "what nobody has declared",
            true,
            put("bare".into(), "new", When::Absent),
        ),
        (
            "a changed session",
            true,
            put(SESSION, "changed", When::Unchanged(version)),
        ),
        (
            "a session that is taken",
            true,
            verb(|store| async move {
                let key = StoreKey::new(SESSION, &[b"taken"]);
                Ok(store.take(&key).await?.is_some())
            }),
        ),
        (
            "one that was taken already",
            true,
            verb(|store| async move {
                let key = StoreKey::new(SESSION, &[b"taken"]);
                Ok(store.take(&key).await?.is_none())
            }),
        ),
        (
            "a group",
            true,
            verb(|store| async move { Ok(store.remove_group(&group()).await? > 0) }),
        ),
        ("a new session", false, put(SESSION, "new", When::Absent)),
        (
            "a user",
            false,
            put(Namespace::new("user"), "new", When::Absent),
        ),
        (
            "a count",
            false,
            verb(|store| async move {
                let key = StoreKey::new(Namespace::new("throttle"), &[b"new"]);
                Ok(store.add(&key, 1, in_an_hour()).await? == 1)
            }),
        ),
        (
            "a touch",
            false,
            verb(|store| async move {
                let key = StoreKey::new(SESSION, &[b"new"]);
                store
                    .put(&key, write("value").without_invalidation(), When::Always)
                    .await
            }),
        ),
    ];
    for (what, waits, verb) in verbs {
        // A store of its own, since after a timed-out wait no call waits for a while.
        let store = Arc::new(patient(&guarded.url()).await);
        let before = waits_of(&guarded);
        assert!(verb(store).await.unwrap(), "{what}");
        assert_eq!(waits_of(&guarded) > before, waits, "{what}");
    }
    guarded.servers[1].signal("CONT");
}

/// Without a replica a revocation succeeds, the first after a moment, the next at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_replica_delays_little() {
    let mut guarded = Guarded::start();
    let store = patient(&guarded.url()).await;
    for number in 0..50 {
        store
            .put(&key(number), write("value"), When::Always)
            .await
            .unwrap();
    }
    guarded.servers[1].signal("STOP");
    let (begin, before) = (Instant::now(), waits_of(&guarded));
    for number in 0..50 {
        assert!(store.take(&key(number)).await.unwrap().is_some());
    }
    let elapsed = begin.elapsed();
    assert!(
        elapsed >= Duration::from_millis(90),
        "no call waited: {elapsed:?}"
    );
    // One in five seconds does.
    let waited = u64::from(waits_of(&guarded) - before);
    assert!(
        (1..=1 + elapsed.as_secs() / 5).contains(&waited),
        "{waited} waited in {elapsed:?}"
    );
    guarded.servers[1].signal("CONT");
    guarded.servers[1].kill();
}
