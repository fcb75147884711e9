//! Checks that the tokens of Wycheproof and of RFC 7515, 8037 and 9964 are accepted or rejected as
//! published, through [`Jwt::verify`] and from the files, and that none is left out.
//!
//! Most payloads are not JSON, so a token with a valid signature is one that is rejected for its
//! claims and for nothing before. Keys on their own, thumbprints, and the group whose secret is all
//! zeros, which is no key here, are tested beside the code that reads keys.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use base64_simd::URL_SAFE_NO_PAD as BASE64;
use serde_json::Value;

use tower_jam::{
    Algorithm, Claims, ConfigError, Jwt, Key, KeyRing, Timestamp, testing::ManualClock,
};

macro_rules! vectors {
    ($path:literal) => {
        serde_json::from_str::<Value>(include_str!(concat!("../vectors/", $path)))
            .expect("the file is JSON")
    };
}

/// The result for a token.
enum Outcome {
    NoKey,
    Refused(String),
    Verified,
}

/// An engine that requires nothing but a valid signature, until it reads the claims.
fn engine(ring: KeyRing, now: Timestamp) -> Jwt<Claims> {
    Jwt::builder(ring)
        .dangerous_any_issuer()
        .dangerous_any_audience()
        .types(["JWT"])
        .dangerous_accept_untyped()
        .clock(Arc::new(ManualClock::at(now)))
        .build()
        .expect("the settings are valid")
}

async fn outcome(ring: &KeyRing, token: &str) -> Outcome {
    let jwt = engine(ring.clone(), Timestamp::from_secs(0));
    match jwt.verify(token).await {
        Ok(_) => Outcome::Verified,
        Err(rejection) if CLAIMS.contains(&rejection.reason()) => Outcome::Verified,
        Err(rejection) => Outcome::Refused(rejection.reason().to_owned()),
    }
}

/// The keys of a group: the public half if there is one.
fn ring(group: &Value) -> Result<KeyRing, ConfigError> {
    let jwk = half(group);
    if jwk["keys"].is_array() {
        KeyRing::from_jwks(&jwk.to_string())
    } else {
        Key::from_jwk(&jwk.to_string()).map(KeyRing::new)
    }
}

fn half(group: &Value) -> &Value {
    let halves = [&group["public"], &group["private"]];
    let mut halves = halves.into_iter();
    halves.find(|half| half.is_object()).expect("has a key")
}

/// A compact token as it is, the JSON serialization as its text.
fn text(token: &Value) -> String {
    token
        .as_str()
        .map_or_else(|| token.to_string(), str::to_owned)
}

fn groups(file: &Value) -> impl Iterator<Item = (&Value, &Value)> {
    let groups = file["testGroups"].as_array().expect("has groups").iter();
    groups.flat_map(|group| {
        let tests = group["tests"].as_array().expect("has tests").iter();
        tests.map(move |test| (group, test))
    })
}

/// Runs the signatures of a file. Exactly those labelled valid must verify, except for
/// `mislabelled`; every outcome is counted.
async fn run(file: &Value, mislabelled: &[u64], expected: &[(&str, usize)]) {
    let mut counts = BTreeMap::new();
    for (group, test) in groups(file) {
        let outcome = match (ring(group), test.get("jws")) {
            (_, None) => continue,
            (Err(_), _) => Outcome::NoKey,
            (Ok(ring), Some(token)) => outcome(&ring, &text(token)).await,
        };
        let id = test["tcId"].as_u64().expect("has a number");
        let is_right = matches!(outcome, Outcome::Verified) == (test["result"] == "valid");
        assert_eq!(is_right, !mislabelled.contains(&id), "{test}");
        let name = match outcome {
            Outcome::NoKey => "no key".to_owned(),
            Outcome::Verified => "verified".to_owned(),
            Outcome::Refused(reason) => reason,
        };
        *counts.entry(name).or_insert(0) += 1;
    }
    let expected: BTreeMap<String, usize> = expected
        .iter()
        .map(|(name, count)| ((*name).to_owned(), *count))
        .collect();
    assert_eq!(counts, expected);
}

fn total(expected: &[(&str, usize)]) -> usize {
    expected.iter().map(|(_, count)| count).sum()
}

#[tokio::test]
async fn wycheproof_signatures_verify_as_labelled() {
    let file = vectors!("wycheproof/json_web_signature_test.json");
    // 346 and 350: a token of PS384 under a key for PS256. 347 and 351: `ES521` in the key, which
    // does not exist. 357 to 359, 376 and 377: the group with a secret of zeros. 372 and 373: a `?`
    // in base64url.
    let mislabelled = [346, 347, 350, 351, 357, 358, 359, 372, 373, 376, 377];
    let expected = [
        ("no key", 27),
        ("no key of the ring has this kid", 4),
        ("the signature has no possible length", 3),
        ("the signature is wrong", 296),
        ("the token has not three parts", 18),
        ("the token names another algorithm than its key", 12),
        ("the token's header is not an acceptable JSON object", 6),
        ("verified", 35),
    ];
    assert_eq!(file["numberOfTests"], 401);
    assert_eq!(total(&expected), 401);
    run(&file, &mislabelled, &expected).await;
}

