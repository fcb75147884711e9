use std::time::Duration;

use servers::{
    process::until,
    redis::{Cluster, Server},
};

use super::*;
use crate::{
    clock::{Clock as _, SystemClock},
    store::{Store as _, When, Write},
};

/// The invalidations that were received, in order; `None` for all keys.
type Received = Arc<Mutex<Vec<Option<StoreKey>>>>;

async fn watched(url: &str) -> (RedisStore, TrackedConnections, Received) {
    let store = RedisStore::connect(url).await.unwrap();
    let received = Received::default();
    let list = Arc::clone(&received);
    let on_invalidation = Box::new(move |invalidated: Invalidated<'_>| {
        list.lock().unwrap().push(match invalidated {
            Invalidated::Key(key) => Some(key.clone()),
            Invalidated::All => None,
        });
    });
    let tracked = TrackedConnections::open(Arc::clone(&store.inner), on_invalidation)
        .await
        .unwrap();
    (store, tracked, received)
}

fn keys(count: u64) -> Vec<StoreKey> {
    (0..count)
        .map(|number| StoreKey::new("session", &[&number.to_be_bytes()]))
        .collect()
}

fn write(value: &'static str) -> Write {
    Write::new(value, SystemClock.now().after(Duration::from_secs(3_600)))
}

fn taken(received: &Received) -> Vec<Option<StoreKey>> {
    std::mem::take(&mut received.lock().unwrap())
}

/// Every change before a heartbeat has been reported when the heartbeat returns, whatever its kind.
async fn a_heartbeat_reports_every_change(url: &str) {
    let (store, tracked, received) = watched(url).await;
    let keys = keys(40);
    tracked.heartbeat().await.unwrap();
    assert_eq!(taken(&received), [], "nothing was read or changed");
    for round in 0..20 {
        for (number, key) in keys.iter().enumerate() {
            let found = tracked.get(key).await.unwrap();
            assert_eq!(found.is_some(), round > 0 && number % 2 == 1);
        }
        for (number, key) in keys.iter().enumerate() {
            assert!(store.put(key, write("value"), When::Always).await.unwrap());
            if number % 2 == 0 {
                assert!(store.take(key).await.unwrap().is_some());
            }
        }
        tracked.heartbeat().await.unwrap();
        let mut changed = taken(&received);
        changed.sort();
        let mut expected: Vec<_> = keys.iter().cloned().map(Some).collect();
        expected.sort();
        assert_eq!(changed, expected, "round {round}");
    }
    for key in &keys {
        store.put(key, write("value"), When::Always).await.unwrap();
    }
    tracked.heartbeat().await.unwrap();
    assert_eq!(taken(&received), [], "they were not read since");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_sends_invalidations_of_keys_that_were_read() {
    let server = Server::start();
    a_heartbeat_reports_every_change(&server.url()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_sends_invalidations_of_keys_that_were_read() {
    let cluster = Cluster::start();
    a_heartbeat_reports_every_change(&cluster.url()).await;

    // The marker of each primary is checked.
    let (_store, tracked, received) = watched(&cluster.url()).await;
    assert_eq!(tracked.markers.len(), 3);
    for primary in &cluster.nodes[..3] {
        primary.command(&["FLUSHALL"]);
        tracked.heartbeat().await.unwrap();
        assert_eq!(taken(&received), [None]);
        tracked.heartbeat().await.unwrap();
        assert_eq!(taken(&received), []);
    }

    // A slot that moves ends the watch, because the new owner tracks nothing yet.
    let key = &keys(1)[0];
    let slot = redis_keyslot(&tracked.inner.names.entry(key)).to_string();
    let owner = (0..3).find(|node| {
        !cluster.nodes[*node]
            .command(&["CLUSTER", "COUNTKEYSINSLOT", &slot])
            .contains('-')
            && tracked.get_owner(key).as_deref()
                == Some(&format!("127.0.0.1:{}", cluster.nodes[*node].port))
    });
    let (owner, next) = (owner.unwrap(), (owner.unwrap() + 1) % 3);
    let id = cluster.nodes[next].command(&["CLUSTER", "MYID"]);
    let id = id.lines().nth(1).unwrap();
    for node in [next, owner] {
        let said = cluster.nodes[node].command(&["CLUSTER", "SETSLOT", &slot, "NODE", id]);
        assert!(said.starts_with("+OK"), "{said}");
    }
    assert!(tracked.get(key).await.is_err());
    assert!(tracked.heartbeat().await.is_err());
}

impl TrackedConnections {
    fn get_owner(&self, key: &StoreKey) -> Option<String> {
        let state = self.link.client.cached_cluster_state()?;
        let slot = redis_keyslot(&self.inner.names.entry(key));
        Some(state.get_server(slot)?.to_string())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flushed_database_is_noticed() {
    let server = Server::start();
    let (_store, tracked, received) = watched(&server.url()).await;
    server.command(&["FLUSHALL"]);
    tracked.heartbeat().await.unwrap();
    assert_eq!(taken(&received), [None]);
    let other = watched(&server.url()).await;
    for watch in [&tracked, &other.1] {
        watch.heartbeat().await.unwrap();
    }
    assert_eq!(taken(&received), []);
    assert_eq!(taken(&other.2), []);
    // A restored backup has another value too.
    let name = String::from_utf8(tracked.markers[0].name.to_vec()).unwrap();
    server.command(&["SET", &name, "other"]);
    tracked.heartbeat().await.unwrap();
    assert_eq!(taken(&received), [None]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_connection_ends_the_watch() {
    let mut server = Server::start();
    let (store, tracked, _) = watched(&server.url()).await;
    assert!(
        server
            .command(&["CLIENT", "KILL", "TYPE", "normal"])
            .starts_with(':')
    );
    assert!(tracked.heartbeat().await.is_err());
    assert!(tracked.get(&keys(1)[0]).await.is_err());

    let again = TrackedConnections::open(Arc::clone(&store.inner), Box::new(|_| {})).await;
    let again = again.unwrap();
    again.heartbeat().await.unwrap();
    server.signal("STOP");
    let start = std::time::Instant::now();
    assert!(again.heartbeat().await.is_err());
    assert!(
        start.elapsed() < Duration::from_millis(1_500),
        "{:?}",
        start.elapsed()
    );
    server.signal("CONT");
    server.kill();
    assert!(again.heartbeat().await.is_err());
    assert!(
        TrackedConnections::open(Arc::clone(&store.inner), Box::new(|_| {}))
            .await
            .is_err()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_watch_leaves_no_connection() {
    let server = Server::start();
    let (_store, tracked, _) = watched(&server.url()).await;
    let connections = || {
        server
            .command(&["CLIENT", "LIST"])
            .matches(" laddr=")
            .count()
    };
    let before = connections();
    drop(tracked);
    until("the connection is closed", || connections() == before - 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_became_a_replica_ends_the_watch() {
    let (server, other) = (Server::start(), Server::start());
    let (_store, tracked, _) = watched(&server.url()).await;
    server.command(&["REPLICAOF", "127.0.0.1", &other.port.to_string()]);
    assert!(tracked.heartbeat().await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn untracked_connections_are_noticed() {
    let server = Server::start();
    let (_store, tracked, _) = watched(&server.url()).await;
    let client = tracked.client_for(&tracked.markers[0]);
    let off = client.client_tracking::<(), _, _>(
        Toggle::Off,
        None,
        Vec::<String>::new(),
        false,
        false,
        false,
        false,
    );
    off.await.unwrap();
    assert!(tracked.heartbeat().await.is_err());
}
