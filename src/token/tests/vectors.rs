//! Published test vectors: RFC 7515, 7638, 8037, 9964, and Wycheproof.

use std::collections::BTreeMap;

use aws_lc_rs::hmac;
use serde_json::Value;

use super::*;
use crate::{
    key::{material::VerifyingKey, symmetric},
    token::jwt::{jws, jws::Types},
};

macro_rules! vectors {
    ($path:literal) => {
        serde_json::from_str::<Value>(include_str!(concat!("../../../tests/vectors/", $path)))
            .unwrap()
    };
}

/// The signing keys of RFC 7515 appendices A.1 to A.4, RFC 8037 appendix A and RFC 9964, with their
/// `alg`.
pub(super) fn private_jwks() -> Vec<Value> {
    let files = [
        vectors!("rfc/rfc7515_rfc8037_jws.json"),
        vectors!("rfc/rfc9964_jws.json"),
    ];
    let all = files
        .iter()
        .flat_map(|file| file["vectors"].as_array().unwrap());
    all.filter(|vector| vector["alg"] != "none")
        .cloned()
        .collect()
}

fn split(token: &str) -> (&str, Vec<u8>) {
    let (message, signature) = token.rsplit_once('.').unwrap();
    (
        message,
        base64_simd::URL_SAFE_NO_PAD
            .decode_to_vec(signature)
            .unwrap(),
    )
}

#[test]
fn the_signatures_of_the_rfcs_verify() {
    let vectors = private_jwks();
    assert_eq!(vectors.len(), 8);
    for vector in vectors {
        let algorithm = Algorithm::from_name(vector["alg"].as_str().unwrap()).unwrap();
        let key = Key::from_jwk_as(algorithm, &vector["jwk"].to_string()).unwrap();
        let (message, signature) = split(vector["token"].as_str().unwrap());
        assert!(
            key.verify(message.as_bytes(), &signature),
            "{}",
            vector["id"]
        );
        let mut again = Vec::new();
        key.sign(message.as_bytes(), &mut again).unwrap();
        assert_eq!(
            again == signature,
            vector["resign_is_byte_identical"],
            "{}",
            vector["id"]
        );
        assert!(key.verify(message.as_bytes(), &again));
    }
}

#[test]
fn thumbprints_match_the_rfcs() {
    let file = vectors!("rfc/rfc7638_rfc7636_thumbprint_pkce.json");
    let vectors = file["jwk_thumbprints_sha256"].as_array().unwrap();
    assert_eq!(vectors.len(), 2);
    for vector in vectors {
        let key = Key::from_jwk(&vector["jwk"].to_string()).unwrap();
        assert_eq!(key.thumbprint(), vector["thumbprint"]);
        assert_eq!(
            key.kid(),
            vector["jwk"]["kid"].as_str().unwrap_or(key.thumbprint())
        );
    }
    for vector in vectors!("rfc/rfc9964_jws.json")["vectors"]
        .as_array()
        .unwrap()
    {
        let key = Key::from_jwk(&vector["jwk"].to_string()).unwrap();
        assert_eq!(key.thumbprint(), vector["jwk"]["kid"]);
    }
    // Computed without this crate, over {"k":"...","kty":"oct"} and {"crv":"P-256",...}.
    for (algorithm, thumbprint) in [
        (
            Algorithm::Hs256,
            "y_x3gCJnL6oKGBBIXScabduwxTVy2Wd2bzRVEUbdUzc",
        ),
        (
            Algorithm::Es256,
            "oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U",
        ),
    ] {
        let jwk = private_jwks()
            .into_iter()
            .find(|jwk| jwk["alg"] == algorithm.name())
            .unwrap();
        let key = Key::from_jwk_as(algorithm, &jwk["jwk"].to_string()).unwrap();
        assert_eq!(key.thumbprint(), thumbprint);
    }
}

