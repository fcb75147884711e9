//! Concurrent operations on one session, on two nodes.

use std::sync::Arc;

use serde_json::json;
use tokio::sync::Barrier;
use tower_jam::{
    Env, Grant, MasterSecret, Sessions, SystemClock, session::SessionData, store::Store,
};

use super::support::{
    race::race_both,
    stores::{self, Backend},
};

type Engine = Sessions<String>;

/// The same application on two nodes, bare and behind near-caches.
fn applications(backend: &Backend) -> [[Engine; 2]; 2] {
    let secret = MasterSecret::generate();
    let engine = |store: &Arc<dyn Store>| {
        Sessions::builder(&Env::new("self", store.clone(), &secret))
            .build()
            .unwrap()
    };
    [
        [engine(&backend.nodes[0]), engine(&backend.nodes[1])],
        [engine(&backend.near[0]), engine(&backend.near[1])],
    ]
}

fn alice() -> Grant<String> {
    Grant::new("alice", "Alice".to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_a_hundred_concurrent_updates_all_are_kept() {
    for backend in stores::each(Arc::new(SystemClock)).await {
        for nodes in applications(&backend) {
            let token = Arc::new(nodes[0].create(alice()).await.unwrap().token);
            let barrier = Arc::new(Barrier::new(100));
            let tasks = (0..100).map(|number| {
                let sessions = nodes[number % 2].clone();
                let (token, barrier) = (Arc::clone(&token), Arc::clone(&barrier));
                tokio::spawn(async move {
                    barrier.wait().await;
                    let count = |data: &mut SessionData<String>| {
                        let count = data.values.get("count").and_then(|count| count.as_u64());
                        let count = count.unwrap_or(0);
                        data.values.insert("count".into(), (count + 1).into());
                        data.values.insert(format!("task {number}"), number.into());
                    };
                    let updated = sessions.update(token.expose(), count).await;
                    updated.unwrap().expect("the session lives");
                })
            });
            for task in tasks.collect::<Vec<_>>() {
                task.await.unwrap();
            }
            let (_, data) = nodes[1].get(token.expose()).await.unwrap().unwrap();
            assert_eq!(data.values["count"], 100, "{}", backend.name);
            assert_eq!(data.values.len(), 101, "{}", backend.name);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_late_write_revives_a_session() {
    for backend in stores::each(Arc::new(SystemClock)).await {
        for [one, two] in applications(&backend) {
            for round in 0..ROUNDS {
                let token = Arc::new(one.create(alice()).await.unwrap().token);
                let writer = {
                    let (two, token) = (two.clone(), Arc::clone(&token));
                    async move {
                        let late = |data: &mut SessionData<String>| {
                            data.values.insert("late".into(), json!(1));
                        };
                        two.update(token.expose(), late).await.unwrap();
                    }
                };
                let logout = {
                    let (one, token) = (one.clone(), Arc::clone(&token));
                    async move { one.revoke_token(token.expose()).await.unwrap() }
                };
                let ((), is_ended) = race_both(writer, logout).await;
                assert!(is_ended);
                for node in [&one, &two] {
                    let found = node.get(token.expose()).await.unwrap();
                    assert!(found.is_none(), "{} round {round}", backend.name);
                    assert!(node.list("alice").await.unwrap().is_empty());
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_survives_clear_whatever_cycle_id_and_login_do_meanwhile() {
    for backend in stores::each(Arc::new(SystemClock)).await {
        for [one, two] in applications(&backend) {
            for round in 0..ROUNDS {
                let first = one.create(alice()).await.unwrap().token;
                let epoch = one.epoch("alice").await.unwrap();
                let (cycle_id, login) = (two.clone(), two.clone());
                let token = first.clone();
                let entering = async move {
                    let renewed = cycle_id.cycle_id(token.expose()).await.unwrap();
                    let entered = login.create(alice()).since(epoch).await.ok();
                    [renewed, entered.map(|session| session.token)]
                };
                let clearing = one.clone();
                let clearing = async move { clearing.revoke_all("alice").await.unwrap() };
                let (tokens, _) = race_both(entering, clearing).await;
                for token in tokens.into_iter().flatten().chain([first]) {
                    for node in [&one, &two] {
                        let found = node.get(token.expose()).await.unwrap();
                        assert!(found.is_none(), "{} round {round}", backend.name);
                    }
                }
                assert!(
                    two.list("alice").await.unwrap().is_empty(),
                    "{}",
                    backend.name
                );
            }
        }
    }
}

const ROUNDS: usize = 100;
