//! What the tests of the facade share.

use std::sync::LazyLock;

use axum::{Router, body::Body};
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;
use tower_jam::{
    Algorithm, Jam, Key, PasetoKey,
    config::Config,
    token::paseto::{Local, V4},
};

static PEM: LazyLock<String> = LazyLock::new(|| {
    let key = Key::generate(Algorithm::EdDsa).unwrap();
    key.to_pkcs8_pem().unwrap().expose().clone()
});

static PASERK: LazyLock<String> = LazyLock::new(|| {
    PasetoKey::<V4, Local>::generate()
        .to_paserk()
        .expose()
        .clone()
});

/// A key that is generated once per run.
pub(crate) fn key() -> &'static str {
    PASERK.as_str()
}

/// A configuration with a table for every engine except accounts.
pub(crate) fn everything() -> Value {
    json!({
        "issuer": "https://auth.acme.dev",
        "audience": "api",
        "jwt": { "alg": "EdDSA", "private_key": *PEM },
        "session": {},
        "otp": { "type": "totp", "digits": 6, "digest": "sha1", "interval": 30 },
        "paseto": { "version": "v4", "purpose": "local", "key": key() },
        "oauth2": { "providers": { "github": { "client_id": "id", "client_secret": "of the provider",
            "redirect_url": "https://acme.dev/oauth/github/callback" } } },
    })
}

pub(crate) async fn built(config: &Value) -> Jam {
    let config = Config::value(config).load().unwrap();
    Jam::builder(config).build().await.unwrap()
}

pub(crate) async fn refusal(config: &Value) -> String {
    let config = Config::value(config).load().unwrap();
    let error = Jam::<tower_jam::Claims>::builder(config).build().await;
    error.unwrap_err().to_string()
}

pub(crate) async fn answer(app: &Router, request: Request<String>) -> (StatusCode, String) {
    let request = request.map(Body::from);
    let response = app.clone().oneshot(request).await.unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}
