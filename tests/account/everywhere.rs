//! "Log out everywhere" includes remembered devices, pending logins, and logins with a provider
//! that began before it.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use tower_jam::{
    Clock, Env, Factor, Identity, Secret, Sessions, Subject, SystemClock,
    account::{self, LoginError, NewDevice},
    routes,
    store::MemoryStore,
    testing::ManualClock,
};

use super::{
    second::{Phone, enroll, enrolled, first_step, second_step},
    world::*,
};

/// Logs in with a code and remembers the device. Returns the pair and the device's cookie.
async fn remember(world: &World, phone: &Phone) -> (Pair, String) {
    let challenge = first_step(world, "/login").await;
    let code = phone.code(world);
    let answer = second_step(world, &challenge, &code, json!({ "remember": true })).await;
    let cookie = answer.cookie("__Host-remembered").unwrap();
    let cookie = cookie.split(';').next().unwrap().to_owned();
    (Pair::of(&answer), cookie)
}

async fn needs_no_code(world: &World, cookie: &str) -> bool {
    let headers = [("cookie", cookie)];
    let answer = post(&world.app(), "/login", &headers, login("alice", PASSWORD)).await;
    answer.status == 200
}

#[tokio::test]
async fn logging_out_everywhere_forgets_every_remembered_device() {
    let (world, phone) = enrolled().await;
    let (_, one) = remember(&world, &phone).await;
    let (pair, two) = remember(&world, &phone).await;
    assert!(needs_no_code(&world, &one).await && needs_no_code(&world, &two).await);
    let out = post(
        &world.app(),
        "/logout_all",
        &pair.authorization(),
        json!({}),
    )
    .await;
    assert_eq!(out.status, 204, "{}", out.text);
    assert!(!needs_no_code(&world, &one).await);
    assert!(!needs_no_code(&world, &two).await);
}

#[tokio::test]
async fn remembered_devices_are_listed_and_revoked_one_by_one() {
    let (world, phone) = enrolled().await;
    let (_, lost) = remember(&world, &phone).await;
    let (pair, kept) = remember(&world, &phone).await;
    let bearer = pair.authorization();
    let list = send(
        &world.app(),
        "GET",
        "/remembered_devices",
        &bearer,
        String::new(),
    )
    .await;
    let devices = list.json();
    assert_eq!(devices.as_array().unwrap().len(), 2, "{}", list.text);
    assert_eq!(list.headers["cache-control"], "no-store");
    let id = devices[0]["id"].as_str().unwrap();
    assert!(
        !lost.contains(id) && !kept.contains(id),
        "an id is no credential"
    );
    let life = devices[0]["expires_at"].as_u64().unwrap();
    assert_eq!(
        life - devices[0]["created_at"].as_u64().unwrap(),
        30 * 86_400
    );

    let path = format!("/remembered_devices/{id}");
    for status in [204, 404] {
        let gone = send(&world.app(), "DELETE", &path, &bearer, String::new()).await;
        assert_eq!(gone.status, status, "{}", gone.text);
    }
    assert!(!needs_no_code(&world, &lost).await);
    assert!(needs_no_code(&world, &kept).await);
    assert!(
        !world
            .accounts
            .second_factor()
            .revoke_remembered_device("another", id)
            .await
            .unwrap()
    );
    let anonymous = send(
        &world.app(),
        "GET",
        "/remembered_devices",
        &[],
        String::new(),
    )
    .await;
    assert_eq!(anonymous.status, 401);
}

/// A login that remembers its device is overtaken: nothing is issued, and nothing is remembered.
#[tokio::test]
async fn a_login_that_is_overtaken_remembers_no_device() {
    let (world, phone) = enrolled().await;
    let challenge = first_step(&world, "/login").await;
    let code = phone.code(&world);
    let proved = world
        .accounts
        .prove_second(&challenge, &code, &origin())
        .await;
    let (proved, device) = proved.unwrap();
    let factor = world.accounts.second_factor();
    let token = factor.remember_device(&proved, &device).await;
    let (token, _) = token.unwrap().unwrap();
    world.accounts.revoke_all(&world.alice).await.unwrap();
    let refused = world.accounts.finish_login(proved, device).await;
    assert!(matches!(refused, Err(LoginError::Rejected(_))));
    let cookie = format!("__Host-remembered={}", token.expose());
    assert!(!needs_no_code(&world, &cookie).await);
}