/// Returns every key of a file, including the members of sets.
fn keys(file: &Value) -> Vec<Value> {
    let groups = file["testGroups"].as_array().unwrap().iter();
    let halves = groups.flat_map(|group| [&group["private"], &group["public"]]);
    halves
        .flat_map(|half| match half["keys"].as_array() {
            Some(keys) => keys.clone(),
            None => vec![half.clone()],
        })
        .filter(Value::is_object)
        .collect()
}

fn outcomes(file: &Value) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for jwk in keys(file) {
        let outcome = match Key::from_jwk(&jwk.to_string()) {
            Ok(key) if key.can_sign() => format!("{} signs", key.algorithm()),
            Ok(key) => format!("{} verifies", key.algorithm()),
            Err(error) => error.to_string().replace("setting `jwk`: ", ""),
        };
        *counts.entry(outcome).or_default() += 1;
    }
    counts
}

const ALG: &str = "its `alg` is not a supported signature algorithm";
const ROCA: &str =
    "its primes can be computed from the modulus (CVE-2017-15361); generate a new key elsewhere";

#[track_caller]
fn assert_outcomes(file: &Value, expected: &[(&str, usize)]) {
    let expected: BTreeMap<String, usize> = expected
        .iter()
        .map(|(outcome, count)| (outcome.to_string(), *count))
        .collect();
    assert_eq!(outcomes(file), expected);
}

#[test]
fn wycheproof_key_file() {
    let file = vectors!("wycheproof/json_web_key_test.json");
    assert_outcomes(
        &file,
        &[
            ("ES256 verifies", 1),
            ("HS256 signs", 5),
            ("HS384 signs", 1),
            ("HS512 signs", 1),
            ("RS256 signs", 1),
            ("RS256 verifies", 1),
            ("0 bytes, but HS256 requires at least 32 random bytes", 1),
            ("0 bytes, but HS384 requires at least 48 random bytes", 1),
            ("0 bytes, but HS512 requires at least 64 random bytes", 1),
            ("31 bytes, but HS256 requires at least 32 random bytes", 1),
            ("47 bytes, but HS384 requires at least 48 random bytes", 1),
            ("63 bytes, but HS512 requires at least 64 random bytes", 1),
            ("1024 bits, but RSA keys must have 2048 to 8192", 2),
            (ROCA, 2),
            (
                "the public exponent must be odd, at least 65537, and below 2^33",
                2,
            ),
            // A point that is not on the curve. For its private key, the mismatch is found first.
            (
                "ES256 requires an EC key on P-256, and this is not a usable one",
                1,
            ),
            ("its private and public members do not match", 1),
            // RSA1_5, A256GCM, A256KW, and the nonexistent ES521 and ES224.
            (ALG, 8),
            ("its `crv` is not `P-256`, as ES256 requires", 2),
            ("its `kty` is not `EC`, as ES256 requires", 2),
            ("its `use` is not `sig`", 2),
            // In the set with a duplicate id, the second key has unused bits set.
            ("its `k` is not base64url without padding", 1),
        ],
    );
}

#[test]
fn wycheproof_signature_file() {
    let file = vectors!("wycheproof/json_web_signature_test.json");
    assert_outcomes(
        &file,
        &[
            ("ES256 signs", 2),
            ("ES256 verifies", 2),
            ("HS256 signs", 3),
            ("PS256 signs", 3),
            ("PS256 verifies", 3),
            ("PS384 signs", 1),
            ("PS384 verifies", 1),
            ("PS512 signs", 1),
            ("PS512 verifies", 1),
            ("RS256 signs", 3),
            ("RS256 verifies", 4),
            ("RS384 signs", 1),
            ("RS384 verifies", 1),
            ("RS512 signs", 1),
            ("RS512 verifies", 1),
            // RSA and EC keys for encryption.
            ("it has no `alg`; state it with `Key::from_jwk_as`", 4),
            ("its `use` is not `sig`", 2),
            // Two keys for encryption, and one whose `key_ops` lists the single operation "sign,
            // verify".
            ("its `key_ops` allows neither signing nor verifying", 3),
            // The nonexistent ES521.
            (ALG, 4),
            (
                "it is one repeated byte, but HS256 requires secret random bytes",
                1,
            ),
        ],
    );
}

