//! Invalid tokens, and stores that do not answer.

use std::sync::Arc;

use tower_jam::{
    Env,
    event::EventKind,
    store::{MemoryStore, Store},
};

use super::{
    support::{ProbeStore, shared},
    world::{App, refresh},
};

#[tokio::test]
async fn a_foreign_refresh_token_is_rejected_without_a_store_call() {
    let app = App::new();
    let (probe, store) = shared(ProbeStore::new(
        MemoryStore::new().with_clock(app.clock.clone()),
    ));
    let pairs = app.node(&store, |pairs| pairs);
    let mut stranger = App::new();
    stranger.key = Arc::clone(&app.key);
    let foreign = stranger
        .node(&store, |pairs| pairs)
        .issue(app.alice())
        .await
        .unwrap();
    // Under another secret the record cannot be opened, and this login replaces it.
    let pair = pairs.issue(app.alice()).await.unwrap();
    let token = pair.refresh_token.expose();
    let flipped = |at: usize| {
        let mut bytes = token.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        String::from_utf8(bytes).unwrap()
    };
    let mut hostile = vec![
        String::new(),
        " ".to_owned(),
        format!("{token} "),
        format!("{token}="),
        token[1..].to_owned(),
        "A".repeat(98),
        "A".repeat(64 * 1024),
        "ä".repeat(49),
        pair.access_token.expose().clone(),
        foreign.refresh_token.expose().clone(),
    ];
    hostile.extend((0..token.len()).map(flipped));
    let calls = probe.calls();
    let caller = pairs.verify(pair.access_token.expose()).await.unwrap();
    let seen = probe.calls();
    assert_eq!(seen, calls + 1);
    for text in &hostile {
        assert_eq!(refresh(&pairs, text).await, Err(401), "{text}");
        assert_eq!(pairs.logout(text).await.unwrap_err().status(), 401);
        let refused = pairs.revoke_others(caller.identity().unwrap(), text).await;
        assert_eq!(refused.unwrap_err().status(), 401);
    }
    assert_eq!(probe.calls(), seen);
    assert!(
        pairs.verify(token).await.is_err(),
        "a refresh token is no access token"
    );
    assert!(refresh(&pairs, token).await.is_ok());
    assert_eq!(app.count(EventKind::ReuseDetected), 0);
}

#[tokio::test]
async fn a_token_of_another_kind_of_engine_has_no_device() {
    let app = App::new();
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new().with_clock(app.clock.clone()));
    let pairs = app.node(&store, |pairs| pairs);
    let key = tower_jam::Key::from_pem(
        tower_jam::Algorithm::EdDsa,
        app.key.to_pkcs8_pem().unwrap().expose().as_bytes(),
    )
    .unwrap();
    let jwt = tower_jam::Jwt::builder(tower_jam::KeyRing::new(key))
        .issuer("https://auth.acme.dev")
        .audience("api")
        .clock(app.clock.clone())
        .build()
        .unwrap();
    let token = jwt.issue(app.alice()).await.unwrap();
    assert!(jwt.verify(token.expose()).await.is_ok());
    assert_eq!(
        pairs.verify(token.expose()).await.unwrap_err().status(),
        401
    );
}

/// Whichever call of the store fails, executed or not: no caller is wrongly accepted, no user is
/// logged out, and a retry succeeds.
#[tokio::test]
async fn a_failure_of_any_call_is_503_and_the_token_stays_valid() {
    for loses_answer in [false, true] {
        for n in 1..=2 {
            let app = App::new();
            let (probe, store) = shared(ProbeStore::new(
                MemoryStore::new().with_clock(app.clock.clone()),
            ));
            let pairs = app.node(&store, |pairs| pairs);
            let pair = pairs.issue(app.alice()).await.unwrap();

            probe.fail_at(n, loses_answer);
            let first = refresh(&pairs, pair.refresh_token.expose()).await;
            probe.fail_at(0, false);
            match &first {
                Ok(_) => {}
                Err(status) => assert_eq!(*status, 503, "call {n}"),
            }
            let second = refresh(&pairs, pair.refresh_token.expose()).await.unwrap();
            if let Ok(first) = first {
                assert_eq!(first, second);
            }

            probe.fail_at(1, loses_answer);
            let verified = pairs.verify(pair.access_token.expose()).await;
            assert_eq!(verified.unwrap_err().status(), 503);
            probe.fail_at(0, false);
            assert!(pairs.verify(pair.access_token.expose()).await.is_ok());
            assert_eq!(app.count(EventKind::ReuseDetected), 0);
        }
    }
}

#[tokio::test]
async fn an_unavailable_user_table_invalidates_no_token() {
    let app = App::new();
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new().with_clock(app.clock.clone()));
    let pair = app
        .node(&store, |pairs| pairs)
        .issue(app.alice())
        .await
        .unwrap();
    let key = tower_jam::Key::generate(tower_jam::Algorithm::EdDsa).unwrap();
    let jwt = tower_jam::Jwt::<tower_jam::Claims>::builder(tower_jam::KeyRing::new(key))
        .issuer("https://auth.acme.dev")
        .audience("api")
        .clock(app.clock.clone())
        .build()
        .unwrap();
    let away = |_: String| async { Err(tower_jam::StoreError::Unavailable("away".into())) };
    let cut_off = tower_jam::TokenPairs::builder(
        &Env::new("https://auth.acme.dev", store.clone(), &app.secret),
        jwt,
        away,
    )
    .build()
    .unwrap();
    assert_eq!(
        refresh(&cut_off, pair.refresh_token.expose()).await,
        Err(503)
    );
    app.clock.advance(std::time::Duration::from_secs(3_600));
    let pairs = app.node(&store, |pairs| pairs);
    assert!(refresh(&pairs, pair.refresh_token.expose()).await.is_ok());
}
