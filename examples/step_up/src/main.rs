//! A page that requires a login, and a payment that requires a code given less than five minutes
//! ago.
//!
//! `cargo run -p example-step-up`, scan the QR code with an authenticator, then run the curl lines
//! that it prints.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "an example talks to its reader"
)]

use std::{env, error::Error, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    routing::{get, post},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tower_jam::{
    AuthUser, Env, Factor, Grant, Identity, MasterSecret, Otp, OtpGuard, Rejection, Session,
    SessionLayer, Sessions, store::MemoryStore,
};

#[derive(Clone, Serialize, Deserialize)]
struct User {
    name: String,
    /// Whether the user must give a code. It is a field of the user, so that a lost OTP record does
    /// not turn the second factor off.
    has_otp: bool,
}

/// Logs Alice in. A real application verifies a password here, as `account::routes` does.
async fn login(session: Session) -> Result<StatusCode, Rejection> {
    let alice = User {
        name: "Alice".to_owned(),
        has_otp: true,
    };
    let grant = Grant::new(ALICE, alice).factor(Factor::Password);
    session.login(grant).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A page for every authenticated user.
async fn me(user: AuthUser<User>) -> Json<AuthUser<User>> {
    Json(user)
}

/// A page behind [`OtpGuard`]: a code was given with this request, or less than five minutes ago.
async fn pay(identity: Identity) -> Json<Value> {
    let proved_at = identity.proved_at(&Factor::Otp);
    Json(json!({ "paid": true, "code_given_at": proved_at.map(|at| at.as_secs()) }))
}

#[derive(Deserialize)]
struct Code {
    code: String,
}

/// Confirms the enrolment that `main` began. The recovery codes are shown only this once.
async fn confirm(
    State(otp): State<Otp>,
    session: Session,
    identity: Identity,
    Json(body): Json<Code>,
) -> Result<Json<Value>, Rejection> {
    let codes = otp.confirm(identity.subject().id(), &body.code).await?;
    session.prove(Factor::Otp).await?;
    Ok(Json(json!({ "recovery_codes": codes })))
}

fn routes(sessions: Sessions<User>, otp: Otp) -> Router {
    let guard = OtpGuard::new(otp.clone()).within(Duration::from_secs(5 * 60));
    let payment = Router::new().route("/pay", post(pay)).route_layer(guard);
    Router::new()
        .route("/me", get(me))
        .route("/otp/confirm", post(confirm))
        .merge(payment)
        .route_layer(SessionLayer::new(sessions.clone()))
        .merge(
            Router::new()
                .route("/login", post(login))
                .route_layer(SessionLayer::new(sessions).optional()),
        )
        .with_state(otp)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (store, secret) = (Arc::new(MemoryStore::new()), MasterSecret::generate());
    let sessions = Sessions::builder(&Env::new("self", store.clone(), &secret)).build()?;
    let otp = Otp::builder(&Env::new("self", store, &secret), "Acme").build()?;

    let enrollment = otp.enroll(ALICE).account("alice@acme.dev").await?;

    let listen = env::args().nth(1);
    let listen = listen.unwrap_or_else(|| "127.0.0.1:3000".to_owned());
    let listener = tokio::net::TcpListener::bind(&listen).await?;
    let address = listener.local_addr()?;
    println!("listening on http://{address}\n");
    println!("{}", enrollment.qr_text().expose());
    println!("secret: {}\n", enrollment.secret().to_base32().expose());
    println!("Scan it, put what the authenticator shows into CODE, and try this:\n");
    for line in [
        "-X POST http://{address}/login",
        "http://{address}/me",
        "-X POST http://{address}/pay",
        "-H 'content-type: application/json' -d \"{\\\"code\\\":\\\"$CODE\\\"}\" http://{address}/otp/confirm",
        "-X POST http://{address}/pay",
        "-X POST -H \"x-otp: $CODE\" http://{address}/pay",
    ] {
        let line = line.replace("{address}", &address.to_string());
        println!("  curl -i -b cookies -c cookies {line}");
    }
    axum::serve(listener, routes(sessions, otp)).await?;
    Ok(())
}

const ALICE: &str = "42";
