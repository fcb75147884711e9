//! Keys as JWKs: which setting accepts them, and which of their members are used.

use serde_json::{Value, json};
use tower_jam::{Algorithm, Key};

use crate::{
    support::process::Folder,
    world::{alice, build, built, instance},
};

fn private(key: &Key) -> String {
    key.to_private_jwk().unwrap().expose().clone()
}

fn public(key: &Key) -> Value {
    key.public_jwk().unwrap()
}

/// The JWK without the members that state its algorithm.
fn silent(jwk: &str) -> String {
    let mut jwk: Value = serde_json::from_str(jwk).unwrap();
    jwk.as_object_mut().unwrap().remove("alg");
    jwk.to_string()
}

async fn refused(table: Value) -> String {
    let error = build(&instance(json!({ "jwt": table }))).await.unwrap_err();
    error.to_string()
}

#[tokio::test]
async fn an_accepted_jwk_has_the_algorithm_that_it_states() {
    let active = Key::generate(Algorithm::EdDsa).unwrap();
    let ec = Key::generate(Algorithm::Es256).unwrap();
    let shared = Key::generate(Algorithm::Hs256).unwrap();
    let rsa = Key::generate(Algorithm::Rs256).unwrap();
    let edwards = Key::generate(Algorithm::EdDsa).unwrap();
    for (first, key, accepted) in [
        // Its `alg`, or its curve.
        (
            &active,
            &ec,
            json!({ "public_key": public(&ec).to_string() }),
        ),
        (
            &active,
            &ec,
            json!({ "public_key": silent(&public(&ec).to_string()) }),
        ),
        (&active, &shared, json!({ "secret_key": private(&shared) })),
        (
            &active,
            &edwards,
            json!({ "public_key": silent(&public(&edwards).to_string()) }),
        ),
        (
            &rsa,
            &edwards,
            json!({ "public_key": public(&edwards).to_string() }),
        ),
        // It states none: the algorithm of the first key, or the configured one.
        (
            &rsa,
            &rsa,
            json!({ "public_key": silent(&public(&rsa).to_string()), "kid": "other" }),
        ),
        (
            &active,
            &rsa,
            json!({ "alg": "RS256", "public_key": silent(&public(&rsa).to_string()) }),
        ),
    ] {
        let table = json!({ "private_key": private(first), "accept": [accepted] });
        let jam = built(&instance(json!({ "jwt": table }))).await;
        let name = if key.algorithm().is_symmetric() {
            "secret_key"
        } else {
            "private_key"
        };
        let mut own = json!({ name: private(key) });
        if let Some(kid) = accepted.get("kid") {
            own["kid"] = kid.clone();
        }
        let other = built(&instance(json!({ "jwt": own }))).await;
        let token = other.jwt_create_token(alice()).await.unwrap();
        assert!(
            jam.jwt_verify_token(token.expose()).await.is_ok(),
            "{accepted}"
        );
    }
    let accepted = json!({ "alg": "EdDSA", "public_key": public(&ec).to_string() });
    let table = json!({ "private_key": private(&active), "accept": [accepted] });
    let error = refused(table).await;
    assert!(error.contains("`alg` differs from EdDSA"), "{error}");
}

#[tokio::test]
async fn a_shared_secret_as_a_jwk_is_a_secret_key_and_no_other() {
    let folder = Folder::new("oct");
    for algorithm in [Algorithm::Hs256, Algorithm::Hs384, Algorithm::Hs512] {
        let key = Key::generate(algorithm).unwrap();
        let jwk = private(&key);
        let file = folder.path().join(algorithm.name());
        std::fs::write(&file, format!("{jwk}\n")).unwrap();
        for table in [
            json!({ "secret_key": jwk }),
            json!({ "secret_key_file": file }),
            json!({ "alg": algorithm.name(), "secret_key": silent(&jwk) }),
        ] {
            let jam = built(&instance(json!({ "jwt": table }))).await;
            let token = jam.jwt_create_token(alice()).await.unwrap();
            assert!(jam.jwt_verify_token(token.expose()).await.is_ok());
        }
        let reason = format!("{algorithm} requires a `secret_key`, but a key pair is set");
        for (name, value) in [
            ("private_key", json!(jwk)),
            ("public_key", json!(jwk)),
            ("private_key_file", json!(file)),
            ("public_key_file", json!(file)),
        ] {
            let error = refused(json!({ name: value })).await;
            assert_eq!(error, format!("setting `jwt.{name}`: {reason}"));
        }
    }
    let pair = private(&Key::generate(Algorithm::Es256).unwrap());
    let error = refused(json!({ "secret_key": pair })).await;
    let reason = "ES256 requires a key pair, but a secret is set";
    assert_eq!(error, format!("setting `jwt.secret_key`: {reason}"));
    // Random bytes that begin like a JWK.
    let secret = format!("{{{}", "5f0c9b".repeat(8));
    built(&instance(
        json!({ "jwt": { "alg": "HS256", "secret_key": secret } }),
    ))
    .await;
}

#[tokio::test]
async fn a_private_jwk_is_no_public_key_even_if_it_may_not_sign() {
    let key = Key::generate(Algorithm::EdDsa).unwrap();
    let mut jwk: Value = serde_json::from_str(&private(&key)).unwrap();
    for operations in [
        json!(["sign"]),
        json!(["sign", "verify"]),
        json!(["verify"]),
    ] {
        jwk["key_ops"] = operations;
        let error = refused(json!({ "public_key": jwk.to_string() })).await;
        assert_eq!(error, "setting `jwt.public_key`: is a private key");
    }
}
