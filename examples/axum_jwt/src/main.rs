//! An axum page that requires a token.
//!
//! `cargo run -p example-axum-jwt`, then run the curl line that it prints.

#![allow(clippy::print_stdout, reason = "an example talks to its reader")]

use axum::{Json, Router, routing::get};
use serde::{Deserialize, Serialize};
use tower_jam::{Algorithm, AuthUser, Grant, Jwt, JwtLayer, Key, KeyRing};

#[derive(Serialize, Deserialize)]
struct User {
    name: String,
}

async fn me(user: AuthUser<User>) -> Json<AuthUser<User>> {
    Json(user)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let keys = KeyRing::new(Key::generate(Algorithm::EdDsa)?);
    let jwt = Jwt::<User>::builder(keys)
        .issuer("https://auth.acme.dev")
        .audience("api")
        .build()?;

    let alice = Grant::new(
        "42",
        User {
            name: "Alice".to_owned(),
        },
    );
    let token = jwt.issue(alice).await?;
    let app = Router::new()
        .route("/me", get(me))
        .route_layer(JwtLayer::new(jwt));

    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    println!(
        "curl -i -H 'authorization: Bearer {}' http://127.0.0.1:3000/me",
        token.expose()
    );
    axum::serve(listener, app).await?;
    Ok(())
}
