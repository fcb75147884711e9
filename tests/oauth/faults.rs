//! A provider that fails in every way.

use std::time::{Duration, Instant};

use serde_json::json;
use tower_jam::oauth2::OAuthError;

use crate::{
    provider::{Fault, Provider},
    world::{Returned, World, world, world_with},
};

const TIMEOUT: Duration = Duration::from_secs(1);

fn faults(other: &Provider) -> Vec<(&'static str, Fault)> {
    vec![
        ("500", Fault::Status(500)),
        ("503", Fault::Status(503)),
        ("429", Fault::Status(429)),
        ("hangs", Fault::Hang),
        ("huge", Fault::Huge),
        ("no JSON", Fault::Body("{swordfish")),
        ("other JSON", Fault::Body("[\"swordfish\"]")),
        ("empty", Fault::Body("")),
        ("HTML", Fault::Html),
        ("redirects", Fault::Redirect(other.at("/token"))),
        ("breaks off", Fault::Cut),
    ]
}

async fn impatient() -> World {
    world_with(|it| it.request_timeout(TIMEOUT)).await
}

#[tokio::test]
async fn every_fault_of_a_provider_ends_in_a_clear_error_within_the_time_out() {
    let other = Provider::start().await;
    for path in ["/token", "/keys", "/user"] {
        for (name, fault) in faults(&other) {
            let world = impatient().await;
            world.provider.fail(path, fault);
            let returned = world.visit_provider().await;
            let begun = Instant::now();
            let ended = world
                .oauth
                .finish(returned.callback, Some(&returned.cookie));
            let refused = ended.await.unwrap_err();
            assert!(begun.elapsed() < TIMEOUT * 4, "{path} {name}");
            let is_away = matches!(refused, OAuthError::Unreachable(_) | OAuthError::Answer(_));
            assert!(is_away, "{path} {name}: {refused:?}");
            assert_eq!(
                (refused.status().as_u16(), refused.code()),
                (503, "unavailable")
            );
            let mut text = format!("{refused} {refused:?}");
            let mut source = std::error::Error::source(&refused);
            while let Some(error) = source {
                text.push_str(&error.to_string());
                source = error.source();
            }
            assert!(!text.contains("swordfish"), "{path} {name}: {text}");
        }
    }
    assert!(other.all_seen().is_empty(), "no redirect is followed");
}

/// Concurrent logins share one fetch of the keys: none waits for the attempts of the others in
/// turn.
#[tokio::test]
async fn logins_that_wait_for_keys_share_one_fetch() {
    let world = impatient().await;
    world.provider.fail("/keys", Fault::Hang);
    let mut logins = tokio::task::JoinSet::new();
    let mut returned = Vec::new();
    for _ in 0..10 {
        returned.push(world.visit_provider().await);
    }
    let began = Instant::now();
    for Returned { callback, cookie } in returned {
        let oauth = world.oauth.clone();
        logins.spawn(async move { oauth.finish(callback, Some(&cookie)).await.is_err() });
    }
    assert!(logins.join_all().await.into_iter().all(|refused| refused));
    assert!(began.elapsed() < TIMEOUT * 4, "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_provider_that_recovers_is_used_at_once() {
    let world = world().await;
    world.provider.fail("/keys", Fault::Status(500));
    world.log_in().await.unwrap_err();
    world.provider.heal();
    world.log_in().await.unwrap();
    // Cached keys verify while the provider cannot be reached.
    world.provider.fail("/keys", Fault::Hang);
    world.log_in().await.unwrap();
}

#[tokio::test]
async fn an_application_starts_while_its_provider_is_unavailable() {
    let world = world_with(|it| {
        it.token_url("http://127.0.0.1:9/token")
            .request_timeout(TIMEOUT)
    })
    .await;
    let refused = world.log_in().await.unwrap_err();
    assert!(matches!(refused, OAuthError::Unreachable(_)), "{refused:?}");
}

#[tokio::test]
async fn a_rejection_is_reported_by_its_code_whatever_its_status() {
    let world = world().await;
    // As GitHub does it: 200 with an error in the body.
    world.provider.change(|it| {
        it.tokens =
            Some(json!({ "error": "bad_verification_code", "error_description": "swordfish" }));
    });
    let refused = world.log_in().await.unwrap_err();
    assert!(
        matches!(&refused, OAuthError::Refused { code } if code == "bad_verification_code"),
        "{refused:?}"
    );
    assert_eq!(
        (refused.status().as_u16(), refused.code()),
        (400, "refused")
    );
    world
        .provider
        .change(|it| it.tokens = Some(json!({ "error": "Swordfish!" })));
    let refused = world.log_in().await.unwrap_err();
    assert!(
        matches!(&refused, OAuthError::Refused { code } if code == "unknown"),
        "{refused:?}"
    );
    // A code that the provider did not issue.
    world.provider.heal();
    let mut returned = world.visit_provider().await;
    returned.callback.code = Some("another".to_owned());
    let refused = world
        .oauth
        .finish(returned.callback, Some(&returned.cookie));
    let refused = refused.await.unwrap_err();
    assert!(matches!(&refused, OAuthError::Refused { code } if code == "invalid_grant"));
}

#[tokio::test]
async fn a_token_of_another_type_than_bearer_is_not_understood() {
    let world = world().await;
    for tokens in [
        json!({ "access_token": "a", "token_type": "DPoP" }),
        json!({ "access_token": "a", "token_type": "mac" }),
        json!({ "access_token": "a" }),
        json!({ "token_type": "bearer" }),
        json!({ "access_token": 1, "token_type": "bearer" }),
    ] {
        world.provider.change(|it| it.tokens = Some(tokens.clone()));
        let refused = world.log_in().await.unwrap_err();
        assert!(
            matches!(refused, OAuthError::Answer(_)),
            "{tokens}: {refused:?}"
        );
    }
}
