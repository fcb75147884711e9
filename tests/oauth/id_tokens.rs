//! What an ID token must state, and which key must have signed it.

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use tower_jam::{
    Algorithm, Key,
    oauth2::{OAuthError, ProviderLogin},
};

use crate::{
    provider::{CLIENT, Signer, own_jwk},
    world::{World, world},
};

fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap().as_secs()
}

async fn with(world: &World, claims: Value) -> Result<ProviderLogin, OAuthError> {
    world.provider.change(|it| it.claims = Some(claims));
    world.log_in().await
}

#[tokio::test]
async fn an_id_token_that_is_not_for_this_login_is_refused() {
    let world = world().await;
    for claims in [
        json!({ "iss": "https://evil.dev" }),
        json!({ "iss": null }),
        json!({ "aud": "other" }),
        json!({ "aud": null }),
        json!({ "aud": ["other"] }),
        json!({ "aud": [CLIENT, "other"] }),
        json!({ "aud": [CLIENT, "other"], "azp": "other" }),
        json!({ "azp": "other" }),
        json!({ "azp": 1 }),
        json!({ "sub": null }),
        json!({ "sub": "" }),
        json!({ "nonce": null }),
        json!({ "nonce": "a" }),
        json!({ "nonce": 1 }),
        json!({ "at_hash": "77QmUPtjPfzWtF2AnpK9RQ" }),
        json!({ "at_hash": 1 }),
        json!({ "exp": now() - 60 }),
        json!({ "exp": null }),
        json!({ "exp": "tomorrow" }),
        json!({ "iat": null }),
        json!({ "iat": now() + 3600 }),
        json!({ "nbf": now() + 3600 }),
    ] {
        let refused = with(&world, claims.clone()).await.unwrap_err();
        assert!(
            matches!(refused, OAuthError::IdToken(_)),
            "{claims}: {refused:?}"
        );
        assert_eq!(
            (refused.status().as_u16(), refused.code()),
            (400, "id_token")
        );
    }
    for claims in [
        json!({ "aud": [CLIENT] }),
        json!({ "aud": [CLIENT, "other"], "azp": CLIENT }),
        json!({ "azp": CLIENT }),
        json!({ "at_hash": null }),
    ] {
        with(&world, claims).await.unwrap();
    }
}

#[tokio::test]
async fn an_id_token_by_another_key_is_refused() {
    let world = world().await;
    for signer in [Signer::Other, Signer::Secret] {
        world.provider.change(|it| it.signs_by = signer);
        let refused = world.log_in().await.unwrap_err();
        assert!(matches!(refused, OAuthError::IdToken(_)), "{refused:?}");
    }
    world.provider.heal();
    // `{"alg":"none"}.{}.`, and texts that are no token.
    for text in ["eyJhbGciOiJub25lIn0.e30.", "", "a.b.c", "swordfish"] {
        world
            .provider
            .change(|it| it.id_token = Some(text.to_owned()));
        let refused = world.log_in().await.unwrap_err();
        assert!(
            matches!(refused, OAuthError::IdToken(_)),
            "{text}: {refused:?}"
        );
    }
}

#[tokio::test]
async fn a_login_without_the_requested_id_token_is_rejected() {
    let world = world().await;
    world.provider.change(|it| {
        it.tokens = Some(json!({ "access_token": "a", "token_type": "Bearer" }));
    });
    let refused = world.log_in().await.unwrap_err();
    assert!(matches!(refused, OAuthError::IdToken(_)), "{refused:?}");
}

#[tokio::test]
async fn a_token_of_another_kind_is_no_id_token() {
    let world = world().await;
    for typ in [
        "at+jwt",
        "application/at+jwt",
        "logout+jwt",
        "secevent+jwt",
        "dpop+jwt",
    ] {
        world.provider.change(|it| it.typ = Some(typ));
        let refused = world.log_in().await.unwrap_err();
        assert!(
            matches!(refused, OAuthError::IdToken(_)),
            "{typ}: {refused:?}"
        );
    }
    // A logout token without a `typ` of its own, as older providers send it: it has no nonce
    // (OpenID Connect Back-Channel Logout 1.0 section 2.4).
    let event = json!({ "http://schemas.openid.net/event/backchannel-logout": {} });
    world.provider.change(|it| it.typ = None);
    let logout = json!({ "events": event, "nonce": null, "jti": "1" });
    let refused = with(&world, logout).await.unwrap_err();
    assert!(matches!(refused, OAuthError::IdToken(_)), "{refused:?}");
}

#[tokio::test]
async fn a_broken_key_loses_no_other() {
    let world = world().await;
    let broken = json!({ "kty": "EC", "crv": "P-256", "x": "AAAA", "y": "AAAA", "kid": "broken" });
    let odd = json!({ "kty": "swordfish" });
    world
        .provider
        .change(|it| it.keys = Some(json!({ "keys": [broken, odd, own_jwk()] })));
    world.log_in().await.unwrap();
}

#[tokio::test]
async fn a_new_key_of_a_provider_is_accepted_after_its_keys_are_fetched_again() {
    let world = world().await;
    let mut old = Key::generate(Algorithm::Es256)
        .unwrap()
        .public_jwk()
        .unwrap();
    old["kid"] = "old".into();
    world
        .provider
        .change(|it| it.keys = Some(json!({ "keys": [old] })));
    world.log_in().await.unwrap_err();
    assert_eq!(
        world.provider.seen("/keys").len(),
        2,
        "the keys are fetched once more"
    );
    world.provider.heal();
    // Within half a minute the keys are not fetched again.
    world.log_in().await.unwrap_err();
    assert_eq!(world.provider.seen("/keys").len(), 2);

    let world = crate::world::world().await;
    world.log_in().await.unwrap();
    world.log_in().await.unwrap();
    assert_eq!(world.provider.seen("/keys").len(), 1, "keys are cached");
}

#[tokio::test]
async fn a_login_older_than_requested_is_rejected() {
    let world = world().await;
    let age = Duration::from_secs(300);
    for (auth_time, is_good) in [
        (json!(now()), true),
        (json!(now() - 299), true),
        (json!(now() - 400), false),
        (json!("now"), false),
        (Value::Null, false),
    ] {
        world
            .provider
            .change(|it| it.claims = Some(json!({ "auth_time": auth_time })));
        let started = world.oauth.authorize().max_age(age).await.unwrap();
        assert!(started.url.contains("max_age=300"));
        let returned = world.visit_provider_from(started).await;
        let login = world
            .oauth
            .finish(returned.callback, Some(&returned.cookie));
        assert_eq!(login.await.is_ok(), is_good, "{auth_time}");
    }
}

#[tokio::test]
async fn the_user_info_must_be_of_the_same_subject() {
    let world = world().await;
    for user in [json!({ "sub": "user-2" }), json!({}), json!({ "sub": 1 })] {
        world.provider.change(|it| it.user = Some(user.clone()));
        let refused = world.log_in().await.unwrap_err();
        assert!(
            matches!(refused, OAuthError::IdToken(_)),
            "{user}: {refused:?}"
        );
    }
}