#[test]
fn wycheproof_crypto_and_encryption_files() {
    assert_outcomes(
        &vectors!("wycheproof/json_web_crypto_test.json"),
        &[
            ("ES256 signs", 1),
            ("ES256 verifies", 2),
            ("HS256 signs", 4),
            ("RS256 signs", 1),
            ("RS256 verifies", 1),
            (ROCA, 2),
            (ALG, 2),
        ],
    );
    // Every key of the other file is for encryption.
    let file = vectors!("wycheproof/json_web_encryption_test.json");
    assert_outcomes(&file, &[(ALG, 42)]);
}

#[test]
fn wycheproof_sets() {
    let file = vectors!("wycheproof/json_web_key_test.json");
    let groups = file["testGroups"].as_array().unwrap().iter();
    let sets = groups.filter(|group| group["comment"].as_str().unwrap().starts_with("jws_"));
    let outcomes: Vec<_> = sets
        .map(|group| {
            let half = [&group["public"], &group["private"]];
            let set = half.into_iter().find(|half| half.is_object()).unwrap();
            let outcome = KeyRing::from_jwks(&set.to_string());
            let reason = outcome.map(|ring| ring.load().iter().count());
            (
                group["comment"].as_str().unwrap(),
                reason.map_err(|error| error.to_string()),
            )
        })
        .collect();
    let refused = |reason: &str| Err(format!("setting {reason}"));
    assert_eq!(
        outcomes,
        [
            (
                "jws_mixedSymmetryKeyset",
                refused("`jwks`: it mixes shared secrets with public keys")
            ),
            ("jws_keyset", Ok(2)),
            (
                "jws_duplicate_kid",
                refused("`kid`: two keys have the same id")
            ),
            (
                "jws_rsa_roca_key",
                refused("`jwks`: it contains no key that can verify")
            ),
        ]
    );
}

/// A key from a secret that is rejected elsewhere, for published vectors that use one.
fn weak_hs256(secret: &[u8]) -> Key {
    let (name, hash) = (Algorithm::Hs256.name(), hmac::HMAC_SHA256);
    let mut parts = symmetric::parts("secret_key", name, hash, &[1, 2].repeat(16)).unwrap();
    parts.verifying_key = VerifyingKey::Hmac(hmac::Key::new(hash, secret).into());
    Key::new(Algorithm::Hs256, parts)
}

/// Tokens under an all-zero secret, which is rejected elsewhere. All other tokens run in
/// `tests/vectors.rs`.
#[test]
fn wycheproof_tokens_under_an_all_zero_secret() {
    let file = vectors!("wycheproof/json_web_signature_test.json");
    let groups = file["testGroups"].as_array().unwrap().iter();
    let mut groups = groups.filter(|group| group["comment"] == "base64");
    let (group, None) = (groups.next().unwrap(), groups.next()) else {
        panic!("there is exactly one such group");
    };
    assert!(Key::from_jwk(&group["private"].to_string()).is_err());
    let key = weak_hs256(&[0; 32]).with_kid("hs256-key").unwrap();
    let (ring, types) = (
        KeyRing::new(key),
        Types {
            accepted: Vec::new(),
            untyped: true,
        },
    );

    let tests = group["tests"].as_array().unwrap();
    assert_eq!(tests.len(), 21);
    for test in tests {
        let verdict = jws::verify(test["jws"].as_str().unwrap(), &ring.load(), &types);
        let expected = match test["tcId"].as_u64().unwrap() {
            // Labelled invalid, but identical to the token 357, which is labelled valid.
            367 | 370 => true,
            // Labelled valid, with a `?` in the header or the payload.
            372 | 373 => false,
            _ => test["result"] == "valid",
        };
        assert_eq!(verdict.is_ok(), expected, "{test}");
    }
}
