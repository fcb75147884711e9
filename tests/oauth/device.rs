//! Logins on devices without a browser.

use std::time::Duration;

use serde_json::json;
use tower_jam::oauth2::{DeviceCode, OAuthError, ProviderLogin};

use crate::world::{World, world};

fn error(code: &str) -> serde_json::Value {
    json!({ "error": code })
}

/// Polls while the clock of the timers advances as fast as requests are answered. Returns the
/// seconds on that clock at which each request arrived.
async fn poll(world: &World, device: DeviceCode) -> (Result<ProviderLogin, OAuthError>, Vec<u64>) {
    let task = tokio::spawn(async move { device.poll().await });
    let (mut passed, mut at) = (0, Vec::new());
    while !task.is_finished() {
        tokio::time::sleep(Duration::from_millis(20)).await;
        at.resize(world.token_requests(), passed);
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(1)).await;
        tokio::time::resume();
        passed += 1;
    }
    at.resize(world.token_requests(), passed);
    (task.await.unwrap(), at)
}

#[tokio::test]
async fn a_device_waits_as_long_as_the_provider_says() {
    let world = crate::world::world_with(|it| it.request_timeout(Duration::from_secs(30))).await;
    world.provider.change(|it| {
        it.interval = 3;
        it.device = vec![
            error("authorization_pending"),
            error("authorization_pending"),
            error("slow_down"),
            error("authorization_pending"),
        ];
    });
    let device = world.oauth.device().await.unwrap();
    assert_eq!(device.user_code, "WDJB-MJHT");
    assert!(device.verification_uri.ends_with("/activate"));
    assert!(!format!("{device:?}").contains("WDJB"));
    let (login, at) = poll(&world, device).await;
    assert_eq!(login.unwrap().profile.subject, "user-1");
    let pauses: Vec<_> = at.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(pauses.len(), 4);
    for (pause, least) in pauses.iter().zip([3, 3, 8, 8]) {
        // A tick may pass before the client has read its response.
        assert!((least..least + 3).contains(pause), "{pauses:?}");
    }
    let sent = &world.provider.seen("/token")[0].form;
    assert_eq!(sent["device_code"], "device-swordfish");
}

/// A signed assertion of the client is valid once and for minutes, and a user may take longer.
#[tokio::test]
async fn each_poll_of_a_device_has_its_own_client_assertion() {
    let key = tower_jam::Key::generate(tower_jam::Algorithm::Es256).unwrap();
    let world = crate::world::world_with(|it| it.private_key(key)).await;
    world.provider.change(|it| {
        it.interval = 1;
        it.device = vec![
            error("authorization_pending"),
            error("authorization_pending"),
        ];
    });
    let device = world.oauth.device().await.unwrap();
    device.poll().await.unwrap();
    let sent = world.provider.seen("/token");
    let proofs: std::collections::HashSet<_> = sent
        .iter()
        .map(|seen| seen.form["client_assertion"].clone())
        .collect();
    assert_eq!((sent.len(), proofs.len()), (3, 3));
}

#[tokio::test]
async fn a_provider_cannot_request_an_absurd_pause() {
    let world = world().await;
    world.provider.change(|it| it.interval = u64::MAX);
    let refused = world.oauth.device().await.unwrap_err();
    assert!(matches!(refused, OAuthError::Answer(_)), "{refused}");
}

#[tokio::test]
async fn a_denial_by_the_user_ends_the_login_of_a_device() {
    for code in ["access_denied", "expired_token", "invalid_grant"] {
        let world = world().await;
        world.provider.change(|it| it.device = vec![error(code)]);
        let device = world.oauth.device().await.unwrap();
        let refused = device.poll().await.unwrap_err();
        assert!(
            matches!(&refused, OAuthError::Refused { code: actual } if actual == code),
            "{refused}"
        );
    }
}

#[tokio::test]
async fn an_expired_code_ends_the_polling() {
    let world = crate::world::world_with(|it| it.request_timeout(Duration::from_secs(30))).await;
    world.provider.change(|it| {
        it.expires_in = Some(7);
        it.device = vec![error("authorization_pending"); 100];
    });
    let device = world.oauth.device().await.unwrap();
    let (refused, at) = poll(&world, device).await;
    let refused = refused.unwrap_err();
    assert!(matches!(&refused, OAuthError::Refused { code } if code == "expired_token"));
    assert!(
        at.len() <= 8,
        "an interval of zero counts as a second: {at:?}"
    );
}

#[tokio::test]
async fn a_provider_without_devices_says_so() {
    let world = world().await;
    let apple = tower_jam::oauth2::Provider::apple;
    let key = tower_jam::Key::generate(tower_jam::Algorithm::Es256).unwrap();
    let known = apple("client", "team", key).build().unwrap();
    let oauth = tower_jam::OAuth2::builder(
        &tower_jam::Env::new(
            "self",
            world.store.clone(),
            &tower_jam::MasterSecret::generate(),
        ),
        known,
    );
    let oauth = oauth.redirect_url(crate::world::CALLBACK).build().unwrap();
    assert!(matches!(
        oauth.device().await,
        Err(OAuthError::Unsupported(_))
    ));
}
