//! Tokens for a provider's API: refreshed tokens, the application's own tokens, and revocation.

use std::time::Duration;

use tower_jam::{Secret, oauth2::OAuthError};

use crate::{
    provider::{Fault, SECRET},
    support::until,
    world::{world, world_with},
};

fn secret(text: &str) -> Secret<String> {
    Secret::new(text.to_owned())
}

#[tokio::test]
async fn fifty_refreshes_at_once_are_one_request() {
    let world = world().await;
    let token = world.log_in().await.unwrap().tokens.refresh_token.unwrap();
    world
        .provider
        .change(|it| it.delay = Duration::from_millis(100));
    let before = world.token_requests();
    let tasks: Vec<_> = (0..50)
        .map(|_| {
            let (oauth, token) = (world.oauth.clone(), token.clone());
            tokio::spawn(async move { oauth.refresh(&token).await.unwrap() })
        })
        .collect();
    let mut new = Vec::new();
    for task in tasks {
        let tokens = task.await.unwrap();
        assert!(tokens.id_token.is_none(), "it was not verified");
        new.push(tokens.refresh_token.unwrap());
    }
    assert_eq!(world.token_requests() - before, 1);
    assert!(new.iter().all(|it| *it == new[0] && *it != token));
    // Another refresh token is another request.
    world.oauth.refresh(&new[0]).await.unwrap();
    assert_eq!(world.token_requests() - before, 2);
}

#[tokio::test]
async fn a_cancelled_caller_does_not_lose_the_new_token() {
    let world = world().await;
    let token = secret("refresh-swordfish-1");
    world
        .provider
        .change(|it| it.delay = Duration::from_millis(200));
    {
        let mut flight = Box::pin(world.oauth.refresh(&token));
        tokio::select! {
            _ = &mut flight => panic!("the provider should still be waiting"),
            () = until(|| world.token_requests() == 1) => {}
        }
    }
    let tokens = world.oauth.refresh(&token).await.unwrap();
    assert_eq!(world.token_requests(), 1, "the request continued");
    let again = world.oauth.refresh(&token).await.unwrap();
    assert_eq!(tokens.refresh_token, again.refresh_token);
    assert_eq!(
        world.token_requests(),
        1,
        "the response is cached for a moment"
    );
}

#[tokio::test]
async fn a_failed_refresh_is_retried() {
    let world = world().await;
    let refused = world.oauth.refresh(&secret("gone")).await.unwrap_err();
    assert!(matches!(&refused, OAuthError::Refused { code } if code == "invalid_grant"));
    let token = secret("refresh-swordfish-1");
    world.provider.fail("/token", Fault::Status(500));
    world.oauth.refresh(&token).await.unwrap_err();
    world.provider.heal();
    world.oauth.refresh(&token).await.unwrap();
}

#[tokio::test]
async fn a_token_for_the_application_is_requested_once() {
    let world = world().await;
    let sent = async |scopes: &[&str]| {
        let scopes = scopes.to_vec();
        world.oauth.client_credentials(scopes).await.unwrap()
    };
    let all = tokio::join!(sent(&["a"]), sent(&["a"]), sent(&["a"]));
    assert_eq!(all.0.access_token, all.2.access_token);
    sent(&["a"]).await;
    assert_eq!(world.token_requests(), 1);
    sent(&["a", "b"]).await;
    assert_eq!(world.token_requests(), 2);
    let form = &world.provider.seen("/token")[1].form;
    assert_eq!(
        (&*form["grant_type"], &*form["scope"]),
        ("client_credentials", "a b")
    );

    // It is renewed a minute before it expires.
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(3600 - 61)).await;
    tokio::time::resume();
    sent(&["a"]).await;
    assert_eq!(world.token_requests(), 2);
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(2)).await;
    tokio::time::resume();
    sent(&["a"]).await;
    assert_eq!(world.token_requests(), 3);
}

#[tokio::test]
async fn a_short_lived_token_is_not_cached() {
    let world = world().await;
    world.provider.change(|it| it.expires_in = Some(30));
    for requests in 1..=2 {
        world.oauth.client_credentials(["a"]).await.unwrap();
        assert_eq!(world.token_requests(), requests);
    }
}

/// Regression: with a server that does not rotate refresh tokens, a token that had been revoked was
/// still returned.
#[tokio::test]
async fn a_revoked_token_is_not_returned_again() {
    let world = world().await;
    let token = secret("refresh-swordfish-1");
    let own = world.oauth.client_credentials(["a"]).await.unwrap();
    for which in 0..3 {
        let tokens = world.oauth.refresh(&token).await.unwrap();
        let before = world.token_requests();
        world.oauth.refresh(&token).await.unwrap();
        assert_eq!(world.token_requests(), before, "the response is cached");
        let new = tokens.refresh_token.unwrap();
        let ended = [&token, &tokens.access_token, &new][which];
        world.oauth.revoke(ended).await.unwrap();
        world.oauth.refresh(&token).await.unwrap();
        assert_eq!(world.token_requests(), before + 1);
    }
    let before = world.token_requests();
    world.oauth.revoke(&own.access_token).await.unwrap();
    world.oauth.client_credentials(["a"]).await.unwrap();
    assert_eq!(world.token_requests(), before + 1);
}

#[tokio::test]
async fn a_token_is_revoked_at_the_provider() {
    let world = world().await;
    world
        .oauth
        .revoke(&secret("refresh & token"))
        .await
        .unwrap();
    let sent = &world.provider.seen("/revoke")[0];
    assert_eq!(
        (&*sent.uri, &*sent.form["token"]),
        ("/revoke", "refresh & token")
    );
    assert!(sent.headers.contains_key("authorization") && sent.form.len() == 1);

    let posting = world_with(|it| it.secret_in_body()).await;
    posting.oauth.revoke(&secret("token")).await.unwrap();
    assert_eq!(
        posting.provider.seen("/revoke")[0].form["client_secret"],
        SECRET
    );

    let stranger = world_with(|it| it.client_secret("another")).await;
    let refused = stranger.oauth.revoke(&secret("token")).await.unwrap_err();
    assert!(matches!(&refused, OAuthError::Refused { code } if code == "invalid_client"));
    for fault in [
        Fault::Status(503),
        Fault::Hang,
        Fault::Redirect("/token".to_owned()),
    ] {
        let world = world_with(|it| it.request_timeout(Duration::from_millis(300))).await;
        world.provider.fail("/revoke", fault);
        let failed = world.oauth.revoke(&secret("token")).await.unwrap_err();
        assert!(matches!(failed, OAuthError::Unreachable(_)), "{failed:?}");
    }
}

/// No clock can represent such a lifetime, and the caller must not get a panic instead of a token.
#[tokio::test]
async fn a_token_that_never_expires_is_returned() {
    let world = world().await;
    world.provider.change(|it| it.expires_in = Some(u64::MAX));
    let tokens = world.oauth.client_credentials(["a"]).await.unwrap();
    assert!(!tokens.access_token.expose().is_empty());
}
