//! Accounts in unusual cases: devices, budgets, malformed bodies, other sites.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::json;
use tokio::{sync::Barrier, task::JoinSet};
use tower_jam::{
    Claims, Clock, Env, MasterSecret, Secret, SystemClock,
    account::{Accounts, Credentials, LoginError, NewDevice, Origin, Users},
    event::EventKind,
    routes,
    store::{MemoryStore, Store},
    testing::ManualClock,
    throttle::{Throttle, TrustedProxies},
};

use super::{
    support::{ProbeStore, stores},
    world::*,
};

const JSON: (&str, &str) = ("content-type", "application/json");

async fn guesses(world: &World, path: &str, headers: &[(&str, &str)], many: usize) -> Vec<u16> {
    let mut statuses = Vec::new();
    for _ in 0..many {
        let answer = post(&world.app(), path, headers, login("alice", WRONG)).await;
        statuses.push(answer.status);
    }
    statuses
}

/// The session login counts attempts and knows devices like the token login.
#[tokio::test]
async fn a_device_known_to_one_login_is_locked_out_of_neither() {
    for first in ["/login", "/session/login"] {
        let world = world().await;
        let answer = post(&world.app(), first, &[], login("alice", PASSWORD)).await;
        let cookie = answer.cookie("__Host-device").unwrap();
        let device = cookie.split(';').next().unwrap();
        let statuses = guesses(&world, "/session/login", &[], 12).await;
        assert_eq!(statuses[..10], [401; 10]);
        assert_eq!(statuses[10..], [429; 2], "ten in a quarter of an hour");
        for path in ["/login", "/session/login"] {
            let stranger = post(&world.app(), path, &[], login("alice", PASSWORD)).await;
            assert_eq!(stranger.status, 429, "{path}");
            let own = post(
                &world.app(),
                path,
                &[("cookie", device)],
                login("alice", PASSWORD),
            )
            .await;
            assert!([200, 204].contains(&own.status), "{path} {}", own.text);
        }
    }
}

/// Otherwise an attacker who had the password could collect known devices, each with guesses of its
/// own, for the day on which it changes.
#[tokio::test]
async fn after_a_new_password_every_device_is_unknown() {
    let world = world().await;
    let mut devices = Vec::new();
    for _ in 0..5 {
        let answer = post(&world.app(), "/login", &[], login("alice", PASSWORD)).await;
        let cookie = answer.cookie("__Host-device").unwrap();
        devices.push(cookie.split(';').next().unwrap().to_owned());
    }
    let pair = world.login().await;
    let change = json!({ "current": PASSWORD, "new": "a new password" });
    let changed = post(&world.app(), "/password", &pair.authorization(), change).await;
    assert_eq!(changed.status, 204);
    let mut evaluated = 0;
    for device in &devices {
        let statuses = guesses(&world, "/login", &[("cookie", device)], 10).await;
        evaluated += statuses.iter().filter(|status| **status == 401).count();
    }
    assert_eq!(evaluated, 10, "they share the account's budget");
}

/// Regression: `/password` took from a budget under the user's id, and a login from one under the
/// name. If ids are the names of others, strangers could keep a user from changing the password.
#[tokio::test]
async fn attempts_at_a_name_do_not_count_for_the_user_with_that_id() {
    let world = world().await;
    let pair = world.login().await;
    for _ in 0..12 {
        let guess = login(&world.alice, WRONG);
        let answer = post(&world.app(), "/login", &[], guess).await;
        assert!([401, 429].contains(&answer.status));
    }
    let change = json!({ "current": PASSWORD, "new": "a new password" });
    let changed = post(&world.app(), "/password", &pair.authorization(), change).await;
    assert_eq!(changed.status, 204, "{}", changed.text);
}

/// A logged-in caller gets no more guesses at the password than any other.
#[tokio::test]
async fn guesses_at_both_routes_share_one_budget() {
    let world = world().await;
    let pair = world.login().await;
    assert_eq!(guesses(&world, "/login", &[], 9).await, [401; 9]);
    let guess = json!({ "current": WRONG, "new": "a new password" });
    let mut statuses = Vec::new();
    for _ in 0..2 {
        let answer = post(
            &world.app(),
            "/password",
            &pair.authorization(),
            guess.clone(),
        )
        .await;
        statuses.push(answer.status);
    }
    assert_eq!(statuses, [401, 429]);
}