/// Sessions live for at most a minute, and a pending login for five.
#[tokio::test]
async fn a_pending_login_is_rejected_however_short_sessions_live() {
    let clock = Arc::new(ManualClock::at(SystemClock.now()));
    let store = Arc::new(MemoryStore::new().with_clock(clock.clone()));
    let world = world_on(store, clock).await;
    let sessions = Sessions::builder(
        &Env::new(ISSUER, world.store.clone(), &world.shared.secret)
            .with_clock(world.clock.clone()),
    )
    .users(account::user_reader(
        world.users.clone() as Arc<dyn account::Users<_>>
    ))
    .idle_timeout(Duration::from_secs(60))
    .absolute_timeout(Duration::from_secs(60))
    .build()
    .unwrap();
    let accounts = {
        let (users, pairs) = (world.users.clone(), world.accounts.pairs().clone());
        let throttle = world.accounts.throttle().clone();
        let accounts = account::Accounts::builder(
            &Env::new("self", world.store.clone(), &world.shared.secret)
                .with_clock(world.clock.clone()),
            users,
            world.passwords.clone(),
            throttle,
            pairs,
        );
        let accounts = accounts.sessions(sessions).otp(world.otp.clone());
        accounts.build().unwrap()
    };
    let pair = world.login().await;
    let phone = enroll(&world, &pair, &[]).await;
    let app = world.mount(routes::accounts(accounts.clone()));
    let waiting = post(&app, "/session/login", &[], login("alice", PASSWORD)).await;
    let challenge = waiting.json()["challenge"].as_str().unwrap().to_owned();
    accounts.revoke_all(&world.alice).await.unwrap();
    world.clock.advance(Duration::from_secs(120));
    for mode in ["session", "tokens"] {
        let code = phone.code(&world);
        let body = json!({ "challenge": challenge, "code": code, "mode": mode });
        let refused = post(&app, "/login/otp", &[], body).await;
        assert_eq!(refused.status, 401, "{}", refused.text);
    }
}

/// A login with a provider knows its user only at the end, so the time of its beginning is
/// compared.
#[tokio::test]
async fn a_login_with_a_provider_that_began_before_is_rejected() {
    let world = world().await;
    let (alice, accounts) = (&world.alice, &world.accounts);
    let started_at = world.clock.now();
    let prove = async |started_at| {
        let now = world.clock.now();
        accounts.prove_external(alice, now, started_at, None).await
    };
    assert!(prove(started_at).await.unwrap().is_some());
    world.clock.advance(Duration::from_secs(1));
    accounts.revoke_all(alice).await.unwrap();
    for at in [started_at, world.clock.now()] {
        let refused = prove(at).await.unwrap_err();
        assert_eq!(refused.status(), 401);
    }
    world.clock.advance(Duration::from_millis(1));
    let later = prove(world.clock.now()).await.unwrap().unwrap();
    let issued = accounts.finish_login(later, NewDevice::default()).await;
    assert!(issued.is_ok());
}

/// One rule decides how fresh a proof is, for a password as for every other factor.
#[tokio::test]
async fn a_password_change_requires_a_fresh_proof_and_rejects_a_future_one() {
    let world = world().await;
    let now = world.clock.now();
    let current = Secret::new(PASSWORD.to_owned());
    let change = async |identity: Identity| {
        let (new, origin) = ("correct horse, staple", origin());
        let accounts = &world.accounts;
        let changed = accounts.change_password(&identity, &current, new, &origin);
        changed.await.map_err(|error| match error {
            LoginError::Rejected(rejection) => rejection.status().as_u16(),
            other => panic!("{other}"),
        })
    };
    let proved_at = |at| {
        let subject = Subject::new(ISSUER, world.alice.as_str());
        Identity::new(subject, now).with_factor(Factor::Password, at)
    };
    let seconds = Duration::from_secs;
    for stale in [
        now.before(seconds(300)),
        now.after(seconds(31)),
        now.after(seconds(3_600)),
    ] {
        assert_eq!(change(proved_at(stale)).await, Err(401));
    }
    let subject = Subject::new(ISSUER, world.alice.as_str());
    assert_eq!(change(Identity::new(subject, now)).await, Err(401));
    assert_eq!(change(proved_at(now.before(seconds(299)))).await, Ok(()));
}
