//! A service that accepts the access tokens of an identity provider.
//!
//! `cargo run -p example-resource-server -- https://id.acme.dev/realms/acme orders`, then run the
//! curl line that it prints.

#![allow(clippy::print_stdout, reason = "an example talks to its reader")]

use axum::{Json, Router, routing::get};
use serde_json::{Value, json};
use tower_jam::{
    AuthUser, Claims, Identity, JwtLayer, guard::scope, layer::GuardLayer, token::ClaimMap,
};

async fn me(user: AuthUser<Claims>, identity: Identity) -> Json<Value> {
    Json(json!({
        "issuer": identity.subject().issuer(),
        "subject": identity.subject().id(),
        "roles": identity.roles(),
        "scopes": identity.scopes(),
        "email": user.claim("email"),
    }))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut words = std::env::args().skip(1);
    let usage = "resource_server ISSUER AUDIENCE [ADDRESS]";
    let (issuer, audience) = (words.next().ok_or(usage)?, words.next().ok_or(usage)?);
    let address = words.next().unwrap_or_else(|| "127.0.0.1:3000".to_owned());

    let mut start = JwtLayer::<Claims>::from_issuer(&issuer)
        .audience(&audience)
        // The claims in which the provider states roles, here those of Keycloak.
        .claim_map(ClaimMap::keycloak(&audience));
    if issuer.starts_with("http://") {
        // A provider on this machine, for development only.
        start = start.dangerous_http_on_loopback();
    }
    let layer = start.await?; // loads the keys before the first request

    let app = Router::new()
        .route("/orders", get(async || "three orders"))
        .route_layer(GuardLayer::new(scope("orders:read")))
        .route("/me", get(me))
        .route_layer(layer);
    let listener = tokio::net::TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    println!("curl -i -H \"authorization: Bearer $TOKEN\" http://{address}/me");
    axum::serve(listener, app).await?;
    Ok(())
}
