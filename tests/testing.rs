//! The kit for tests: what it issues is valid, what it fakes is rejected for the reason that it
//! names, and its store fails as configured.
#![allow(clippy::unwrap_used, reason = "in a test it is an assertion")]
#![cfg(all(
    feature = "testing",
    feature = "jwt",
    feature = "session",
    feature = "otp",
    feature = "axum"
))]

use std::{sync::Arc, time::Duration};

use tower_jam::{
    Claims, Clock, Grant, StoreError,
    store::{MemoryStore, Store, StoreKey, When, Write},
    testing::{FailingStore, Failure, Foreign, ManualClock, TestJam, bearer, contract},
};

fn alice() -> Grant<Claims> {
    Grant::new("alice", Claims::new()).roles(["editor"])
}

#[tokio::test]
async fn the_kits_tokens_are_accepted_and_its_fakes_rejected_for_the_named_reason() {
    let jam = TestJam::<Claims>::new();
    let token = jam.token(alice()).await;
    let verified = jam.jwt().verify(token.expose()).await.unwrap();
    assert!(verified.identity().unwrap().has_role("editor"));

    let expired = jam.expired_token(alice()).await;
    let refused = jam.jwt().verify(expired.expose()).await.unwrap_err();
    assert!(refused.reason().contains("expired"), "{}", refused.reason());
    let mut reasons = vec![refused.reason().to_owned()];
    for foreign in [Foreign::Key, Foreign::Audience, Foreign::Issuer] {
        let token = jam.foreign_token(alice(), foreign).await;
        let refused = jam.jwt().verify(token.expose()).await.unwrap_err();
        assert_eq!(refused.status(), 401);
        reasons.push(refused.reason().to_owned());
    }
    reasons.sort();
    reasons.dedup();
    assert_eq!(reasons.len(), 4, "{reasons:?}");
}

#[tokio::test]
async fn the_code_of_an_authenticator_works_once_in_each_period() {
    let jam = TestJam::<Claims>::new();
    let authenticator = jam.enroll("alice").await;
    for _ in 0..3 {
        let code = authenticator.code();
        assert!(jam.otp().verify("alice", code.expose()).await.is_ok());
        assert!(jam.otp().verify("alice", code.expose()).await.is_err());
        jam.clock().advance(Duration::from_secs(30));
    }
}

#[tokio::test]
async fn a_store_fails_at_the_configured_call_with_or_without_the_write() {
    let clock = Arc::new(ManualClock::default());
    let store = FailingStore::new(Arc::new(MemoryStore::new().with_clock(clock.clone())));
    let (first, second) = (
        StoreKey::new("test", &[b"1"]),
        StoreKey::new("test", &[b"2"]),
    );
    let write = || Write::new("value", clock.now().after(Duration::from_secs(60)));

    store.fail_at(2, Failure::Away);
    assert!(store.put(&first, write(), When::Absent).await.unwrap());
    let lost = store.put(&second, write(), When::Absent).await;
    assert!(matches!(lost, Err(StoreError::Unavailable(_))));
    assert!(
        store.get(&second).await.unwrap().is_none(),
        "nothing was written"
    );

    store.fail_at(1, Failure::AnswerLost);
    let lost = store.put(&second, write(), When::Absent).await;
    assert!(matches!(lost, Err(StoreError::Unknown(_))));
    assert!(
        store.get(&second).await.unwrap().is_some(),
        "it was written"
    );
    assert_eq!(store.calls(), 5);

    store.fail(Failure::Away);
    assert!(store.list(&first).await.is_err());
    assert!(store.add(&first, 1, clock.now()).await.is_err());
    assert!(store.read_cached(&first).await.is_err());
    assert!(store.remove_group(&first).await.is_err());
    store.recover();
    assert!(store.take(&first).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_store_that_works_passes_the_contract() {
    let clock = Arc::new(ManualClock::default());
    let memory = MemoryStore::new().with_clock(clock.clone());
    let store = Arc::new(FailingStore::new(Arc::new(memory)));
    contract::run(store, &clock).await;
}

#[tokio::test]
async fn nothing_of_the_kit_shows_a_credential() {
    let jam = TestJam::<Claims>::new();
    let authenticator = jam.enroll("alice").await;
    let token = jam.token(alice()).await;
    let session = jam.in_session(alice()).await;
    let cookie = session.headers_ref().unwrap()["cookie"].to_str().unwrap();
    let shown = format!(
        "{jam:?} {authenticator:?} {:?} {session:?}",
        bearer(token.expose())
    );
    for secret in [token.expose(), cookie, authenticator.code().expose()] {
        assert!(!shown.contains(secret), "{shown}");
    }
}
