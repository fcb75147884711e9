//! A deny list that is lost, or new, accepts no token that was issued before.

use std::time::Duration;

use tower_jam::{Clock, Timestamp, store::Store};

use super::world::{App, Mode, is_good, issue, issued_at, key, verdict};

const OLD: &str = "401 the token is older than its list";

#[tokio::test]
async fn a_list_has_one_birth_on_every_node() {
    let app = App::new();
    let store = app.store();
    let one = app.list(Mode::Black, &store).build().unwrap();
    let birth = one.created_at().await.unwrap().unwrap();
    assert_eq!(birth, Timestamp::from_secs(app.clock.now().as_secs()));
    app.advance(100_000_000);
    let other = app.list(Mode::Black, &store).build().unwrap();
    assert_eq!(
        other.created_at().await.unwrap(),
        Some(birth),
        "it does not expire"
    );
    let entry = store
        .get(&key(Mode::Black, "birth", ""))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(entry.expires_at, Timestamp::NEVER);
    let white = app.list(Mode::White, &store).build().unwrap();
    assert_eq!(white.created_at().await.unwrap(), None);
}

#[tokio::test]
async fn tokens_issued_before_the_list_are_rejected() {
    let app = App::new();
    let old = issue(&app.engine().build().unwrap(), "alice").await;
    let jwt = app.alone(Mode::Black);
    assert_eq!(verdict(&jwt, &old).await, OLD, "also in the same second");
    let new = issue(&jwt, "alice").await;
    assert!(is_good(&jwt, &new).await);
    assert_eq!(issued_at(&new), app.clock.now().as_secs() + 1);
}

/// All entries, marks and the birth are gone, as after FLUSHALL, and so is the process; the second
/// that a token was post-dated to has come.
#[tokio::test]
async fn a_lost_list_revives_no_token() {
    let app = App::new();
    let jwt = app.alone(Mode::Black);
    jwt.list().unwrap().created_at().await.unwrap();
    let [revoked, logged_out, live] = [
        issue(&jwt, "alice").await,
        issue(&jwt, "bob").await,
        issue(&jwt, "carol").await,
    ];
    jwt.revoke_token(&revoked).await.unwrap();
    jwt.list().unwrap().revoke_all("bob").await.unwrap();
    let back = issue(&jwt, "bob").await;
    app.advance(issued_at(&back) - app.clock.now().as_secs());
    let empty = app.store();
    for number in 0..2 {
        let node = app.node(Mode::Black, &empty);
        for token in [&revoked, &logged_out, &live, &back] {
            assert_eq!(verdict(&node, token).await, OLD, "node {number}");
        }
        let fresh = issue(&node, "alice").await;
        assert!(is_good(&node, &fresh).await);
    }
}

/// The node that issued a token ahead of its clock loses the list within that very second.
#[tokio::test]
async fn a_list_that_is_lost_within_a_second_revives_nothing_of_the_node_that_notices() {
    let app = App::new();
    let store = app.store();
    let jwt = app.node(Mode::Black, &store);
    for _ in 0..10 {
        let token = issue(&jwt, "alice").await;
        assert!(is_good(&jwt, &token).await);
        jwt.revoke_token(&token).await.unwrap();
        clear_store(&*store, &jwt, &token, "alice").await;
        assert_eq!(verdict(&jwt, &token).await, OLD);
        let fresh = issue(&jwt, "alice").await;
        assert!(is_good(&jwt, &fresh).await);
    }
}

async fn clear_store(store: &dyn Store, jwt: &tower_jam::Jwt, token: &str, subject: &str) {
    let id = jwt.token_id(token).unwrap();
    for (kind, name) in [("birth", ""), ("subject", subject), ("id", id.id())] {
        store.take(&key(Mode::Black, kind, name)).await.unwrap();
    }
}

/// A node that received no revocation itself learns of the loss.
#[tokio::test]
async fn every_node_notices_a_loss_by_its_next_check() {
    let app = App::new();
    let store = app.store();
    let nodes = [app.node(Mode::Black, &store), app.node(Mode::Black, &store)];
    let token = issue(&nodes[0], "alice").await;
    app.advance(1);
    for node in &nodes {
        assert!(is_good(node, &token).await);
    }
    store.take(&key(Mode::Black, "birth", "")).await.unwrap();
    for node in nodes.iter().rev() {
        assert_eq!(verdict(node, &token).await, OLD);
    }
}

/// A node whose clock is ahead creates a list; beyond the leeway no token is issued that would be
/// rejected.
#[tokio::test]
async fn a_birth_in_the_future_is_503_until_it_has_come() {
    let (app, ahead) = (App::new(), App::new());
    let store = app.store();
    ahead
        .clock
        .set(app.clock.now().after(Duration::from_secs(40)));
    ahead
        .node(Mode::Black, &store)
        .list()
        .unwrap()
        .created_at()
        .await
        .unwrap();
    let jwt = app.node(Mode::Black, &store);
    let grant = || tower_jam::Grant::new("alice", tower_jam::Claims::new());
    let error = jwt.issue(grant()).await.unwrap_err();
    assert_eq!(tower_jam::Rejection::from(error).status(), 503);
    app.advance(12);
    assert!(is_good(&jwt, jwt.issue(grant()).await.unwrap().expose()).await);
}

/// A list that cannot be read is not a lost list.
#[tokio::test]
async fn bytes_that_are_no_birth_or_mark_are_503() {
    use tower_jam::store::{When, Write};
    for (kind, name) in [("birth", ""), ("subject", "alice")] {
        for value in [&b""[..], b"1", &[0xff; 8], &[0xff; 16], &[0; 17]] {
            let app = App::new();
            let store = app.store();
            let jwt = app.node(Mode::Black, &store);
            let token = issue(&jwt, "alice").await;
            let write = Write::new(value.to_vec(), Timestamp::NEVER);
            store
                .put(&key(Mode::Black, kind, name), write, When::Always)
                .await
                .unwrap();
            assert_eq!(
                jwt.verify(&token).await.unwrap_err().status(),
                503,
                "{value:?}"
            );
            let grant = tower_jam::Grant::new("alice", tower_jam::Claims::new());
            assert!(jwt.issue(grant).await.is_err());
        }
    }
}
