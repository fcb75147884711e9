//! Every way in which a proof can be wrong.

use serde_json::{Value, json};
use tower_jam::{Algorithm, Clock, Env, Key};

use super::{
    support::provider::seal,
    world::{Client, World, ask, hash, with},
};

const INVALID: (u16, &str) = (401, "invalid_dpop_proof");

#[tokio::test]
async fn a_wrong_proof_is_refused_and_says_so_in_the_challenge() {
    let world = World::new();
    let store = world.memory();
    let dpop = world.node(&store);
    let client = Client::new();
    let token = world.token(&client).await;
    let now = world.clock.now().as_secs();
    let good = || world.claims(&token);
    let protect = || dpop.protect(world.jwt.clone());
    let answer = ask(protect(), "DPoP", &token, &[&client.prove(&good())]).await;
    assert_eq!(answer.verdict(), (200, ""));

    let mut wrong: Vec<(String, String)> = Vec::new();
    for changes in [
        json!({ "htm": "POST" }),
        json!({ "htm": "get" }),
        json!({ "htm": null }),
        json!({ "htu": "https://api.acme.dev/other" }),
        json!({ "htu": "https://evil.example/me" }),
        json!({ "htu": "http://api.acme.dev/me" }),
        json!({ "htu": "/me" }),
        json!({ "htu": null }),
        json!({ "iat": now - 61 }),
        json!({ "iat": now + 61 }),
        json!({ "iat": -1 }),
        json!({ "iat": 1e300 }),
        json!({ "iat": now.to_string() }),
        json!({ "iat": null }),
        json!({ "jti": null }),
        json!({ "jti": "" }),
        json!({ "jti": "x".repeat(257) }),
        json!({ "jti": 1 }),
        json!({ "ath": null }),
        json!({ "ath": hash("another token") }),
        json!({ "ath": format!("{}=", hash(&token)) }),
        json!({ "ath": "" }),
    ] {
        wrong.push((changes.to_string(), client.prove(&with(&good(), &changes))));
    }
    let mut private = client.jwk();
    private["d"] = "AAAA".into();
    for changes in [
        json!({ "typ": "JWT" }),
        json!({ "typ": "at+jwt" }),
        json!({ "typ": null }),
        json!({ "alg": "none" }),
        json!({ "alg": "HS256" }),
        json!({ "alg": "ES384" }),
        json!({ "alg": "RS256" }),
        json!({ "alg": null }),
        json!({ "jwk": private }),
        json!({ "jwk": null, "kid": client.key.kid() }),
        json!({ "jwk": { "kty": "oct", "k": "AAAA" } }),
        json!({ "jwk": Client::new().jwk() }),
        json!({ "jwk": client.jwk().to_string() }),
        json!({ "crit": ["x"] }),
        json!({ "b64": false }),
        json!({ "zip": "DEF" }),
    ] {
        let header = with(&client.header(), &changes);
        wrong.push((changes.to_string(), seal(&client.key, &header, &good())));
    }
    // Lists whose items are the values of the members, in their order.
    let claims = good();
    let list = json!([
        claims["jti"],
        claims["htm"],
        claims["htu"],
        claims["iat"],
        claims["ath"],
        null,
    ]);
    wrong.push(("claims in a list".to_owned(), client.prove(&list)));
    let list = json!(["dpop+jwt", "ES256", client.jwk()]);
    let proof = seal(&client.key, &list, &good());
    wrong.push(("a header in a list".to_owned(), proof));
    let post_quantum = Client {
        key: Key::generate(Algorithm::MlDsa44).unwrap(),
    };
    let its_token = world.token(&post_quantum).await;
    let mut jwk = post_quantum.key.public_jwk().unwrap();
    let header = json!({ "typ": "dpop+jwt", "alg": "ML-DSA-44", "jwk": jwk });
    let proof = seal(&post_quantum.key, &header, &world.claims(&its_token));
    let answer = ask(protect(), "DPoP", &its_token, &[&proof]).await;
    assert_eq!(answer.verdict(), (200, ""));
    let private = post_quantum.key.to_private_jwk().unwrap();
    let private: Value = serde_json::from_str(private.expose()).unwrap();
    jwk["priv"] = private["priv"].clone();
    let header = json!({ "typ": "dpop+jwt", "alg": "ML-DSA-44", "jwk": jwk });
    let proof = seal(&post_quantum.key, &header, &world.claims(&its_token));
    let answer = ask(protect(), "DPoP", &its_token, &[&proof]).await;
    assert_eq!(answer.verdict(), INVALID, "it contains a private member");

    let (careless, jwk) = careless();
    let careless_token = world.token(&careless).await;
    let header = with(&careless.header(), &json!({ "jwk": jwk }));
    let proof = seal(&careless.key, &header, &world.claims(&careless_token));
    let answer = ask(protect(), "DPoP", &careless_token, &[&proof]).await;
    assert_eq!(answer.verdict(), INVALID, "the matching private key");
    let proof = careless.prove(&world.claims(&careless_token));
    let answer = ask(protect(), "DPoP", &careless_token, &[&proof]).await;
    assert_eq!(answer.verdict(), (200, ""), "its public half");

    let proof = client.prove(&good());
    let (signed, signature) = proof.rsplit_once('.').unwrap();
    for text in [
        String::new(),
        "x".to_owned(),
        format!("{signed}."),
        format!("{signed}.AAAA"),
        format!("{signed}.{signature}="),
        format!("{proof}.x"),
        format!("{proof}, {proof}"),
        "x".repeat(9_000),
        token.clone(),
    ] {
        wrong.push((text.chars().take(20).collect(), text));
    }
    assert!(wrong.len() >= 45);
    for (name, proof) in &wrong {
        let answer = ask(protect(), "DPoP", &token, &[proof]).await;
        assert_eq!(answer.verdict(), INVALID, "{name}");
        let challenge = answer.header("www-authenticate");
        assert!(challenge.starts_with("DPoP realm=\"api\""), "{challenge}");
        assert!(challenge.contains("algs=\"RS256 "), "{challenge}");
        assert!(!challenge.contains("HS"), "{challenge}");
        // With ML-DSA-65 and 87, key and signature together are longer than a proof may be.
        assert!(challenge.contains(" ML-DSA-44\""), "{challenge}");
    }
    let proofs = [client.prove(&good()), client.prove(&good())];
    let twice = [proofs[0].as_str(), proofs[1].as_str()];
    assert_eq!(
        ask(protect(), "DPoP", &token, &twice).await.verdict(),
        INVALID
    );
    assert_eq!(ask(protect(), "DPoP", &token, &[]).await.verdict(), INVALID);
}

