//! What an alert needs from the event of a login attempt: the address, the client, and the name.

use std::mem;

use serde_json::{Value, json};
use tower_jam::event::{Event, EventKind};
use tracing::Level;

use super::{
    second::{enroll, first_step},
    support::log::Log,
    world::*,
};

const AGENT: &str = "Mozilla/5.0 (X11; Linux x86_64)";

async fn ask(world: &World, path: &str, agent: &str, body: Value) -> Answer {
    let headers = [("user-agent", agent), ("content-type", "application/json")];
    let peer = Some("198.51.100.7:4711");
    send_from(&world.app(), peer, "POST", path, &headers, body.to_string()).await
}

fn take_one(world: &World, kind: EventKind) -> Event {
    let events = mem::take(&mut *world.events.lock().unwrap());
    let mut of_kind = events.into_iter().filter(|event| event.kind == kind);
    let event = of_kind.next().unwrap_or_else(|| panic!("no {kind:?}"));
    assert!(of_kind.next().is_none(), "{kind:?} is sent once");
    event
}

/// Checks the rest of the event's source, and returns its hash of the name.
fn name_hash(event: &Event) -> Option<String> {
    assert_eq!(event.source.address, Some("198.51.100.7".parse().unwrap()));
    assert_eq!(event.source.user_agent.as_deref(), Some(AGENT));
    event.source.name_hash.clone()
}

#[tokio::test]
async fn each_attempt_has_an_event_with_address_client_and_hashed_name() {
    let log = Log::default();
    let _listening = log.listen(Level::INFO);
    let world = world().await;

    ask(&world, "/login", AGENT, login("alice", WRONG)).await;
    let alice = name_hash(&take_one(&world, EventKind::WrongPassword)).unwrap();
    ask(&world, "/login", AGENT, login("swordfish", WRONG)).await;
    let nobody = name_hash(&take_one(&world, EventKind::UnknownUser)).unwrap();
    ask(&world, "/login", AGENT, login("swordfish", WRONG)).await;
    assert_eq!(
        name_hash(&take_one(&world, EventKind::UnknownUser)),
        Some(nobody.clone())
    );
    assert_ne!(alice, nobody);

    for path in ["/login", "/session/login"] {
        let answer = ask(&world, path, AGENT, login("alice", PASSWORD)).await;
        assert!(answer.status < 300, "{}", answer.text);
        let event = take_one(&world, EventKind::LoginSucceeded);
        assert_eq!(name_hash(&event), Some(alice.clone()), "{path}");
        assert_eq!(event.subject.as_ref(), Some(&world.alice));
        assert!(event.session_id.is_some());
    }

    while ask(&world, "/login", AGENT, login("swordfish", WRONG))
        .await
        .status
        != 429
    {
        world.events.lock().unwrap().clear();
    }
    assert_eq!(
        name_hash(&take_one(&world, EventKind::Throttled)),
        Some(nobody.clone())
    );

    let pair = world.login().await;
    let phone = enroll(&world, &pair, &[]).await;
    let challenge = first_step(&world, "/login").await;
    let second = |code: &str| json!({ "challenge": challenge, "code": code });
    let refused = ask(&world, "/login/otp", AGENT, second("000000")).await;
    assert_eq!(refused.status, 401);
    let event = take_one(&world, EventKind::WrongCode);
    assert_eq!(
        (name_hash(&event), event.subject.as_ref()),
        (None, Some(&world.alice))
    );
    let code = phone.code(&world);
    assert_eq!(
        ask(&world, "/login/otp", AGENT, second(&code)).await.status,
        200
    );
    name_hash(&take_one(&world, EventKind::LoginSucceeded));

    let text = log.text();
    for wanted in [AGENT, "198.51.100.7", &alice, &nobody, "wrong_password"] {
        assert!(text.contains(wanted), "{wanted}");
    }
    for hidden in ["swordfish", PASSWORD, WRONG, &world.alice] {
        assert!(!text.contains(hidden), "{hidden}");
    }
}

/// The key of the hash is derived from the application's secret, so that a reader of the log cannot
/// guess names.
#[tokio::test]
async fn the_hash_of_a_name_is_keyed_and_a_long_user_agent_is_cut() {
    let mut hashes = Vec::new();
    for _ in 0..2 {
        let world = world().await;
        let long = format!("{AGENT}{}", "x".repeat(8_000));
        ask(&world, "/login", &long, login("nobody", WRONG)).await;
        let event = take_one(&world, EventKind::UnknownUser);
        assert_eq!(event.source.user_agent.as_ref().unwrap().len(), 256);
        hashes.push(event.source.name_hash.unwrap());
    }
    assert_ne!(hashes[0], hashes[1]);
}
