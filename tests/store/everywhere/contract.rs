//! The contract on each store, bare and behind its near-cache, and its part for nodes that receive
//! each other's invalidations.

use std::sync::Arc;

use tower_jam::{
    SystemClock,
    testing::{ManualClock, contract},
};

use super::support::stores;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_contract_holds() {
    let clock = Arc::new(ManualClock::default());
    for backend in stores::each(clock.clone()).await {
        println!("{}", backend.name);
        contract::run(backend.nodes[0].clone(), &clock).await;
        println!("{} behind its near-cache", backend.name);
        contract::run(backend.near[0].clone(), &clock).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nodes_receive_each_others_invalidations() {
    let backends = stores::each(Arc::new(SystemClock)).await;
    for backend in backends.iter().filter(|backend| backend.is_shared) {
        println!("{}", backend.name);
        let [one, other] = &backend.near;
        contract::announcements::run(one, other).await;
        contract::announcements::run(&backend.nodes[0], other).await;
    }
}
