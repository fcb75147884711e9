//! Token pairs of a device that is bound to a key.

use std::sync::Arc;

use http::Method;
use serde_json::json;
use tower_jam::{Claims, Env, Grant, TokenPairs, store::Store};

use super::world::{Client, URL, World, ask, with};

fn pairs(world: &World, store: &Arc<dyn Store>) -> TokenPairs<Claims> {
    let read = |subject: String| async move { Ok(Some(Grant::new(subject, Claims::new()))) };
    TokenPairs::builder(
        &Env::new("https://auth.acme.dev", Arc::clone(store), &world.secret),
        world.jwt.clone(),
        read,
    )
    .build()
    .unwrap()
}

fn proof(world: &World, client: &Client, path: &str) -> String {
    let request = json!({ "htm": "POST", "htu": format!("{URL}{path}"), "ath": null });
    client.prove(&with(&world.claims(""), &request))
}

#[tokio::test]
async fn a_device_that_logged_in_with_a_proof_needs_proofs_of_the_same_key() {
    let world = World::new();
    let store = world.memory();
    let (pairs, dpop) = (pairs(&world, &store), world.node(&store));
    let (client, thief) = (Client::new(), Client::new());

    let login = proof(&world, &client, "/login");
    let key = dpop.verify(&login, &Method::POST, "/login").await.unwrap();
    assert!(dpop.verify(&login, &Method::POST, "/login").await.is_err());
    let alice = Grant::new("alice", Claims::new());
    let first = pairs.issue(alice).bound_to(&key).await.unwrap();
    let answer = serde_json::to_value(&first).unwrap();
    assert_eq!(answer["token_type"], "DPoP");

    let access = first.access_token.expose();
    let bound = || dpop.protect(pairs.clone());
    let good = client.prove(&world.claims(access));
    assert_eq!(
        ask(bound(), "DPoP", access, &[&good]).await.verdict(),
        (200, "")
    );
    assert_eq!(
        ask(pairs.clone(), "Bearer", access, &[]).await.verdict(),
        (401, "invalid_token")
    );
    let stolen = thief.prove(&world.claims(access));
    assert_eq!(
        ask(bound(), "DPoP", access, &[&stolen]).await.verdict(),
        (401, "invalid_token")
    );

    // A thief with the refresh token alone, or with another key, gets nothing and revokes nothing.
    let token = first.refresh_token.expose();
    let theirs = proof(&world, &thief, "/refresh");
    let theirs = dpop
        .verify(&theirs, &Method::POST, "/refresh")
        .await
        .unwrap();
    assert!(pairs.refresh(token, None).await.is_err());
    assert!(pairs.refresh_bound(token, None, &theirs).await.is_err());

    let ours = proof(&world, &client, "/refresh");
    let ours = dpop.verify(&ours, &Method::POST, "/refresh").await.unwrap();
    let second = pairs.refresh_bound(token, None, &ours).await.unwrap();
    assert_eq!(second.token_type, "DPoP");
    // A replaced token in a thief's hands does not count as reuse: the thief cannot log the client
    // out.
    world.clock.advance(std::time::Duration::from_secs(60));
    assert!(pairs.refresh(token, None).await.is_err());
    assert!(pairs.refresh_bound(token, None, &theirs).await.is_err());
    let second = second.refresh_token.expose();
    let third = pairs.refresh_bound(second, None, &ours).await.unwrap();
    let access = third.access_token.expose();
    let good = client.prove(&world.claims(access));
    assert_eq!(
        ask(bound(), "DPoP", access, &[&good]).await.verdict(),
        (200, "")
    );

    // Its own holder reuses it: the device is revoked, and with it the bound access token.
    world.clock.advance(std::time::Duration::from_secs(60));
    assert!(pairs.refresh_bound(token, None, &ours).await.is_err());
    let good = client.prove(&world.claims(access));
    assert_eq!(
        ask(bound(), "DPoP", access, &[&good]).await.verdict(),
        (401, "invalid_token")
    );
}

#[tokio::test]
async fn a_device_without_a_key_is_refreshed_as_before_and_its_tokens_are_bearer() {
    let world = World::new();
    let store = world.memory();
    let pairs = pairs(&world, &store);
    let first = pairs
        .issue(Grant::new("alice", Claims::new()))
        .await
        .unwrap();
    assert_eq!(first.token_type, "Bearer");
    let key = Client::new().proof_key();
    let token = first.refresh_token.expose();
    let second = pairs.refresh_bound(token, None, &key).await.unwrap();
    assert_eq!(second.token_type, "Bearer");
    assert!(pairs.verify(second.access_token.expose()).await.is_ok());
}
