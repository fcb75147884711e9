//! How much of a caller's input is stored.

use std::sync::Arc;

use serde_json::json;
use tower_jam::{
    Clock, RejectionKind, SystemClock,
    account::{LoginError, NewDevice, Origin},
    store::{MemoryStore, Store},
    testing::ManualClock,
};

use super::{
    second::enroll,
    support::ProbeStore,
    world::{PASSWORD, Pair, World, login, post, send, world, world_on},
};

/// As much as servers accept in a request head: 390 KB.
fn endless() -> String {
    "Mozilla/5.0 ".repeat(33_000)
}

async fn listed(world: &World, pair: &Pair) -> String {
    let path = "/active_sessions";
    let answer = send(
        &world.app(),
        "GET",
        path,
        &pair.authorization(),
        String::new(),
    )
    .await;
    assert_eq!(answer.status, 200);
    answer.text
}

#[tokio::test]
async fn only_the_beginning_of_a_user_agent_is_stored() {
    let world = world().await;
    let agent = endless();
    let headers = [("user-agent", agent.as_str())];
    let answer = post(&world.app(), "/login", &headers, login("alice", PASSWORD)).await;
    assert_eq!(answer.status, 200);
    let shown = listed(&world, &Pair::of(&answer)).await;
    assert!(
        shown.contains(&agent[..256]) && !shown.contains(&agent[..257]),
        "{shown}"
    );
}

/// A pending login stays in the store for minutes, and any caller with a password can create one.
#[tokio::test]
async fn a_pending_login_stores_no_more() {
    let clock = Arc::new(ManualClock::at(SystemClock.now()));
    let store = Arc::new(ProbeStore::new(
        MemoryStore::new().with_clock(clock.clone()),
    ));
    let world = world_on(store.clone() as Arc<dyn Store>, clock).await;
    let pair = world.login().await;
    let phone = enroll(&world, &pair, &[]).await;
    let agent = endless();
    let before = store.written().len();
    let headers = [("user-agent", agent.as_str())];
    let answer = post(&world.app(), "/login", &headers, login("alice", PASSWORD)).await;
    assert_eq!(answer.json()["error"], "otp_required", "{}", answer.text);
    // Through the application's own call, too.
    let device = NewDevice {
        user_agent: Some("ä".repeat(100_000)),
        ..NewDevice::default()
    };
    let origin = Origin::new("192.0.2.1".parse().unwrap());
    let credentials = world.credentials(PASSWORD);
    let due = world
        .accounts
        .login(&credentials, &origin, device)
        .await
        .unwrap_err();
    let LoginError::OtpRequired(challenge) = due else {
        panic!("{due}");
    };
    let written = store.written();
    let longest = written[before..].iter().map(Vec::len).max();
    assert!(longest.unwrap() < 4_096, "{longest:?}");
    // The second step uses what was stored.
    let body = json!({ "challenge": challenge.expose(), "code": phone.code(&world) });
    let answer = post(&world.app(), "/login/otp", &[], body).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let shown = listed(&world, &Pair::of(&answer)).await;
    assert!(shown.contains(&"ä".repeat(128)) && !shown.contains(&"ä".repeat(129)));
}

#[tokio::test]
async fn a_device_name_or_fingerprint_that_is_too_long_is_rejected() {
    let world = world().await;
    for (name, length, status) in [
        ("device_name", 256, 200),
        ("device_name", 257, 400),
        ("fingerprint", 4_000, 200),
        ("fingerprint", 4_097, 400),
    ] {
        let mut body = login("alice", PASSWORD);
        body[name] = "a".repeat(length).into();
        let answer = post(&world.app(), "/login", &[], body).await;
        assert_eq!(answer.status, status, "{name} of {length}: {}", answer.text);
    }
    let (credentials, origin) = (
        world.credentials(PASSWORD),
        Origin::new("192.0.2.1".parse().unwrap()),
    );
    let proved = world.accounts.prove(&credentials, &origin).await.unwrap();
    let device = NewDevice {
        name: Some("a".repeat(257)),
        ..NewDevice::default()
    };
    let refused = world.accounts.finish_login(proved, device).await;
    let Err(LoginError::Rejected(refused)) = refused else {
        panic!("it was accepted");
    };
    assert_eq!(*refused.kind(), RejectionKind::Malformed);
}
