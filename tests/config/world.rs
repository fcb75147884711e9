//! What these tests share: configurations, instances, and requests to them.

use std::{error::Error, sync::LazyLock};

use axum::{Router, body::Body, routing::get};
use http::{Request, StatusCode, header, request::Builder};
use serde_json::{Value, json};
use tower::ServiceExt;
use tower_jam::{
    Authenticate, Claims, ConfigError, Grant, Jam, PasetoKey,
    config::Config,
    layer::AuthLayer,
    token::paseto::{Local, V4},
};

/// Random text, one per run.
pub static SECRET: LazyLock<String> = LazyLock::new(|| {
    let key = PasetoKey::<V4, Local>::generate().to_paserk();
    key.expose().clone()
});

/// A configuration with sessions and these tables in addition.
pub fn instance(more: Value) -> Value {
    let mut config = json!({ "issuer": "https://auth.acme.dev", "audience": "api", "secret": *SECRET, "session": {} });
    let Value::Object(more) = more else {
        panic!("settings must be a table");
    };
    config.as_object_mut().unwrap().extend(more);
    config
}

pub async fn build(config: &Value) -> Result<Jam, ConfigError> {
    Jam::builder(Config::value(config).load()?).build().await
}

pub async fn built(config: &Value) -> Jam {
    let built = build(config).await;
    built.unwrap_or_else(|error| panic!("{}", error_chain(&error)))
}

/// The error with all of its causes.
pub fn error_chain(error: &ConfigError) -> String {
    let mut error_chain = format!("{error} {error:?}");
    let mut cause = error.source();
    while let Some(error) = cause {
        error_chain += &format!(" / {error} {error:?}");
        cause = error.source();
    }
    error_chain
}

pub fn alice() -> Grant<Claims> {
    Grant::new("alice", Claims::new())
}

/// The status of a page behind the layer of sessions, for a request with this session.
pub async fn visit(jam: &Jam, session: &str) -> StatusCode {
    let request = Request::get("/").header(header::COOKIE, format!("__Host-sid={session}"));
    status_of(jam.session_layer().unwrap(), request).await
}

/// The status of a page behind this layer.
pub async fn status_of<A: Authenticate>(layer: AuthLayer<A>, request: Builder) -> StatusCode {
    let app: Router = Router::new()
        .route("/", get(|| async {}))
        .route_layer(layer);
    let request = request.body(Body::empty()).unwrap();
    app.oneshot(request).await.unwrap().status()
}
