//! The contract on every kind of server.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::Barrier;
use tower_jam::{
    Grant, MasterSecret, Sessions,
    store::{RedisStore, contract},
    testing::ManualClock,
};

use super::{
    support::redis::{Cluster, Guarded, Server, prefix},
    world::shared,
};

async fn keeps_the_contract(url: &str) {
    let clock = Arc::new(ManualClock::default());
    let builder = RedisStore::builder(url).prefix(prefix());
    let builder = builder.with_clock(clock.clone());
    // It is not about time, of which a busy machine takes its own.
    let longest = Duration::from_secs(2);
    let builder = builder.connect_timeout(longest).command_timeout(longest);
    let store = Arc::new(builder.connect().await.unwrap());
    contract::run(store, &clock).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_single_server_keeps_the_contract() {
    keeps_the_contract(&Server::shared().url()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_keeps_the_contract() {
    keeps_the_contract(&Cluster::shared().url()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_behind_a_sentinel_keeps_the_contract() {
    keeps_the_contract(&Guarded::shared().url()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn valkey_keeps_the_contract() {
    let Some(server) = Server::shared_valkey() else {
        eprintln!("valkey-server is not installed: the contract was not run on it");
        return;
    };
    keeps_the_contract(&server.url()).await;
}

/// A hundred requests of one browser at once, each of which changes the session.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_writers_of_one_session_are_done_in_a_fraction_of_their_time() {
    let store = shared(&Server::shared().database()).await;
    let sessions = Sessions::<String>::builder(store, &MasterSecret::generate());
    let sessions = sessions.build().unwrap();
    let grant = Grant::new("alice", "Alice".to_owned());
    let token = Arc::new(sessions.create(grant).await.unwrap().token);
    let start = Arc::new(Barrier::new(100));
    let writers: Vec<_> = (0..100)
        .map(|number| {
            let (sessions, token, start) = (sessions.clone(), token.clone(), start.clone());
            tokio::spawn(async move {
                start.wait().await;
                let began = Instant::now();
                let updated = sessions.update(token.expose(), |data| {
                    data.values.insert(format!("{number}"), number.into());
                });
                updated.await.unwrap().unwrap();
                began.elapsed()
            })
        })
        .collect();
    let mut longest = Duration::ZERO;
    for writer in writers {
        longest = longest.max(writer.await.unwrap());
    }
    let (_, data) = sessions.get(token.expose()).await.unwrap().unwrap();
    assert_eq!(data.values.len(), 100);
    assert!(longest < Duration::from_secs(1), "{longest:?}");
}
