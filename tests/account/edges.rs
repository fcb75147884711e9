//! What an account does where nothing is usual: devices, budgets, odd bodies, other sites.

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

/// The session's login counts as the other does, and knows a device as it does.
#[tokio::test]
async fn a_device_that_is_known_to_either_login_is_locked_out_of_neither() {
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

/// Whoever had the password could collect devices, each with guesses of its own, for the day on which it changes.
#[tokio::test]
async fn a_new_password_makes_every_device_a_stranger() {
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

/// `/password` took from a budget under the user's id, as a login did from one under the name: with ids that are names
/// of others, strangers could keep a user from changing its password.
#[tokio::test]
async fn attempts_at_a_name_that_is_an_id_are_not_the_users() {
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

/// One who is logged in gets no more guesses at the password than one who is not.
#[tokio::test]
async fn guesses_at_both_routes_are_one_budget() {
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

/// Whoever was turned away for another reason has guessed nothing.
#[tokio::test]
async fn an_attempt_that_came_to_no_verdict_does_not_count() {
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
    // A store that fails as an attempt is taken or given back leaves it counted, which costs at most one each time.
    let statuses = guesses(&world, "/login", &[], 9).await;
    assert!(
        statuses.iter().filter(|status| **status == 401).count() >= 3,
        "{statuses:?}"
    );
}

#[tokio::test]
async fn a_name_of_a_device_that_no_record_takes_is_refused_before_a_hash_is_computed() {
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
        .login(&world.asked(WRONG), &origin(), device)
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
async fn what_another_site_caused_is_refused_with_a_problem() {
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

/// Behind one proxy the address is what that proxy adds, whatever the client has written before it.
#[tokio::test]
async fn an_address_that_the_client_made_up_is_not_counted_by() {
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
    assert_eq!(refused, 10, "a hundred by address");
    let headers = [JSON, ("x-forwarded-for", "198.51.100.7, 203.0.113.9")];
    let answer = send(
        &app,
        "POST",
        "/login",
        &headers,
        login("alice", PASSWORD).to_string(),
    )
    .await;
    assert_eq!(answer.status, 200, "another address, by the same proxy");
}

/// The name was taken away first; when that had happened and no more, asking again took it from whoever had it by then.
#[tokio::test]
async fn removing_a_user_again_takes_no_name_from_another() {
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

/// An unknown name costs as many looks into the store as a known one: on a distant store each of them can be measured.
#[tokio::test]
async fn an_unknown_name_costs_as_many_looks_into_the_store() {
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

/// A hundred guesses at once, half of them on another node: no more are looked at than the budget has.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_a_hundred_guesses_at_once_ten_are_looked_at_on_every_store() {
    for backend in stores::each(Arc::new(SystemClock)).await {
        let clock = Arc::new(ManualClock::at(SystemClock.now()));
        let first = world_on(backend.nodes[0].clone(), clock).await;
        let second = first.shared.node(&backend.nodes[1], |users| users);
        let nodes = [Arc::new(first), Arc::new(second)];
        let rounds = match backend.name {
            // To these it is one Redis like another.
            "redis cluster" | "redis sentinel" => 5,
            _ => 50,
        };
        let mut looked_at = 0;
        for round in 0..rounds {
            // Of a name and a network of its own, and so of a budget of its own.
            let name = format!("nobody {round}");
            let start = Arc::new(Barrier::new(100));
            let mut running = JoinSet::new();
            for number in 0..100_usize {
                let (node, start) = (nodes[number % 2].clone(), start.clone());
                let asked = Credentials {
                    name: name.clone(),
                    password: Secret::new(format!("guess {number}")),
                };
                let origin = Origin::new([10, round, 0, 1].into());
                running.spawn(async move {
                    start.wait().await;
                    node.accounts.prove(&asked, &origin).await.err()
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
            looked_at += wrong;
        }
        assert!(
            looked_at > usize::from(rounds),
            "{}: {looked_at}",
            backend.name
        );
    }
}

/// On the whole way of a login, and with a store that is a server: an unknown name takes what a wrong password takes.
/// As in the test of passwords alone, a tenth of the samples are faster than what counts of each, and the calmest of ten
/// rounds counts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_takes_as_long_for_a_name_that_is_nobodys() {
    let clock = Arc::new(ManualClock::at(SystemClock.now()));
    let backend = stores::redis(&(clock.clone() as Arc<dyn Clock>)).await;
    let world = world_at(backend.nodes[0].clone(), clock, 4_096).await;
    let mut seen = Vec::new();
    for round in 0..10_u8 {
        world.clock.advance(Duration::from_secs(16 * 60));
        let mut samples = [Vec::new(), Vec::new()];
        for number in 0..200_u8 {
            for (name, samples) in ["alice", "nobody"].into_iter().zip(&mut samples) {
                let asked = Credentials {
                    name: name.to_owned(),
                    password: Secret::new(WRONG.to_owned()),
                };
                let origin = Origin::new([10, 1, round, number].into());
                let began = Instant::now();
                let refused = world.accounts.prove(&asked, &origin).await;
                samples.push(began.elapsed());
                assert!(
                    matches!(refused, Err(LoginError::WrongCredentials)),
                    "{refused:?}"
                );
            }
            // Before ten of them are too many.
            if number % 9 == 8 {
                world.clock.advance(Duration::from_secs(16 * 60));
            }
        }
        let [known, unknown] = samples.map(|mut samples| {
            samples.sort();
            samples[samples.len() / 10]
        });
        let difference = known.abs_diff(unknown).as_secs_f64() / known.as_secs_f64();
        seen.push((known, unknown));
        if difference <= 0.05 {
            return;
        }
    }
    panic!("known and unknown: {seen:?}");
}
