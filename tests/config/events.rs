//! The sink of `JamBuilder::events` receives the events of every engine.

use std::sync::{Arc, Mutex};

use serde_json::json;
use tower_jam::{
    Algorithm, Jam, Key,
    config::Config,
    event::{Event, Events},
    oauth2::Callback,
};

use crate::world::{SECRET, alice, instance};

#[tokio::test]
async fn every_engine_sends_its_events() {
    let key = Key::generate(Algorithm::EdDsa)
        .unwrap()
        .to_pkcs8_pem()
        .unwrap();
    let config = instance(json!({
        "jwt": { "alg": "EdDSA", "private_key": key.expose(), "list": "black" },
        "paseto": { "key": *SECRET, "list": "white" },
        "refresh": { "max_devices": 1 },
        "otp": {},
        "passwords": {},
        "throttle": { "account": { "attempts": 1, "window": "1m" } },
        "oauth2": { "providers": { "github": { "client_id": "id", "client_secret": "s",
            "redirect_url": "https://acme.dev/oauth/github/callback" } } },
    }));
    let codes = Arc::new(Mutex::new(Vec::new()));
    let events = Events::to({
        let codes = Arc::clone(&codes);
        move |event: &Event| codes.lock().unwrap().push(event.kind.code())
    });
    let builder = Jam::builder(Config::value(&config).load().unwrap()).events(events);
    let jam: Jam = builder.build().await.unwrap();

    let session = jam.session_create(alice()).await.unwrap();
    jam.session_delete(session.token.expose()).await.unwrap();
    let token = jam.jwt_create_token(alice()).await.unwrap();
    jam.jwt()
        .unwrap()
        .revoke_token(token.expose())
        .await
        .unwrap();
    let token = jam.paseto_create(alice()).await.unwrap();
    jam.paseto()
        .unwrap()
        .revoke_token(token.expose())
        .await
        .unwrap();
    for _ in 0..2 {
        jam.pairs().unwrap().issue(alice()).await.unwrap();
    }
    jam.otp().unwrap().enroll("alice").await.unwrap();
    jam.otp_verify_code("alice", "000000").await.unwrap_err();
    let callback = Callback::default();
    let login = jam.oauth2_fetch_token("github", callback, None).await;
    assert!(login.is_err());
    let origin = tower_jam::account::Origin::new("192.0.2.1".parse().unwrap());
    for _ in 0..2 {
        let credentials = tower_jam::account::Credentials {
            name: "nobody".to_owned(),
            password: tower_jam::Secret::new("wrong".to_owned()),
        };
        let device = tower_jam::account::NewDevice::default();
        let login = jam
            .accounts()
            .unwrap()
            .login(&credentials, &origin, device)
            .await;
        assert!(login.is_err());
    }

    let codes = codes.lock().unwrap();
    for code in [
        "session_started",
        "session_logged_out",
        "token_revoked",
        "device_evicted",
        "provider_login_failed",
        "unknown_user",
        "throttled",
    ] {
        assert!(codes.contains(&code), "{code} is missing in {codes:?}");
    }
    let revoked = codes.iter().filter(|code| **code == "token_revoked");
    assert_eq!(revoked.count(), 2, "{codes:?}");
}
