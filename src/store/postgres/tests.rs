//! Tests that need the store's internals and a server of their own: invalidations, the purge, and
//! the cost of touches.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use servers::postgres::{Server, execute};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};

use super::{
    PostgresStore,
    purge::{self, BATCH, BATCHES},
    watch::PostgresWatch,
};
use crate::{
    clock::Clock,
    store::{Namespace, Store, StoreKey, When, Write, near::Watch},
    testing::ManualClock,
};

const HOUR: Duration = Duration::from_secs(3600);

async fn store() -> (PostgresStore, Arc<ManualClock>, String) {
    store_on(Server::shared()).await
}

async fn store_on(server: &Server) -> (PostgresStore, Arc<ManualClock>, String) {
    let url = server.database().await;
    let clock = Arc::new(ManualClock::default());
    let builder = PostgresStore::builder(&url).clock(clock.clone());
    (builder.connect().await.unwrap(), clock, url)
}

async fn number(url: &str, sql: &str) -> i64 {
    let mut connection = PgConnection::connect(url).await.unwrap();
    let query = sqlx::query(AssertSqlSafe(sql.to_owned()));
    query.fetch_one(&mut connection).await.unwrap().get(0)
}

/// The invalidations that a watch received: `None` if anything may have changed.
#[derive(Clone, Default)]
struct Received(Arc<Mutex<Vec<Option<StoreKey>>>>);

impl Received {
    async fn on(store: &PostgresStore) -> (PostgresWatch, Self) {
        let received = Self::default();
        let list = received.0.clone();
        let on_change = move |key: Option<&StoreKey>| list.lock().unwrap().push(key.cloned());
        let watch = PostgresWatch::open(Arc::clone(&store.inner), Box::new(on_change)).await;
        (watch.unwrap(), received)
    }

