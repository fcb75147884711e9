//! Many operations at once, on every store, half of them on another node if the store is shared.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tower_jam::{
    MasterSecret, SystemClock, TokenPair,
    event::EventKind,
    refresh::DeviceLimitPolicy,
    store::{RedisStore, Store, StoreKey, When, Write},
};

use super::{
    support::{
        race::race,
        redis,
        stores::{self, Backend},
    },
    world::{App, Pairs, refresh},
};

const ROUNDS: usize = 50;

fn nodes(app: &App, backend: &Backend) -> [Pairs; 2] {
    [0, 1].map(|node| app.node(&backend.nodes[node], |pairs| pairs))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_refreshes_of_one_token_get_one_successor() {
    for backend in stores::each(Arc::new(SystemClock)).await {
        let app = App::new();
        let nodes = nodes(&app, &backend);
        for round in 0..ROUNDS {
            let token = nodes[0].issue(app.alice()).await.unwrap().refresh_token;
            let racers = (0..64).map(|number| {
                let (pairs, token) = (nodes[number % 2].clone(), token.clone());
                async move { refresh(&pairs, token.expose()).await }
            });
            let answers = race(racers).await;
            let successors: BTreeSet<_> = answers.into_iter().map(Result::unwrap).collect();
            assert_eq!(successors.len(), 1, "{} round {round}", backend.name);
            let successor = successors.first().unwrap();
            let next = refresh(&nodes[1], successor).await.unwrap();
            // The window, and by how much the clocks of nodes may differ.
            app.clock.advance(Duration::from_secs(41));
            assert_eq!(
                refresh(&nodes[0], token.expose()).await,
                Err(401),
                "{}",
                backend.name
            );
            assert_eq!(
                refresh(&nodes[0], &next).await,
                Err(401),
                "the reuse revoked it"
            );
            assert_eq!(app.count(EventKind::ReuseDetected), round + 1);
        }
        assert_eq!(
            app.count(EventKind::Refreshed),
            2 * ROUNDS,
            "each rotation has one event"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn without_grace_the_second_of_many_revokes_the_device() {
    for backend in stores::each(Arc::new(SystemClock)).await {
        let app = App::new();
        let nodes =
            [0, 1].map(|node| app.node(&backend.nodes[node], |pairs| pairs.grace(Duration::ZERO)));
        for round in 0..ROUNDS {
            let token = nodes[0].issue(app.alice()).await.unwrap().refresh_token;
            let racers = (0..64).map(|number| {
                let (pairs, token) = (nodes[number % 2].clone(), token.clone());
                async move { refresh(&pairs, token.expose()).await }
            });
            let answers = race(racers).await;
            let granted: Vec<_> = answers
                .iter()
                .filter_map(|answer| answer.as_ref().ok())
                .collect();
            assert_eq!(granted.len(), 1, "{} round {round}", backend.name);
            assert!(
                answers
                    .iter()
                    .all(|answer| matches!(answer, Ok(_) | Err(401)))
            );
            assert_eq!(
                refresh(&nodes[0], granted[0]).await,
                Err(401),
                "{}",
                backend.name
            );
            assert_eq!(app.count(EventKind::ReuseDetected), round + 1);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_logout_that_races_a_refresh_leaves_nothing_valid() {
    for backend in stores::each(Arc::new(SystemClock)).await {
        let app = App::new();
        let nodes = nodes(&app, &backend);
        for round in 0..4 * ROUNDS {
            let pair = nodes[0].issue(app.alice()).await.unwrap();
            let token = pair.refresh_token.clone();
            let logout = {
                let (pairs, token) = (nodes[0].clone(), token.clone());
                async move {
                    pairs.logout(token.expose()).await.unwrap();
                    None
                }
            };
            let refreshing = {
                let (pairs, token) = (nodes[1].clone(), token.clone());
                async move { pairs.refresh(token.expose(), None).await.ok() }
            };
            let racers: [std::pin::Pin<Box<dyn Future<Output = _> + Send>>; 2] =
                [Box::pin(logout), Box::pin(refreshing)];
            let got = race(racers).await;
            for pair in got.into_iter().flatten().chain([pair]) {
                let (refresh_token, access_token) = (pair.refresh_token, pair.access_token);
                assert_eq!(
                    refresh(&nodes[0], refresh_token.expose()).await,
                    Err(401),
                    "round {round}"
                );
                assert!(
                    nodes[1].verify(access_token.expose()).await.is_err(),
                    "{}",
                    backend.name
                );
            }
            assert!(nodes[0].list("alice").await.unwrap().is_empty());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn logout_all_revokes_eight_devices_that_keep_refreshing() {
    for backend in stores::each(Arc::new(SystemClock)).await {
        let app = App::new();
        let nodes = nodes(&app, &backend);
        for round in 0..ROUNDS {
            let mut pairs = Vec::new();
            for _ in 0..8 {
                pairs.push(nodes[0].issue(app.alice()).await.unwrap());
            }
            let refreshing = pairs.into_iter().enumerate().map(|(number, pair)| {
                let pairs = nodes[number % 2].clone();
                Box::pin(async move {
                    let mut all = vec![pair];
                    loop {
                        let newest = all[all.len() - 1].refresh_token.expose();
                        let Ok(next) = pairs.refresh(newest, None).await else {
                            return all;
                        };
                        all.push(next);
                        // Memory is always ready, and a task that never waits lets no other task
                        // run.
                        tokio::task::yield_now().await;
                    }
                }) as std::pin::Pin<Box<dyn Future<Output = Vec<TokenPair>> + Send>>
            });
            let ending = {
                let pairs = nodes[0].clone();
                Box::pin(async move {
                    tokio::time::sleep(Duration::from_millis(2)).await;
                    pairs.revoke_all("alice").await.unwrap();
                    Vec::new()
                }) as std::pin::Pin<Box<dyn Future<Output = Vec<TokenPair>> + Send>>
            };
            let issued = race(refreshing.chain([ending])).await;
            assert_eq!(issued.iter().filter(|all| !all.is_empty()).count(), 8);
            // The last tokens of each device are those that raced the revocation; of the hundreds
            // of older ones these suffice.
            let last = issued.iter().flat_map(|all| all.iter().rev().take(8));
            for pair in last {
                let next = refresh(&nodes[1], pair.refresh_token.expose()).await;
                assert_eq!(next, Err(401), "{} round {round}", backend.name);
                for node in &nodes {
                    let access = node.verify(pair.access_token.expose()).await;
                    assert!(access.is_err(), "{} round {round}", backend.name);
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_fifty_parallel_logins_never_more_than_three_are_usable() {
    for backend in stores::each(Arc::new(SystemClock)).await {
        for on_limit in [
            DeviceLimitPolicy::EvictOldest,
            DeviceLimitPolicy::EvictLeastRecentlyUsed,
            DeviceLimitPolicy::Reject,
        ] {
            let app = App::new();
            let nodes = [0, 1].map(|node| {
                app.node(&backend.nodes[node], |pairs| {
                    pairs.max_devices(3).on_limit(on_limit)
                })
            });
            let mut all_looks = 0;
            // Here every Redis topology is alike, and fifty logins that contend for one record take
            // long.
            let rounds = match backend.name {
                "redis cluster" | "redis sentinel" => ROUNDS / 5,
                _ => ROUNDS,
            };
            for round in 0..rounds {
                nodes[0].revoke_all("alice").await.unwrap();
                let entered = Arc::new(AtomicUsize::new(0));
                let watching = {
                    let (pairs, entered) = (nodes[1].clone(), Arc::clone(&entered));
                    tokio::spawn(async move {
                        let (mut most, mut looks) = (0, 0);
                        while entered.load(Ordering::SeqCst) < 50 {
                            most = most.max(pairs.list("alice").await.unwrap().len());
                            looks += 1;
                            tokio::task::yield_now().await;
                        }
                        (most, looks)
                    })
                };
                let racers = (0..50).map(|number| {
                    let (pairs, alice) = (nodes[number % 2].clone(), app.alice());
                    let entered = Arc::clone(&entered);
                    async move {
                        let issued = pairs.issue(alice).await.ok();
                        entered.fetch_add(1, Ordering::SeqCst);
                        issued
                    }
                });
                let issued: Vec<_> = race(racers).await.into_iter().flatten().collect();
                match on_limit {
                    DeviceLimitPolicy::Reject => assert_eq!(issued.len(), 3),
                    _ => assert_eq!(issued.len(), 50),
                }
                let mut usable = 0;
                for pair in issued {
                    usable +=
                        usize::from(nodes[0].verify(pair.access_token.expose()).await.is_ok());
                }
                assert_eq!(usable, 3, "{} {on_limit:?} round {round}", backend.name);
                let (most, looks) = watching.await.unwrap();
                assert!(most <= 3, "{}: {most}", backend.name);
                all_looks += looks;
            }
            assert!(
                all_looks > 0,
                "{}: the limit was never checked",
                backend.name
            );
        }
    }
}

/// Both nodes have cached the account. A revocation on one invalidates it on the other: a logout,
/// the revocation of one device by another, and of all devices.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_revocation_on_one_node_soon_reaches_the_cache_of_the_other() {
    for backend in stores::each(Arc::new(SystemClock)).await {
        let app = App::new();
        let [one, two] = [0, 1].map(|node| app.node(&backend.near[node], |pairs| pairs));
        let mut latest = Duration::ZERO;
        for round in 0..ROUNDS {
            let pair = one.issue(app.alice()).await.unwrap();
            let token = pair.access_token.expose();
            // The second read is cached.
            for _ in 0..2 {
                assert!(
                    two.verify(token).await.is_ok(),
                    "{} round {round}",
                    backend.name
                );
            }
            match round % 3 {
                0 => assert!(one.logout(pair.refresh_token.expose()).await.unwrap()),
                1 => assert!(one.revoke("alice", &pair.session_id).await.unwrap()),
                _ => assert!(one.revoke_all("alice").await.unwrap() > 0),
            }
            let ended = Instant::now();
            while two.verify(token).await.is_ok() {
                assert!(
                    ended.elapsed() < Duration::from_secs(2),
                    "{} round {round}",
                    backend.name
                );
            }
            latest = latest.max(ended.elapsed());
            assert!(one.verify(token).await.is_err());
        }
        println!(
            "{}: refused elsewhere after {latest:?} at the latest",
            backend.name
        );
    }
}

/// What happens to each generation of a token, on every store: a late tab, a replay by many at
/// once, a generation that the store has lost, and a secret that is rotated inside the window.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_store_keeps_the_rules_of_generations() {
    for backend in stores::each(Arc::new(SystemClock)).await {
        let app = App::new();
        let nodes = nodes(&app, &backend);
        let name = backend.name;
        for round in 0..ROUNDS {
            let other = nodes[1].issue(app.alice()).await.unwrap();
            let first = nodes[0].issue(app.alice()).await.unwrap().refresh_token;
            let second = refresh(&nodes[0], first.expose()).await.unwrap();
            let third = refresh(&nodes[1], &second).await.unwrap();
            // A tab that is two generations behind, inside the window: rejected, and nothing is
            // revoked.
            assert_eq!(
                refresh(&nodes[0], first.expose()).await,
                Err(401),
                "{name} {round}"
            );
            assert_eq!(
                refresh(&nodes[0], &second).await,
                Ok(third.clone()),
                "{name} {round}"
            );
            assert_eq!(app.count(EventKind::ReuseDetected), round);

            // A node with a new secret reissues the same token, and makes the next one with the new
            // secret.
            let swapped = App {
                secret: MasterSecret::generate().accept(&app.secret),
                ..app.clone()
            };
            let new = swapped.node(&backend.nodes[0], |pairs| pairs);
            assert_eq!(
                refresh(&new, &second).await,
                Ok(third.clone()),
                "{name} {round}"
            );

            // After the window, many replay the old token at once: one event, one device revoked.
            app.clock.advance(Duration::from_secs(41));
            let racers = (0..64).map(|number| {
                let (pairs, token) = (nodes[number % 2].clone(), second.clone());
                async move { refresh(&pairs, &token).await }
            });
            let answers = race(racers).await;
            assert!(
                answers.iter().all(|answer| *answer == Err(401)),
                "{name} {round}"
            );
            assert_eq!(app.count(EventKind::ReuseDetected), round + 1, "{name}");
            assert_eq!(refresh(&nodes[0], &third).await, Err(401), "{name} {round}");
            let other = refresh(&nodes[0], other.refresh_token.expose()).await;
            assert!(
                other.is_ok(),
                "{name} {round}: the other device stays valid"
            );
            nodes[0].revoke_all("alice").await.unwrap();

            // The store returns to an old state, as after a failover or from a backup.
            let lost = nodes[0].issue(app.alice()).await.unwrap().refresh_token;
            let key = account_key("alice");
            let before = backend.nodes[0].get(&key).await.unwrap().unwrap();
            let newer = refresh(&nodes[0], lost.expose()).await.unwrap();
            let newest = refresh(&nodes[0], &newer).await.unwrap();
            let old = Write::new(before.value, before.expires_at);
            backend.nodes[1].put(&key, old, When::Always).await.unwrap();
            assert_eq!(
                refresh(&nodes[1], &newest).await,
                Err(401),
                "{name} {round}"
            );
            assert_eq!(app.count(EventKind::StateLost), round + 1, "{name}");
            assert_eq!(
                refresh(&nodes[0], lost.expose()).await,
                Err(401),
                "its device is revoked"
            );
            nodes[0].revoke_all("alice").await.unwrap();
        }
    }
}

/// The key of a user's record, as the engine names it.
fn account_key(subject: &str) -> StoreKey {
    StoreKey::new("account", &[b"https://auth.acme.dev", subject.as_bytes()])
}

/// The store loses everything between two steps: no old token is accepted, and nothing comes back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_emptied_store_logs_out_and_revives_nothing() {
    let server = redis::Server::start();
    let store: Arc<dyn Store> = Arc::new(RedisStore::connect(&server.url()).await.unwrap());
    let app = App::new();
    let pairs = app.node(&store, |pairs| pairs);
    for _ in 0..ROUNDS {
        let alive = pairs.issue(app.alice()).await.unwrap();
        let ended = pairs.issue(app.alice()).await.unwrap();
        assert!(pairs.logout(ended.refresh_token.expose()).await.unwrap());
        let epoch = pairs.epoch("alice").await.unwrap();
        pairs.revoke_all("alice").await.unwrap();
        server.command(&["FLUSHALL"]);
        for pair in [&alive, &ended] {
            assert!(pairs.verify(pair.access_token.expose()).await.is_err());
            assert_eq!(refresh(&pairs, pair.refresh_token.expose()).await, Err(401));
            pairs.logout(pair.refresh_token.expose()).await.unwrap();
        }
        // A login that began before everything was revoked, and before the record of that was lost.
        if epoch != pairs.epoch("alice").await.unwrap() {
            assert!(pairs.issue(app.alice()).since(epoch).await.is_err());
        }
        let next = pairs.issue(app.alice()).await.unwrap();
        assert!(pairs.verify(next.access_token.expose()).await.is_ok());
        pairs.revoke_all("alice").await.unwrap();
    }
}
