//! One application in several processes: a logout on one of them is a logout on all.
//!
//! ```text
//! export JAM_SECRET=$(openssl rand -hex 32)        # the same for every process
//! cargo run -p example-cluster -- --listen 127.0.0.1:3001 &
//! cargo run -p example-cluster -- --listen 127.0.0.1:3002 &
//! ```
//!
//! Then run the lines that it prints: log in on one process, ask the other one, log out there, and
//! ask the first again. The sessions are in Redis (`--redis URL`, default
//! `redis://127.0.0.1:6379`). Each process caches the sessions that it reads, so a request seldom
//! waits for Redis. A change by another process invalidates the cached session.

#![allow(clippy::print_stdout, reason = "an example talks to its reader")]

use std::{error::Error, sync::Arc};

use axum::{
    Json, Router,
    extract::Path,
    http::StatusCode,
    routing::{get, post},
};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tower_jam::{
    AuthUser, CookieSpec, Env, Factor, Grant, MasterSecret, Rejection, Session, SessionLayer,
    Sessions,
    store::{NearCache, RedisStore},
};

#[derive(Serialize, Deserialize)]
struct User {
    name: String,
}

/// Logs in without a password. A real application verifies one here.
async fn login(Path(name): Path<String>, session: Session) -> Result<StatusCode, Rejection> {
    let grant = Grant::new(name.clone(), User { name }).factor(Factor::Password);
    session.login(grant).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn me(user: AuthUser<User>) -> Json<AuthUser<User>> {
    Json(user)
}

async fn logout(session: Session) -> Result<StatusCode, Rejection> {
    session.logout().await?;
    Ok(StatusCode::NO_CONTENT)
}

fn router(sessions: Sessions<User>) -> Router {
    let layer = SessionLayer::new(sessions);
    Router::new()
        .route("/me", get(me))
        .route("/logout", post(logout))
        .route_layer(layer.clone())
        .route("/login/{name}", post(login).route_layer(layer.optional()))
        .route("/healthz", get(|| async { "ok" }))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse()?;
    let secret =
        std::env::var("JAM_SECRET").map_err(|_| "set JAM_SECRET to 32 random bytes or more")?;
    let secret = MasterSecret::new(secret.as_bytes())?;

    let redis = RedisStore::builder(&options.redis)
        .prefix("cluster-example")
        .connect()
        .await?;
    let store = Arc::new(NearCache::new(Arc::new(redis))?);
    // The example has no TLS, which `__Host-` cookies require.
    let sessions = Sessions::builder(&Env::new("self", store, &secret))
        .cookie(CookieSpec::new("sid")?.dangerous_without_secure()?)
        .build()?;

    let listener = TcpListener::bind(&options.listen).await?;
    let address = listener.local_addr()?;
    println!("listening on http://{address}");
    println!("  curl -i -c jar -X POST http://{address}/login/alice");
    println!("  curl -i -b jar http://{address}/me");
    println!("  curl -i -b jar -X POST http://{address}/logout");
    axum::serve(listener, router(sessions)).await?;
    Ok(())
}

struct Options {
    listen: String,
    redis: String,
}

impl Options {
    fn parse() -> Result<Self, Box<dyn Error>> {
        let mut options = Self {
            listen: "127.0.0.1:3001".to_owned(),
            redis: "redis://127.0.0.1:6379".to_owned(),
        };
        let mut arguments = std::env::args().skip(1);
        while let Some(name) = arguments.next() {
            let value = arguments
                .next()
                .ok_or_else(|| format!("{name} needs a value"))?;
            match name.as_str() {
                "--listen" => options.listen = value,
                "--redis" => options.redis = value,
                _ => return Err(format!("there is no {name}").into()),
            }
        }
        Ok(options)
    }
}