#[tokio::test]
async fn wycheproof_keys_verify_as_labelled() {
    let file = vectors!("wycheproof/json_web_key_test.json");
    let expected = [
        ("verified", 5),
        ("the signature is wrong", 1),
        ("no key", 20),
    ];
    assert_eq!(file["numberOfTests"], 26);
    assert_eq!(total(&expected), 26);
    run(&file, &[], &expected).await;
}

#[tokio::test]
async fn wycheproof_crypto_verifies_as_labelled() {
    let file = vectors!("wycheproof/json_web_crypto_test.json");
    let expected = [
        ("no key", 2),
        ("no key of the ring has this kid", 3),
        ("the signature has no possible length", 3),
        ("the signature is wrong", 11),
        ("the token has not three parts", 18),
        ("the token names another algorithm than its key", 2),
        ("the token's header is not an acceptable JSON object", 6),
        ("verified", 4),
    ];
    // The other 34 are encrypted.
    assert_eq!(file["numberOfTests"], 83);
    assert_eq!(total(&expected), 49);
    run(&file, &[], &expected).await;
}

/// The same key bytes as a key for signatures, or any key if they cannot form one.
fn relabelled(jwk: &Value) -> (bool, KeyRing) {
    let mut jwk = jwk.clone();
    let members = jwk.as_object_mut().expect("a JWK is an object");
    for name in ["alg", "use", "key_ops"] {
        members.remove(name);
    }
    let algorithm = match (jwk["kty"].as_str(), jwk["crv"].as_str()) {
        (Some("RSA"), _) => Algorithm::Rs256,
        (_, Some("P-256")) => Algorithm::Es256,
        (_, Some("P-384")) => Algorithm::Es384,
        (_, Some("P-521")) => Algorithm::Es512,
        _ => Algorithm::Hs256,
    };
    match Key::from_jwk_as(algorithm, &jwk.to_string()) {
        Ok(key) => (true, KeyRing::new(key)),
        Err(_) => (
            false,
            KeyRing::new(Key::generate(Algorithm::Hs256).expect("makes a key")),
        ),
    }
}

/// No key of these files is for signatures, and no token is accepted with a key of the same bytes.
async fn refuse_encrypted(file: &Value, expected: &[(&str, usize)]) {
    let mut counts = BTreeMap::new();
    for (group, test) in groups(file) {
        let Some(token) = test.get("jwe") else {
            continue;
        };
        assert!(ring(group).is_err(), "{}", group["comment"]);
        let (is_same, ring) = relabelled(half(group));
        let Outcome::Refused(reason) = outcome(&ring, &text(token)).await else {
            panic!("{test}");
        };
        *counts.entry((is_same, reason)).or_insert(0) += 1;
    }
    let counts: BTreeMap<String, usize> = counts
        .into_iter()
        .map(|((is_same, reason), count)| {
            let bytes = if is_same { "same bytes" } else { "another key" };
            (format!("{bytes}: {reason}"), count)
        })
        .collect();
    let expected: BTreeMap<String, usize> = expected
        .iter()
        .map(|(name, count)| ((*name).to_owned(), *count))
        .collect();
    assert_eq!(counts, expected);
}

#[tokio::test]
async fn wycheproof_encryption_is_refused_also_with_a_key_of_the_same_bytes() {
    let file = vectors!("wycheproof/json_web_encryption_test.json");
    let expected = [
        ("another key: the token has not three parts", 9),
        ("same bytes: the token has not three parts", 130),
    ];
    assert_eq!(file["numberOfTests"], 139);
    assert_eq!(total(&expected), 139);
    refuse_encrypted(&file, &expected).await;

    let file = vectors!("wycheproof/json_web_crypto_test.json");
    let expected = [("same bytes: the token has not three parts", 34)];
    assert_eq!(total(&expected), 83 - 49);
    refuse_encrypted(&file, &expected).await;
}

/// The two keys of Wycheproof that name the algorithm `ES521` verify under its real name.
#[tokio::test]
async fn the_es512_example_of_rfc_7520_verifies() {
    let file = vectors!("wycheproof/json_web_signature_test.json");
    let mut ran = 0;
    for (group, test) in groups(&file) {
        if matches!(test["tcId"].as_u64(), Some(347 | 351)) {
            let mut jwk = half(group).clone();
            jwk["alg"] = "ES512".into();
            let ring = KeyRing::new(Key::from_jwk(&jwk.to_string()).expect("is a key"));
            let outcome = outcome(&ring, &text(&test["jws"])).await;
            assert!(matches!(outcome, Outcome::Verified));
            ran += 1;
        }
    }
    assert_eq!(ran, 2);
}

