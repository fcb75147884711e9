//! Runs the example as a reader does, with a provider in the test's process.
#![allow(clippy::unwrap_used, reason = "in a test it is an assertion")]

mod support;

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Empty};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use serde_json::{Value, json};
use tokio::task::spawn_blocking;

use support::provider::{DISCOVERY, Fault, KEYS, Provider};

fn example() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_example-resource-server"));
    command.stdout(Stdio::piped());
    command
}

/// A process that is killed when the test ends.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

async fn ask(url: &str, token: &str) -> (StatusCode, Bytes) {
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    let request = Request::get(url).header(header::AUTHORIZATION, format!("Bearer {token}"));
    let answer = client.request(request.body(Empty::new()).unwrap()).await;
    let (head, body) = answer.unwrap().into_parts();
    (head.status, body.collect().await.unwrap().to_bytes())
}

#[tokio::test]
async fn users_of_the_provider_are_served_and_an_outage_of_it_is_survived() {
    let provider = Provider::start_at("/realms/acme").await;
    let server = example()
        .args([provider.issuer(), "orders", "127.0.0.1:0"])
        .spawn();
    let mut server = Process(server.unwrap());
    let mut output = BufReader::new(server.0.stdout.take().unwrap());
    let line = spawn_blocking(move || {
        let mut line = String::new();
        output.read_line(&mut line).map(|_| line)
    });
    let line = tokio::time::timeout(Duration::from_secs(20), line).await;
    let line = line.unwrap().unwrap().unwrap();
    let me = line.trim().split(' ').next_back().unwrap();
    let orders = me.replace("/me", "/orders");

    let claims = json!({
        "aud": "orders", "scope": "orders:read", "email": "alice@acme.dev",
        "realm_access": { "roles": ["staff"] },
    });
    let token = provider.token(Some("JWT"), &claims);
    let (status, body) = ask(me, &token).await;
    assert_eq!(status, StatusCode::OK);
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(
        body,
        json!({
            "issuer": provider.issuer(), "subject": "alice", "roles": ["staff"],
            "scopes": ["orders:read"], "email": "alice@acme.dev",
        })
    );
    assert_eq!(ask(&orders, &token).await.0, StatusCode::OK);
    let narrow = provider.token(Some("JWT"), &json!({ "aud": "orders" }));
    assert_eq!(ask(&orders, &narrow).await.0, StatusCode::FORBIDDEN);
    let id_token = provider.token(Some("JWT"), &json!({ "aud": "orders", "nonce": "n" }));
    assert_eq!(ask(me, &id_token).await.0, StatusCode::UNAUTHORIZED);

    provider.fail(KEYS, Fault::Failing);
    provider.fail(DISCOVERY, Fault::Failing);
    assert_eq!(ask(me, &token).await.0, StatusCode::OK);
}

#[tokio::test]
async fn the_example_does_not_start_without_keys() {
    let provider = Provider::start().await;
    provider.fail(DISCOVERY, Fault::Failing);
    let mut command = example();
    command.args([provider.issuer(), "orders", "127.0.0.1:0"]);
    let output = spawn_blocking(move || command.stderr(Stdio::piped()).output());
    let output = output.await.unwrap().unwrap();
    assert!(!output.status.success());
    let output_text = String::from_utf8(output.stderr).unwrap();
    assert!(
        output_text.contains("its metadata could not be fetched"),
        "{output_text}"
    );
}
