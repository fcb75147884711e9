//! Bound tokens at other engines, both schemes side by side, and nonces.

use std::time::Duration;

use serde_json::json;
use tower_jam::Authenticate;

use super::world::{Client, World, ask, with};

#[tokio::test]
async fn a_bound_token_is_rejected_under_bearer_and_at_a_plain_layer_even_if_cached() {
    let world = World::new();
    let dpop = world.node(&world.memory());
    let client = Client::new();
    let token = world.token(&client).await;
    let protect = || dpop.protect(world.jwt.clone());
    let both = || world.jwt.clone().or(protect());
    for round in 0..3 {
        let proof = client.prove(&world.claims(&token));
        let answer = ask(world.jwt.clone(), "Bearer", &token, &[&proof]).await;
        assert_eq!(answer.verdict(), (401, "invalid_token"), "round {round}");
        let answer = ask(both(), "Bearer", &token, &[&proof]).await;
        assert_eq!(answer.verdict(), (401, "invalid_token"), "round {round}");
        assert!(world.jwt.verify(&token).await.is_err());
        let answer = ask(protect(), "Bearer", &token, &[&proof]).await;
        assert_eq!(answer.verdict(), (401, ""), "absent: round {round}");
        assert!(answer.header("www-authenticate").starts_with("DPoP "));
        let answer = ask(world.jwt.clone(), "DPoP", &token, &[&proof]).await;
        assert_eq!(answer.verdict(), (401, ""), "another scheme: round {round}");
        // The proof is still unused: the rejected requests above did not use it up.
        let answer = ask(both(), "DPoP", &token, &[&proof]).await;
        assert_eq!(answer.verdict(), (200, ""), "round {round}");
    }
    let unbound = world.unbound().await;
    assert_eq!(
        ask(both(), "Bearer", &unbound, &[]).await.verdict(),
        (200, "")
    );
    assert_eq!(
        ask(
            both(),
            "dpop",
            &token,
            &[&client.prove(&world.claims(&token))]
        )
        .await
        .verdict(),
        (200, "")
    );
}

#[tokio::test]
async fn a_nonce_is_required_issued_and_renewed_before_it_expires() {
    let world = World::new();
    let store = world.memory();
    let nodes = [0, 1].map(|_| world.builder(&store).require_nonce().build().unwrap());
    let client = Client::new();
    let token = world.token(&client).await;
    let proof = |nonce: &str| {
        let nonce = json!({ "nonce": (!nonce.is_empty()).then_some(nonce) });
        client.prove(&with(&world.claims(&token), &nonce))
    };
    let protect = |node: usize| nodes[node].protect(world.jwt.clone());

    let answer = ask(protect(0), "DPoP", &token, &[&proof("")]).await;
    assert_eq!(answer.verdict(), (401, "use_dpop_nonce"));
    let first = answer.header("dpop-nonce").to_owned();
    // The other node accepts it without having been informed.
    let answer = ask(protect(1), "DPoP", &token, &[&proof(&first)]).await;
    assert_eq!(
        (answer.verdict(), answer.header("dpop-nonce")),
        ((200, ""), "")
    );

    world.clock.advance(Duration::from_secs(5 * 60));
    let answer = ask(protect(1), "DPoP", &token, &[&proof(&first)]).await;
    assert_eq!(answer.verdict(), (200, ""));
    let second = answer.header("dpop-nonce").to_owned();
    assert!(!second.is_empty() && second != first);

    world.clock.advance(Duration::from_secs(5 * 60));
    for nonce in [first.as_str(), "made-up", &second[1..]] {
        let answer = ask(protect(0), "DPoP", &token, &[&proof(nonce)]).await;
        assert_eq!(answer.verdict(), (401, "use_dpop_nonce"), "{nonce}");
    }
    let answer = ask(protect(0), "DPoP", &token, &[&proof(&second)]).await;
    assert_eq!(answer.verdict(), (200, ""));

    // A nonce that was not required is verified all the same.
    let relaxed = world.node(&store);
    let answer = ask(
        relaxed.protect(world.jwt.clone()),
        "DPoP",
        &token,
        &[&proof("foreign")],
    )
    .await;
    assert_eq!(answer.verdict(), (401, "use_dpop_nonce"));
}
