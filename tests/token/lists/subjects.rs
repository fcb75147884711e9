//! One call revokes every token of a subject, and no other.

use std::time::Duration;

use tower_jam::{Claims, Clock, Grant, IssueError, Timestamp};

use super::world::{App, BOTH, ISSUER, Mode, is_good, issue, issued_at, verdict};

#[tokio::test]
async fn one_call_revokes_every_token_of_a_subject_and_of_no_other() {
    for mode in BOTH {
        let app = App::new();
        let jwt = app.alone(mode);
        let list = jwt.list().unwrap();
        assert_eq!(list.issued_before("alice").await.unwrap(), None);
        let mut hers = Vec::new();
        for _ in 0..3 {
            hers.push(issue(&jwt, "alice").await);
            app.advance(1);
        }
        let his = issue(&jwt, "bob").await;
        for token in hers.iter().chain([&his]) {
            assert!(is_good(&jwt, token).await);
        }
        list.revoke_all("alice").await.unwrap();
        for token in &hers {
            assert_eq!(
                verdict(&jwt, token).await,
                "401 the subject's tokens were revoked"
            );
        }
        assert!(is_good(&jwt, &his).await);
        let mark = list.issued_before("alice").await.unwrap().unwrap();
        assert_eq!(mark, Timestamp::from_secs(app.clock.now().as_secs()));
        assert_eq!(list.issued_before("bob").await.unwrap(), None);
    }
}

/// The clock stands still: a user who logs out everywhere and in again within a second is logged
/// in.
#[tokio::test]
async fn a_token_issued_in_the_second_of_the_mark_is_valid_and_the_next_mark_revokes_it() {
    for mode in BOTH {
        let app = App::new();
        let jwt = app.alone(mode);
        let list = jwt.list().unwrap();
        let mut before = issue(&jwt, "alice").await;
        assert!(is_good(&jwt, &before).await);
        for _ in 0..20 {
            list.revoke_all("alice").await.unwrap();
            assert!(!is_good(&jwt, &before).await);
            let mark = list.issued_before("alice").await.unwrap().unwrap();
            let token = issue(&jwt, "alice").await;
            assert_eq!(issued_at(&token), mark.as_secs() + 1);
            assert!(is_good(&jwt, &token).await);
            let another = issue(&jwt, "alice").await;
            assert_eq!(issued_at(&another), mark.as_secs() + 1);
            assert!(is_good(&jwt, &another).await);
            before = token;
        }
    }
}

/// A retry, or an impatient user, locks out no login.
#[tokio::test]
async fn marks_alone_do_not_run_ahead_of_the_clock() {
    for mode in BOTH {
        let app = App::new();
        let jwt = app.alone(mode);
        let list = jwt.list().unwrap();
        list.created_at().await.unwrap();
        for _ in 0..1_000 {
            list.revoke_all("alice").await.unwrap();
        }
        let now = app.clock.now().as_secs();
        let mark = list.issued_before("alice").await.unwrap().unwrap();
        assert_eq!(mark.as_secs(), now);
        let token = issue(&jwt, "alice").await;
        assert_eq!(issued_at(&token), now + 1);
        app.advance(2);
        assert_eq!(
            issued_at(&issue(&jwt, "alice").await),
            now + 2,
            "the clock's own time again"
        );
    }
}

/// No token is issued that verifiers would reject, and the condition passes by itself.
#[tokio::test]
async fn logins_and_marks_in_one_second_end_at_the_leeway() {
    for mode in BOTH {
        let app = App::new();
        let list = app.list(mode, &app.store()).build().unwrap();
        let jwt = app
            .engine()
            .leeway(Duration::from_secs(2))
            .list(list.clone())
            .build()
            .unwrap();
        let attempt = async || jwt.issue(Grant::new("alice", Claims::new())).await;
        let mut refused = 0;
        for _ in 0..5 {
            list.revoke_all("alice").await.unwrap();
            match attempt().await {
                Ok(token) => assert!(is_good(&jwt, token.expose()).await),
                Err(IssueError::Withdrawn) => refused += 1,
                Err(error) => panic!("{error}"),
            }
        }
        assert!((1..5).contains(&refused), "{refused}");
        assert!(is_good(&jwt, &issue(&jwt, "bob").await).await);
        app.advance(3);
        assert!(is_good(&jwt, attempt().await.unwrap().expose()).await);
    }
}

#[tokio::test]
async fn a_mark_never_goes_back() {
    for mode in BOTH {
        let app = App::new();
        let store = app.store();
        let jwt = app.node(mode, &store);
        let list = jwt.list().unwrap();
        list.created_at().await.unwrap();
        let token = issue(&jwt, "alice").await;
        list.revoke_all("alice").await.unwrap();
        let mark = list.issued_before("alice").await.unwrap();
        app.clock
            .set(app.clock.now().before(Duration::from_secs(20)));
        list.revoke_all("alice").await.unwrap();
        assert!(list.issued_before("alice").await.unwrap() >= mark);
        assert!(!is_good(&jwt, &token).await);
        let fresh = issue(&jwt, "alice").await;
        assert!(is_good(&jwt, &fresh).await, "for a clock that is behind");
    }
}

/// A mark is stored for as long as a token that it revokes could be accepted by the verifier with
/// the longest leeway.
#[tokio::test]
async fn a_mark_outlives_every_token_that_it_revokes() {
    for mode in BOTH {
        let app = App::new();
        let life = Duration::from_secs(100);
        let list = app.list(mode, &app.store()).max_ttl(life).build().unwrap();
        let patient = app.engine().leeway(Duration::from_secs(60)).ttl(life);
        let jwt = patient.list(list.clone()).build().unwrap();
        list.created_at().await.unwrap();
        app.advance(1);
        let token = issue(&jwt, "alice").await;
        list.revoke_all("alice").await.unwrap();
        let ahead = issue(&jwt, "alice").await;
        list.revoke_all("alice").await.unwrap();
        for _ in 0..170 {
            assert!(!is_good(&jwt, &token).await && !is_good(&jwt, &ahead).await);
            app.advance(1);
        }
        assert_eq!(
            list.issued_before("alice").await.unwrap(),
            None,
            "it expires"
        );
    }
}

/// The same name at another issuer is another subject, and a subject is not an id.
#[tokio::test]
async fn a_mark_is_for_one_subject_of_one_issuer() {
    let app = App::new();
    let store = app.store();
    let jwt = app.node(Mode::Black, &store);
    let token = issue(&jwt, "alice").await;
    let others = app
        .list_of(Mode::Black, &store, "https://other", app.clock.clone())
        .build()
        .unwrap();
    others.revoke_all("alice").await.unwrap();
    let list = jwt.list().unwrap();
    for other in ["", "Alice", "alice ", ISSUER] {
        list.revoke_all(other).await.unwrap();
    }
    list.add(&tower_jam::token::TokenId::new("alice", Timestamp::NEVER))
        .await
        .unwrap();
    assert!(is_good(&jwt, &token).await);
}