/// A client that includes its private key: the one of RFC 7515 appendix A.3.
fn careless() -> (Client, Value) {
    let jwk = json!({
        "kty": "EC", "crv": "P-256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        "d": "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI",
    });
    let key = Key::from_jwk(&jwk.to_string()).unwrap();
    (Client { key }, jwk)
}

#[tokio::test]
async fn a_stolen_token_is_useless_without_its_key() {
    let world = World::new();
    let dpop = world.node(&world.memory());
    let (client, thief) = (Client::new(), Client::new());
    let token = world.token(&client).await;
    let protect = || dpop.protect(world.jwt.clone());
    let invalid = (401, "invalid_token");
    for _ in 0..2 {
        let own = thief.prove(&world.claims(&token));
        assert_eq!(
            ask(protect(), "DPoP", &token, &[&own]).await.verdict(),
            invalid
        );
        // Now the token is cached as valid.
        let proof = client.prove(&world.claims(&token));
        assert_eq!(
            ask(protect(), "DPoP", &token, &[&proof]).await.verdict(),
            (200, "")
        );
    }
    // A token that is bound to no key, with a proof by any key.
    let unbound = world.unbound().await;
    let proof = thief.prove(&world.claims(&unbound));
    assert_eq!(
        ask(protect(), "DPoP", &unbound, &[&proof]).await.verdict(),
        invalid
    );
}

#[tokio::test]
async fn an_invalid_key_is_rejected_and_nothing_is_shown() {
    use tower_jam::token::dpop::ProofKey;
    for bad in [
        "",
        "x",
        "AAAA",
        &format!("{}=", Client::new().key.thumbprint()),
    ] {
        assert!(ProofKey::from_thumbprint(bad).is_err());
    }
    let client = Client::new();
    let shown = format!("{:?}", client.proof_key());
    assert!(!shown.contains(client.key.thumbprint()));
    let world = World::new();
    let rsa = Key::generate(Algorithm::Rs256).unwrap();
    assert!(
        rsa.public_jwk()
            .is_some_and(|jwk: Value| jwk.get("d").is_none())
    );
    for (url, window) in [
        ("acme.dev", 60),
        ("https://acme.dev?x", 60),
        ("https://acme.dev", 0),
        ("https://acme.dev", 301),
    ] {
        let builder =
            tower_jam::token::Dpop::builder(&Env::new("self", world.memory(), &world.secret), url);
        let window = std::time::Duration::from_secs(window);
        assert!(builder.window(window).build().is_err(), "{url}");
    }
}