/// An attempt that is rejected for another reason is not a guess.
#[tokio::test]
async fn an_attempt_without_a_result_does_not_count() {
    let clock = Arc::new(ManualClock::at(SystemClock.now()));
    let store = Arc::new(ProbeStore::new(
        MemoryStore::new().with_clock(clock.clone()),
    ));
    let world = world_on(store.clone(), clock).await;
    let before = store.calls();
    assert_eq!(guesses(&world, "/login", &[], 1).await, [401]);
    let calls = store.calls() - before;
    let mut unavailable = 0;
    for _ in 0..3 {
        for fails_at in 1..=calls {
            store.fail_at(fails_at, false);
            let right = post(&world.app(), "/login", &[], login("alice", PASSWORD)).await;
            unavailable += usize::from(right.status == 503);
            assert!(
                [200, 503].contains(&right.status),
                "{fails_at}: {}",
                right.text
            );
        }
    }
    store.fail_at(0, false);
    assert!(unavailable > 12, "{unavailable}");
    // If the store fails while an attempt is taken or refunded, the attempt stays counted, which
    // costs at most one each time.
    let statuses = guesses(&world, "/login", &[], 9).await;
    assert!(
        statuses.iter().filter(|status| **status == 401).count() >= 3,
        "{statuses:?}"
    );
}

#[tokio::test]
async fn a_device_name_that_is_too_long_is_rejected_before_a_hash_is_computed() {
    let world = world().await;
    let mut form = login("alice", PASSWORD);
    form["device_name"] = "x".repeat(257).into();
    let answer = post(&world.app(), "/login", &[], form.clone()).await;
    assert_eq!(answer.status, 400, "{}", answer.text);
    let device = NewDevice {
        name: Some("x".repeat(257)),
        ..NewDevice::default()
    };
    let refused = world
        .accounts
        .login(&world.credentials(WRONG), &origin(), device)
        .await;
    let refused = refused.unwrap_err().to_string();
    assert!(
        refused.ends_with("the device's name has more than 256 bytes"),
        "{refused}"
    );
    assert_eq!(world.count(EventKind::WrongPassword), 0);
    form["device_name"] = "x".repeat(256).into();
    assert_eq!(post(&world.app(), "/login", &[], form).await.status, 200);
}

#[tokio::test]
async fn a_cross_site_request_is_rejected_with_a_problem() {
    let world = world().await;
    for path in ["/login", "/refresh", "/logout", "/session/login"] {
        let foreign = [
            ("origin", "https://evil.dev"),
            ("sec-fetch-site", "cross-site"),
            ("host", "acme.dev"),
        ];
        let answer = post(&world.app(), path, &foreign, login("alice", PASSWORD)).await;
        assert_eq!(answer.status, 403, "{path}");
        assert_eq!(answer.headers["content-type"], "application/problem+json");
        assert_eq!(answer.json()["status"], 403);
        assert!(answer.cookie("__Host-sid").is_none());
    }
}

/// Behind one proxy, the address is the one that the proxy adds, whatever the client wrote before
/// it.
#[tokio::test]
async fn a_forged_client_address_is_not_counted() {
    let world = world().await;
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let env = Env::new("self", store, &MasterSecret::generate());
    let throttle = Throttle::builder(&env)
        .trusted_proxies(TrustedProxies::new(1))
        .build();
    let (users, pairs) = (world.users.clone(), world.accounts.pairs().clone());
    let accounts = Accounts::builder(&env, users, world.passwords.clone(), throttle, pairs);
    let accounts = accounts.build().unwrap();
    let app = world.mount(routes::accounts(accounts));
    let mut refused = 0;
    for number in 0..110 {
        let forged = format!("203.0.113.{}, 198.51.100.7", number % 250);
        let headers = [JSON, ("x-forwarded-for", forged.as_str())];
        let guess = login(&format!("nobody {number}"), WRONG).to_string();
        let answer = send(&app, "POST", "/login", &headers, guess).await;
        refused += usize::from(answer.status == 429);
    }
    assert_eq!(refused, 10, "a hundred per address");
    let headers = [JSON, ("x-forwarded-for", "198.51.100.7, 203.0.113.9")];
    let answer = send(
        &app,
        "POST",
        "/login",
        &headers,
        login("alice", PASSWORD).to_string(),
    )
    .await;
    assert_eq!(answer.status, 200, "another address behind the same proxy");
}

/// Regression: the name was removed first. If the removal stopped there, a retry took the name from
/// the user who had it by then.
#[tokio::test]
async fn repeating_a_removal_takes_no_name_from_another_user() {
    let clock = Arc::new(ManualClock::at(SystemClock.now()));
    let store = Arc::new(ProbeStore::new(
        MemoryStore::new().with_clock(clock.clone()),
    ));
    let world = world_on(store.clone(), clock).await;
    let add = async || {
        let added = world.users.add("dave", "hash", ["reader"], Claims::new());
        added.await.unwrap()
    };
    for loses_answer in [false, true] {
        for fails_at in 1..=4 {
            let old = add().await.unwrap();
            store.fail_at(fails_at, loses_answer);
            let first = world.users.remove(&old).await;
            store.fail_at(0, false);
            assert!(first.is_err(), "{fails_at}");
            let new = add().await;
            world.users.remove(&old).await.unwrap();
            assert!(world.users.read(&old).await.unwrap().is_none());
            let found = world.users.find("dave").await.unwrap();
            let found = found.map(|user| user.grant.subject().to_owned());
            assert_eq!(found, new, "{loses_answer} {fails_at}");
            if let Some(new) = new {
                assert!(world.users.remove(&new).await.unwrap());
            }
        }
    }
}