/// The claims of RFC 7515 have an `exp` and no `sub`, which is the reason of the rejection while
/// the token lives. With a changed payload or signature, it is rejected before that.
#[tokio::test]
async fn the_tokens_of_rfc_7515_and_rfc_8037_verify_as_published() {
    let file = vectors!("rfc/rfc7515_rfc8037_jws.json");
    let vectors = file["vectors"].as_array().expect("has vectors");
    let mut ran = BTreeMap::new();
    for vector in vectors {
        let token = vector["token"].as_str().expect("has a token");
        let alg = vector["alg"].as_str().expect("has an algorithm");
        let Some(algorithm) = Algorithm::from_name(alg) else {
            assert_eq!(alg, "none");
            for algorithm in Algorithm::ALL {
                let ring = KeyRing::new(Key::generate(*algorithm).expect("makes a key"));
                let Outcome::Refused(reason) = outcome(&ring, token).await else {
                    panic!("an unsigned token was accepted under {algorithm}");
                };
                assert_eq!(reason, "the token names another algorithm than its key");
            }
            *ran.entry("none").or_insert(0) += 1;
            continue;
        };
        let jwk = vector["jwk"].to_string();
        let ring = KeyRing::new(Key::from_jwk_as(algorithm, &jwk).expect("is a key"));
        let refusal = async |now, token: &str| {
            let jwt = engine(ring.clone(), now);
            let rejection = jwt.verify(token).await.expect_err("has no subject");
            rejection.reason().to_owned()
        };

        let other = if token.ends_with("AA") { "BA" } else { "AA" };
        let forged = format!("{}{other}", &token[..token.len() - 2]);
        assert_eq!(
            refusal(Timestamp::from_secs(0), &forged).await,
            "the signature is wrong",
            "{alg}"
        );
        if vector["payload_is_json"] == false {
            let reason = refusal(Timestamp::from_secs(0), token).await;
            assert_eq!(
                reason, "the claims are not an acceptable JSON object",
                "{alg}"
            );
            *ran.entry("text").or_insert(0) += 1;
            continue;
        }
        let alive = Timestamp::from_secs(vector["time_valid_at"].as_u64().expect("is a time"));
        let end = Timestamp::from_secs(vector["expired_after"].as_u64().expect("is a time"));
        assert_eq!(
            refusal(alive, token).await,
            "the token has no `sub`",
            "{alg}"
        );
        let after = end.after(Duration::from_secs(30));
        assert_eq!(
            refusal(after, token).await,
            "the token has expired",
            "{alg}"
        );
        *ran.entry("claims").or_insert(0) += 1;
    }
    assert_eq!(
        ran,
        BTreeMap::from([("claims", 3), ("none", 1), ("text", 2)])
    );
}

/// Their payload is a sentence and no claims, under a header without `typ`.
#[tokio::test]
async fn the_tokens_of_rfc_9964_verify_as_published() {
    let file = vectors!("rfc/rfc9964_jws.json");
    let vectors = file["vectors"].as_array().expect("has vectors");
    assert_eq!(vectors.len(), 3);
    for vector in vectors {
        let ring = |algorithm| {
            let key = match vector["alg"] == algorithm {
                true => Key::from_jwk(&vector["jwk"].to_string()).expect("is a key"),
                false => Key::generate(Algorithm::from_name(algorithm).expect("is one"))
                    .expect("makes a key")
                    .with_kid(vector["jwk"]["kid"].as_str().expect("has an id"))
                    .expect("is an id"),
            };
            KeyRing::new(key)
        };
        let token = vector["token"].as_str().expect("has a token");
        let forged = format!("{}{}", &token[..token.len() - 8], "AAAAAAAA");
        let (message, signature) = token.rsplit_once('.').expect("has three parts");
        let mut longer = BASE64.decode_to_vec(signature).expect("is base64url");
        longer.push(0);
        let longer = format!("{message}.{}", BASE64.encode_to_string(longer));
        let own = ring(vector["alg"].as_str().expect("has an algorithm"));
        let Outcome::Refused(reason) = outcome(&own, &longer).await else {
            panic!("a signature with a byte more was accepted");
        };
        assert_eq!(reason, "the signature has no possible length");
        for algorithm in ["ML-DSA-44", "ML-DSA-65", "ML-DSA-87", "EdDSA"] {
            let is_own = vector["alg"] == algorithm;
            let verdict = outcome(&ring(algorithm), token).await;
            assert_eq!(matches!(verdict, Outcome::Verified), is_own, "{algorithm}");
            let Outcome::Refused(reason) = outcome(&ring(algorithm), &forged).await else {
                panic!("a forged token was accepted under {algorithm}");
            };
            let other = "the token names another algorithm than its key";
            let expected = if is_own {
                "the signature is wrong"
            } else {
                other
            };
            assert_eq!(reason, expected, "{algorithm}");
        }
    }
}

/// The reasons that are given only once the signature was found to be good.
const CLAIMS: [&str; 4] = [
    "the token's payload is not base64url",
    "the claims are not an acceptable JSON object",
    "the token has no `exp`",
    "the token has no `sub`",
];