    fn take(&self) -> Vec<Option<StoreKey>> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(5);
    while !holds().await {
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_heartbeat_has_reported_every_earlier_change() {
    let (store, clock, _) = store().await;
    let (watch, received) = Received::on(&store).await;
    let write = |value: &'static str| Write::new(value, clock.now().after(HOUR));
    let session = StoreKey::new("session", &[b"s"]);
    let account = StoreKey::new("account", &[b"a"]);
    let other = StoreKey::new(Namespace::new("throttle"), &[b"t"]);
    let group = StoreKey::new("sessions-of", &[b"alice"]);
    let expect = async |what: &str, keys: &[&StoreKey]| {
        watch.heartbeat().await.unwrap();
        let keys: Vec<_> = keys.iter().map(|&key| Some(key.clone())).collect();
        assert_eq!(received.take(), keys, "{what}");
    };

    let first = write("1");
    let version = first.version;
    assert!(store.put(&session, first, When::Absent).await.unwrap());
    expect("a first write", &[&session]).await;
    assert!(!store.put(&session, write("2"), When::Absent).await.unwrap());
    expect("a refused write", &[]).await;
    let touch = write("2").without_invalidation();
    let touched = touch.version;
    let when = When::Unchanged(version);
    assert!(store.put(&session, touch, when).await.unwrap());
    expect("a quiet write", &[]).await;
    assert!(!store.put(&session, write("3"), when).await.unwrap());
    expect("another refused write", &[]).await;
    let when = When::Unchanged(touched);
    assert!(store.put(&session, write("3"), when).await.unwrap());
    expect("a change", &[&session]).await;
    assert!(store.put(&account, write("a"), When::Always).await.unwrap());
    expect("an unconditional write", &[&account]).await;
    assert!(store.put(&other, write("1"), When::Always).await.unwrap());
    assert_eq!(
        store.add(&other, 1, clock.now().after(HOUR)).await.unwrap(),
        2
    );
    assert!(store.take(&other).await.unwrap().is_some());
    expect("keys without cached reads", &[]).await;
    assert!(store.take(&session).await.unwrap().is_some());
    assert!(store.take(&session).await.unwrap().is_none());
    expect("a removal of an entry, and one of none", &[&session]).await;

    let over = Write::new("", clock.now());
    assert!(
        store
            .put(&account, over.clone(), When::Always)
            .await
            .unwrap()
    );
    expect("a write that has already expired", &[&account]).await;
    for key in [&session, &account, &other] {
        let write = write("member").in_group(group.clone());
        assert!(store.put(key, write, When::Absent).await.unwrap());
    }
    watch.heartbeat().await.unwrap();
    received.take();
    assert_eq!(store.remove_group(&group).await.unwrap(), 3);
    watch.heartbeat().await.unwrap();
    let mut removed = received.take();
    removed.sort();
    let mut members = vec![Some(session.clone()), Some(account), Some(other.clone())];
    members.sort();
    assert_eq!(removed, members, "a group");
    let uncached = StoreKey::new(Namespace::new("counters-of"), &[b"alice"]);
    let member = write("member").in_group(uncached.clone());
    assert!(store.put(&other, member, When::Absent).await.unwrap());
    assert_eq!(store.remove_group(&uncached).await.unwrap(), 1);
    expect("a group of members that have no cached reads", &[]).await;

    assert!(store.put(&session, write("1"), When::Absent).await.unwrap());
    expect("a last write", &[&session]).await;
    clock.advance(3 * HOUR);
    assert_eq!(purge::round(&store.inner).await.unwrap(), 1);
    expect("a purge", &[]).await;
}

/// Another store's writers commit as fast as they can. A heartbeat after an acknowledged write has
/// reported it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_heartbeat_is_early() {
    let (store, clock, url) = store().await;
    let (watch, received) = Received::on(&store).await;
    let writer = Arc::new(
        PostgresStore::builder(&url)
            .clock(clock.clone())
            .connect()
            .await
            .unwrap(),
    );
    let noise: Vec<_> = (0..4_u8)
        .map(|task| {
            let (writer, clock) = (writer.clone(), clock.clone());
            tokio::spawn(async move {
                for round in 0..u8::MAX {
                    let key = StoreKey::new("session", &[&[task, round]]);
                    let write = Write::new("noise", clock.now().after(HOUR));
                    writer.put(&key, write, When::Always).await.unwrap();
                }
            })
        })
        .collect();
    for round in 0..200_u8 {
        let key = StoreKey::new("token-list", &[&[round]]);
        let write = Write::new("", clock.now().after(HOUR));
        writer.put(&key, write, When::Always).await.unwrap();
        watch.heartbeat().await.unwrap();
        assert!(received.take().contains(&Some(key)), "round {round}");
    }
    for task in noise {
        task.await.unwrap();
    }
}

#[tokio::test]
async fn a_payload_that_is_not_a_key_invalidates_everything() {
    let (store, _, url) = store().await;
    let (watch, received) = Received::on(&store).await;
    for payload in ["", "session", "session 00", "beat 1"] {
        execute(
            &url,
            &format!("SELECT pg_notify('tower_jam.entries', '{payload}')"),
        )
        .await;
    }
    execute(
        &url,
        "SELECT pg_notify('another', ''), pg_notify('tower_jam.b_entries', '')",
    )
    .await;
    watch.heartbeat().await.unwrap();
    assert_eq!(received.take(), [None, None, None, None]);
}

/// A closed connection may have missed invalidations, and is not silently replaced.
#[tokio::test]
async fn a_lost_connection_ends_the_watch() {
    let (store, clock, url) = store().await;
    let (watch, received) = Received::on(&store).await;
    watch.heartbeat().await.unwrap();
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
               WHERE datname = current_database() AND pid <> pg_backend_pid()";
    execute(&url, end).await;
    let started = Instant::now();
    for _ in 0..3 {
        assert!(watch.heartbeat().await.is_err());
    }
    assert!(started.elapsed() < Duration::from_secs(1));
    until("no invalidation arrived", async || {
        received.take() == [None]
    })
    .await;
    // A new watch receives invalidations again.
    let (watch, received) = Received::on(&store).await;
    let key = StoreKey::new("session", &[b"s"]);
    let write = Write::new("", clock.now().after(HOUR));
    store.put(&key, write, When::Always).await.unwrap();
    watch.heartbeat().await.unwrap();
    assert_eq!(received.take(), [Some(key.clone())]);
    assert!(watch.get(&key).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_heartbeat_of_a_server_that_hangs_fails_in_time() {
    let server = Server::start(&[]);
    let store = PostgresStore::connect(server.url("postgres"))
        .await
        .unwrap();
    let (watch, _) = Received::on(&store).await;
    watch.heartbeat().await.unwrap();
    server.signal("STOP");
    let started = Instant::now();
    assert!(watch.heartbeat().await.is_err());
    assert!(started.elapsed() < Duration::from_millis(1500));
    server.signal("CONT");
}

#[tokio::test]
async fn a_dropped_watch_and_a_dropped_store_leave_no_connection() {
    let (store, _, url) = store().await;
    let count = "SELECT count(*) FROM pg_stat_activity \
                 WHERE datname = current_database() AND pid <> pg_backend_pid()";
    let key = StoreKey::new("session", &[b"s"]);
    store.get(&key).await.unwrap();
    let (watch, _) = Received::on(&store).await;
    watch.heartbeat().await.unwrap();
    assert_eq!(number(&url, count).await, 2);
    drop(watch);
    until("the connection of the watch stays open", async || {
        number(&url, count).await == 1
    })
    .await;
    drop(store);
    until("the connection of the pool stays open", async || {
        number(&url, count).await == 0
    })
    .await;
}

#[tokio::test]
async fn a_round_of_the_purge_is_bounded_and_spares_live_entries() {
    let (store, clock, url) = store().await;
    let bound = i64::try_from(BATCHES).unwrap() * BATCH;
    let now = i64::try_from(clock.now().as_millis()).unwrap();
    let fill = format!(
        "INSERT INTO tower_jam.entries (namespace, digest, version, value, expires_at) \
         SELECT 'old', sha256(n::text::bytea), n, '', {now} FROM generate_series(1, {bound} + 1) AS n"
    );
    execute(&url, &fill).await;
    let alive = StoreKey::new("session", &[b"alive"]);
    let write = Write::new("", clock.now().after(3 * HOUR));
    store.put(&alive, write, When::Always).await.unwrap();
    assert_eq!(
        purge::round(&store.inner).await.unwrap(),
        0,
        "the hour has not passed"
    );
    clock.advance(HOUR);
    let rounds = [
        purge::round(&store.inner).await.unwrap(),
        purge::round(&store.inner).await.unwrap(),
        purge::round(&store.inner).await.unwrap(),
    ];
    assert_eq!(rounds, [usize::try_from(bound).unwrap(), 1, 0]);
    assert!(store.get(&alive).await.unwrap().is_some());
}

/// Nodes that purge at the same time share the work, and do not wait for a locked row.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn purges_do_not_wait_for_each_other() {
    let (store, clock, url) = store().await;
    let now = i64::try_from(clock.now().as_millis()).unwrap();
    let fill = format!(
        "INSERT INTO tower_jam.entries (namespace, digest, version, value, expires_at) \
         SELECT 'old', sha256(n::text::bytea), n, '', {now} FROM generate_series(1, 2000) AS n"
    );
    execute(&url, &fill).await;
    clock.advance(2 * HOUR);
    let mut holder = PgConnection::connect(&url).await.unwrap();
    let hold = "BEGIN; SELECT 1 FROM tower_jam.entries WHERE version <= 10 FOR UPDATE";
    sqlx::raw_sql(hold).execute(&mut holder).await.unwrap();
    let rounds: Vec<_> = (0..3)
        .map(|_| {
            let inner = Arc::clone(&store.inner);
            tokio::spawn(async move { purge::round(&inner).await.unwrap() })
        })
        .collect();
    let mut removed = 0;
    for round in rounds {
        removed += round.await.unwrap();
    }
    // A round stops at a batch that other rounds have thinned out; what they left is for the next
    // one.
    removed += purge::round(&store.inner).await.unwrap();
    assert_eq!(removed, 1990);
    holder.close().await.unwrap();
}

#[tokio::test]
async fn the_purge_runs_by_itself_and_ends_with_the_store() {
    let url = Server::shared().database().await;
    let clock = Arc::new(ManualClock::default());
    let builder = PostgresStore::builder(&url).clock(clock.clone());
    let store = builder
        .purge_interval(Duration::from_millis(20))
        .connect()
        .await
        .unwrap();
    let count = "SELECT count(*) FROM tower_jam.entries";
    let write = || Write::new("", clock.now().after(HOUR));
    let key = StoreKey::new("entry", &[b"k"]);
    store.put(&key, write(), When::Always).await.unwrap();
    clock.advance(3 * HOUR);
    until("nothing was purged", async || {
        number(&url, count).await == 0
    })
    .await;
    store.put(&key, write(), When::Always).await.unwrap();
    let inner = Arc::downgrade(&store.inner);
    drop(store);
    until("the task still holds the pool", async || {
        inner.strong_count() == 0
    })
    .await;
}

/// A touch writes no index: its new row is on the page of the old one.
#[tokio::test]
async fn a_touch_writes_no_index() {
    // Its own server: while one writes a page out, it cannot prune it, and the databases that other
    // tests create and drop make a shared one write all pages out.
    let server = Server::start(&[]);
    let (store, clock, url) = store_on(&server).await;
    let group = StoreKey::new("sessions-of", &[b"alice"]);
    for number in 0..20_u8 {
        let key = StoreKey::new("session", &[&[number]]);
        let write = Write::new(vec![number; 300], clock.now().after(HOUR));
        store
            .put(&key, write.in_group(group.clone()), When::Absent)
            .await
            .unwrap();
    }
    // So many that a few do not matter for which the server writes the page out at the same time
    // and cannot prune it.
    for touch in 0..200_u8 {
        let number = touch % 20;
        clock.advance(Duration::from_secs(3));
        let key = StoreKey::new("session", &[&[number]]);
        let version = store.get(&key).await.unwrap().unwrap().version;
        let write = Write::new(vec![number; 300], clock.now().after(HOUR)).without_invalidation();
        let when = When::Unchanged(version);
        assert!(
            store
                .put(&key, write.in_group(group.clone()), when)
                .await
                .unwrap()
        );
    }
    // A connection reports its statistics when it closes.
    drop(store);
    let touches = "SELECT n_tup_upd FROM pg_stat_user_tables WHERE relname = 'entries'";
    until("no touch was counted", async || {
        number(&url, touches).await == 200
    })
    .await;
    let hot = "SELECT n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'entries'";
    let hot = number(&url, hot).await;
    assert!(hot >= 180, "{hot} of 200");
}
