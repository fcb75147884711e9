//! The settings of a list and of an engine with one.

use std::time::Duration;

use tower_jam::{Claims, Grant, IssueError, Jwt, TokenList};

use super::world::{App, BOTH, Mode, issue, verdict};

#[test]
fn a_list_requires_an_issuer_and_a_valid_lifetime() {
    let app = App::new();
    for mode in BOTH {
        let list = || app.list(mode, &app.store());
        assert_eq!(
            app.list_of(mode, &app.store(), "", app.clock.clone())
                .build()
                .unwrap_err()
                .setting(),
            "issuer"
        );
        for seconds in [0, 366 * 86_400 + 1] {
            let error = list().max_ttl(Duration::from_secs(seconds)).build();
            assert_eq!(error.unwrap_err().setting(), "max_ttl");
        }
        assert!(list().max_ttl(Duration::from_secs(1)).build().is_ok());
    }
}

#[test]
fn an_engine_and_its_list_agree() {
    let app = App::new();
    let list = || app.list(Mode::Black, &app.store());
    let other = app
        .list_of(
            Mode::Black,
            &app.store(),
            "https://other",
            app.clock.clone(),
        )
        .build()
        .unwrap();
    let refused = |engine: tower_jam::token::JwtBuilder<Claims>, list: TokenList| {
        engine.list(list).build().unwrap_err().setting().to_owned()
    };
    let ours = list().build().unwrap();
    assert_eq!(refused(app.engine(), other), "list");
    assert_eq!(
        refused(app.engine().dangerous_any_issuer(), ours.clone()),
        "list"
    );
    let exact = app.engine().leeway(Duration::from_millis(999));
    assert_eq!(refused(exact, ours.clone()), "leeway");
    let day = Duration::from_secs(86_400);
    assert!(app.engine().ttl(day).list(ours.clone()).build().is_ok());
    let longer = app.engine().ttl(day + Duration::from_secs(1));
    assert_eq!(refused(longer, ours), "ttl");
}

#[tokio::test]
async fn a_token_that_would_outlive_its_list_is_not_issued() {
    for mode in BOTH {
        let jwt = App::new().alone(mode);
        let grant = Grant::new("alice", Claims::new());
        let long = jwt.issue(grant).ttl(Duration::from_secs(86_401)).await;
        assert!(matches!(long, Err(IssueError::Grant(_))), "{long:?}");
        let longest = jwt
            .issue(Grant::new("alice", Claims::new()))
            .ttl(Duration::from_secs(86_400));
        let longest = longest.await.unwrap();
        assert_eq!(verdict(&jwt, longest.expose()).await, "good");
    }
}

#[tokio::test]
async fn an_engine_without_a_list_revokes_nothing_and_says_so() {
    let app = App::new();
    let jwt: Jwt = app.engine().build().unwrap();
    let token = issue(&jwt, "alice").await;
    assert!(jwt.list().is_none());
    assert_eq!(jwt.revoke_token(&token).await.unwrap_err().status(), 500);
    assert_eq!(jwt.revoke_tokens([&token]).await.unwrap_err().status(), 500);
    assert!(jwt.token_id(&token).is_ok());
}

#[tokio::test]
async fn debug_shows_no_token_and_no_subject() {
    for mode in BOTH {
        let app = App::new();
        let jwt = app.alone(mode);
        let token = issue(&jwt, "alice").await;
        jwt.revoke_token(&token).await.unwrap();
        let id = jwt.token_id(&token).unwrap();
        for shown in [
            format!("{id:?}"),
            format!("{:?}", jwt.list().unwrap()),
            format!("{:?}", app.list(mode, &app.store())),
            format!("{jwt:?}"),
        ] {
            assert!(
                !shown.contains(id.id()) && !shown.contains("alice"),
                "{shown}"
            );
        }
    }
}
