//! Published keys: RFC 7515, 7638, 8037, 9964, and Wycheproof.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    super::jws::{self, Types},
    *,
};

macro_rules! vectors {
    ($path:literal) => {
        serde_json::from_str::<Value>(include_str!(concat!("../../../tests/vectors/", $path)))
            .unwrap()
    };
}

/// The signing keys of RFC 7515 appendices A.1 to A.4, RFC 8037 appendix A and RFC 9964, with their `alg`.
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
fn the_thumbprints_of_the_rfcs_are_ours() {
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
    // Computed apart from this crate, over {"k":"...","kty":"oct"} and {"crv":"P-256",...}.
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

/// Every key of a file, those of sets one by one.
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

const ALG: &str = "its `alg` is of no signature algorithm offered here";
const ROCA: &str =
    "its primes can be computed from the modulus (CVE-2017-15361); make a new key elsewhere";

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
            ("0 bytes, and HS256 takes at least 32 random bytes", 1),
            ("0 bytes, and HS384 takes at least 48 random bytes", 1),
            ("0 bytes, and HS512 takes at least 64 random bytes", 1),
            ("31 bytes, and HS256 takes at least 32 random bytes", 1),
            ("47 bytes, and HS384 takes at least 48 random bytes", 1),
            ("63 bytes, and HS512 takes at least 64 random bytes", 1),
            ("1024 bits, and RSA keys have 2048 to 8192", 2),
            (ROCA, 2),
            (
                "the public exponent must be odd, at least 65537, and below 2^33",
                2,
            ),
            // The point off the curve; the private key's half of it is compared first.
            (
                "ES256 takes an EC key on P-256, and this is not a usable one",
                1,
            ),
            ("its private and public members do not make one key", 1),
            // RSA1_5, A256GCM, A256KW, and ES521 and ES224, which do not exist.
            (ALG, 8),
            ("its `crv` is not `P-256`, as ES256 needs", 2),
            ("its `kty` is not `EC`, as ES256 needs", 2),
            ("its `use` is not `sig`", 2),
            // In the set with two keys of one id: unused bits of the second are set.
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
            ("it has no `alg`; say which with `Key::from_jwk_as`", 4),
            ("its `use` is not `sig`", 2),
            // Two of them too, and one that allows the operation "sign, verify".
            ("its `key_ops` allows neither to sign nor to verify", 3),
            // ES521, which does not exist.
            (ALG, 4),
            (
                "it is the same byte all over, and HS256 takes random bytes that nobody else knows",
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
    // Every key of the other is for encryption.
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
                refused("`jwks`: there are shared secrets among public keys")
            ),
            ("jws_keyset", Ok(2)),
            (
                "jws_duplicate_kid",
                refused("`kid`: two keys of the ring have one id")
            ),
            (
                "jws_rsa_roca_key",
                refused("`jwks`: there is no key in it that can verify")
            ),
        ]
    );
}

/// The tokens by a secret of zeros, which is refused elsewhere; all others run in `tests/vectors.rs`.
#[test]
fn wycheproof_tokens_by_the_secret_of_zeros() {
    let file = vectors!("wycheproof/json_web_signature_test.json");
    let groups = file["testGroups"].as_array().unwrap().iter();
    let mut groups = groups.filter(|group| group["comment"] == "base64");
    let (group, None) = (groups.next().unwrap(), groups.next()) else {
        panic!("there is one such group");
    };
    assert!(Key::from_jwk(&group["private"].to_string()).is_err());
    let key = Key::weak_hs256(&[0; 32]).with_kid("hs256-key").unwrap();
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
            // Labelled invalid, and the very token that 357 is labelled valid for.
            367 | 370 => true,
            // Labelled valid, with a `?` in the header or the payload.
            372 | 373 => false,
            _ => test["result"] == "valid",
        };
        assert_eq!(verdict.is_ok(), expected, "{test}");
    }
}
