//! The contract on every kind of server.

use std::{sync::Arc, time::Duration};

use tower_jam::{
    store::{RedisStore, contract},
    testing::ManualClock,
};

use crate::support::redis::{Cluster, Guarded, Server, Shape, valkey_server};

async fn keeps_the_contract(url: &str) {
    let clock = Arc::new(ManualClock::default());
    let builder = RedisStore::builder(url).with_clock(clock.clone());
    // It is not about time, of which a busy machine takes its own.
    let longest = Duration::from_secs(2);
    let builder = builder.connect_timeout(longest).command_timeout(longest);
    let store = Arc::new(builder.connect().await.unwrap());
    contract::run(store, &clock).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_single_server_keeps_the_contract() {
    let server = Server::start();
    keeps_the_contract(&server.url()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_keeps_the_contract() {
    let cluster = Cluster::start();
    keeps_the_contract(&cluster.url()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_behind_a_sentinel_keeps_the_contract() {
    let guarded = Guarded::start();
    keeps_the_contract(&guarded.url()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn valkey_keeps_the_contract() {
    let Some(program) = valkey_server() else {
        eprintln!("valkey-server is not installed: the contract was not run on it");
        return;
    };
    let shape = Shape {
        program: Some(program),
        ..Shape::default()
    };
    keeps_the_contract(&Server::with(&shape).url()).await;
}