/// An unknown name costs as many store calls as a known one: with a distant store, each of them is
/// measurable.
#[tokio::test]
async fn an_unknown_name_costs_as_many_store_calls() {
    let clock = Arc::new(ManualClock::at(SystemClock.now()));
    let store = Arc::new(ProbeStore::new(
        MemoryStore::new().with_clock(clock.clone()),
    ));
    let shared: Arc<dyn Store> = store.clone();
    let world = world_on(shared, clock).await;
    let mut costs = Vec::new();
    for name in ["alice", "nobody"] {
        let before = store.calls();
        let answer = post(&world.app(), "/login", &[], login(name, WRONG)).await;
        assert_eq!(answer.status, 401);
        costs.push(store.calls() - before);
    }
    assert_eq!(costs[0], costs[1]);
    assert!(costs[0] > 5);
    world.clock.advance(Duration::from_secs(1));
}

/// A hundred guesses at once, half of them on another node: no more are verified than the budget
/// allows.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_a_hundred_guesses_at_once_ten_are_verified_on_every_store() {
    for backend in stores::each(Arc::new(SystemClock)).await {
        let clock = Arc::new(ManualClock::at(SystemClock.now()));
        let first = world_on(backend.nodes[0].clone(), clock).await;
        let second = first.shared.node(&backend.nodes[1], |users| users);
        let nodes = [Arc::new(first), Arc::new(second)];
        let rounds = match backend.name {
            // For these checks, every Redis topology is alike.
            "redis cluster" | "redis sentinel" => 5,
            _ => 50,
        };
        let mut verified = 0;
        for round in 0..rounds {
            // A name and a network of its own, and so a budget of its own.
            let name = format!("nobody {round}");
            let start = Arc::new(Barrier::new(100));
            let mut running = JoinSet::new();
            for number in 0..100_usize {
                let (node, start) = (nodes[number % 2].clone(), start.clone());
                let credentials = Credentials {
                    name: name.clone(),
                    password: Secret::new(format!("guess {number}")),
                };
                let origin = Origin::new([10, round, 0, 1].into());
                running.spawn(async move {
                    start.wait().await;
                    node.accounts.prove(&credentials, &origin).await.err()
                });
            }
            let mut wrong = 0;
            for refused in running.join_all().await {
                match refused {
                    Some(LoginError::WrongCredentials) => wrong += 1,
                    Some(LoginError::Rejected(it)) => {
                        assert!([429, 503].contains(&it.status().as_u16()), "{it:?}");
                    }
                    other => panic!("{other:?}"),
                }
            }
            assert!(wrong <= 10, "{} round {round}: {wrong}", backend.name);
            verified += wrong;
        }
        assert!(
            verified > usize::from(rounds),
            "{}: {verified}",
            backend.name
        );
    }
}

/// Through a whole login, with a store that is a server, an unknown name takes as long as a wrong
/// password. As in the test of passwords alone, the value of a series is its fastest tenth, and the
/// quietest of ten rounds counts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_takes_as_long_for_an_unknown_name() {
    let clock = Arc::new(ManualClock::at(SystemClock.now()));
    let backend = stores::redis(&(clock.clone() as Arc<dyn Clock>)).await;
    let world = world_at(backend.nodes[0].clone(), clock, 4_096).await;
    let mut measured = Vec::new();
    for round in 0..10_u8 {
        world.clock.advance(Duration::from_secs(16 * 60));
        let mut samples = [Vec::new(), Vec::new()];
        for number in 0..200_u8 {
            for (name, samples) in ["alice", "nobody"].into_iter().zip(&mut samples) {
                let credentials = Credentials {
                    name: name.to_owned(),
                    password: Secret::new(WRONG.to_owned()),
                };
                let origin = Origin::new([10, 1, round, number].into());
                let began = Instant::now();
                let refused = world.accounts.prove(&credentials, &origin).await;
                samples.push(began.elapsed());
                assert!(
                    matches!(refused, Err(LoginError::WrongCredentials)),
                    "{refused:?}"
                );
            }
            // Before ten failures exhaust the budget.
            if number % 9 == 8 {
                world.clock.advance(Duration::from_secs(16 * 60));
            }
        }
        let [known, unknown] = samples.map(|mut samples| {
            samples.sort();
            samples[samples.len() / 10]
        });
        let difference = known.abs_diff(unknown).as_secs_f64() / known.as_secs_f64();
        measured.push((known, unknown));
        if difference <= 0.05 {
            return;
        }
    }
    panic!("known and unknown: {measured:?}");
}
