//! A proof is accepted once, on all nodes together, and not at all while the store is unavailable.

use std::{sync::Arc, time::Duration};

use http::Method;
use serde_json::json;
use tokio::sync::Barrier;
use tower_jam::{
    Clock,
    store::{MemoryStore, Store},
    testing::ManualClock,
};

use super::{
    support::{ProbeStore, shared, stores},
    world::{Client, URL, World, ask, with},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_fifty_uses_of_one_proof_on_two_nodes_one_passes() {
    let world = Arc::new(World::new());
    let redis = stores::redis(&(world.clock.clone() as Arc<dyn Clock>)).await;
    let memory = world.memory();
    for nodes in [[Arc::clone(&memory), memory], redis.nodes.clone()] {
        for round in 0..10 {
            let client = Client::new();
            let token = world.token(&client).await;
            let proof = client.prove(&world.claims(&token));
            let barrier = Arc::new(Barrier::new(50));
            let mut uses = tokio::task::JoinSet::new();
            for number in 0..50 {
                let dpop = world.node(&nodes[number % 2]);
                let (world, barrier) = (Arc::clone(&world), Arc::clone(&barrier));
                let (token, proof) = (token.clone(), proof.clone());
                uses.spawn(async move {
                    barrier.wait().await;
                    let engine = dpop.protect(world.jwt.clone());
                    let answer = ask(engine, "DPoP", &token, &[&proof]).await;
                    let (status, code) = answer.verdict();
                    (status, code.to_owned())
                });
            }
            let verdicts = uses.join_all().await;
            let passed = verdicts.iter().filter(|(status, _)| *status == 200);
            assert_eq!(passed.count(), 1, "round {round}");
            let replayed = (401, "invalid_dpop_proof".to_owned());
            let refused = verdicts.iter().filter(|verdict| **verdict == replayed);
            assert_eq!(refused.count(), 49, "round {round}");
        }
    }
}

#[tokio::test]
async fn a_proof_is_not_accepted_again_during_or_after_its_lifetime() {
    let world = World::new();
    let store = world.memory();
    let client = Client::new();
    let token = world.token(&client).await;
    let proof = client.prove(&world.claims(&token));
    let verdict = async || {
        let engine = world.node(&store).protect(world.jwt.clone());
        ask(engine, "DPoP", &token, &[&proof]).await.status.as_u16()
    };
    assert_eq!(verdict().await, 200);
    for _ in 0..70 {
        assert_eq!(verdict().await, 401);
        world.clock.advance(Duration::from_secs(1));
    }
}

/// The record of one node expires by that node's time, and another node's clock may be behind.
#[tokio::test]
async fn a_proof_is_accepted_once_by_nodes_whose_clocks_differ() {
    let world = World::new();
    let ahead = Arc::new(ManualClock::at(
        world.clock.now().after(Duration::from_secs(20)),
    ));
    let node = |clock: &Arc<ManualClock>, store: &Arc<dyn Store>| {
        world.builder_at(store, clock.clone()).build().unwrap()
    };
    // The store expires entries by the time of the node that is ahead.
    let memory = MemoryStore::new().with_clock(ahead.clone());
    let store: Arc<dyn Store> = Arc::new(memory);
    let client = Client::new();
    let proof = client.prove(&with(
        &world.claims(""),
        &json!({ "htm": "POST", "htu": format!("{URL}/login"), "ath": null }),
    ));
    let uses = async |clock: &Arc<ManualClock>| {
        let dpop = node(clock, &store);
        dpop.verify(&proof, &Method::POST, "/login").await.is_ok()
    };
    assert!(uses(&ahead).await);
    for _ in 0..70 {
        assert!(!uses(&world.clock).await && !uses(&ahead).await);
        world.clock.advance(Duration::from_secs(1));
        ahead.advance(Duration::from_secs(1));
    }
}

#[tokio::test]
async fn an_unavailable_store_is_503_and_uses_no_proof_up() {
    let world = World::new();
    let clock = world.clock.clone();
    let memory = MemoryStore::new().with_clock(clock);
    let (probe, store): (_, Arc<dyn Store>) = shared(ProbeStore::new(memory));
    let client = Client::new();
    let token = world.token(&client).await;
    let proof = client.prove(&world.claims(&token));
    let verdict = async || {
        let engine = world.node(&store).protect(world.jwt.clone());
        ask(engine, "DPoP", &token, &[&proof]).await.status.as_u16()
    };
    probe.set_down(true);
    assert_eq!(verdict().await, 503);
    probe.set_down(false);
    assert_eq!(verdict().await, 200);
    // Errors in the proof or the token are found without the store.
    let calls = probe.calls();
    let wrong = Client::new().prove(&world.claims(&token));
    let engine = world.node(&store).protect(world.jwt.clone());
    assert_eq!(
        ask(engine, "DPoP", &token, &[&wrong]).await.status.as_u16(),
        401
    );
    assert_eq!(probe.calls(), calls);
}
