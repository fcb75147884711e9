//! Published vectors, and the derivation of RFC 7518.

#![allow(clippy::unwrap_used, reason = "in a test it is an assertion")]

use std::collections::BTreeMap;

use aws_lc_rs::agreement;
use serde_json::{Value, json};

use super::{
    JweKey,
    agree::{Point, agree, derive},
    compact,
    header::Header,
};
use crate::token::{KeyRing, jwk};

/// RFC 7518 appendix C.
#[test]
fn the_key_of_the_rfc_comes_out_as_published() {
    let shared = [
        158, 86, 217, 29, 129, 113, 53, 211, 114, 131, 66, 131, 191, 132, 38, 156, 251, 49, 110,
        163, 218, 128, 106, 72, 246, 218, 167, 121, 140, 254, 144, 196,
    ];
    let mut key = [0; 16];
    derive(
        &shared,
        "A128GCM",
        &[b"Alice".to_vec(), b"Bob".to_vec()],
        &mut key,
    )
    .unwrap();
    assert_eq!(jwk::encode(&key), "VqqN6vgjbSBcIijNcacQGg");
}

/// RFC 7748 section 6.1, and the same keys as RFC 8037 appendix A.6 writes them.
#[test]
fn the_secret_of_the_rfc_is_agreed_on_with_x25519() {
    let d = [
        0x5d, 0xab, 0x08, 0x7e, 0x62, 0x4a, 0x8a, 0x4b, 0x79, 0xe1, 0x7f, 0x8b, 0x83, 0x80, 0x0e,
        0xe6, 0x6f, 0x3b, 0xb1, 0x29, 0x26, 0x18, 0xb6, 0xfd, 0x1c, 0x2f, 0x8b, 0x27, 0xff, 0x88,
        0xe0, 0xeb,
    ];
    let shared = [
        0x4a, 0x5d, 0x9d, 0x5b, 0xa4, 0xce, 0x2d, 0xe1, 0x72, 0x8e, 0x3b, 0xf4, 0x80, 0x35, 0x0f,
        0x25, 0xe0, 0x7e, 0x21, 0xc9, 0x47, 0xd1, 0x9e, 0x33, 0x76, 0xf0, 0x9b, 0x3c, 0x1e, 0x16,
        0x17, 0x42,
    ];
    let x = "3p7bfXt9wbTTW2HC7OQ1Nz-DQ8hbeGdNrfx-FG-IK08";
    let bob = json!({ "kty": "OKP", "crv": "X25519", "kid": "Bob", "x": x, "d": jwk::encode(&d) });
    let key = JweKey::from_jwk(&bob.to_string()).unwrap();
    assert!(key.can_decrypt() && key.kid() == "Bob");
    let written = key.to_private_jwk().unwrap();
    let written: Value = serde_json::from_str(written.expose()).unwrap();
    assert_eq!((&written["d"], &written["x"]), (&bob["d"], &bob["x"]));

    let alice = Point::x25519("hSDwCYkwp1R0i33ctD73Wg2_Og0mOBr066SpjqqbTmo").unwrap();
    let bob = agreement::PrivateKey::from_private_key(&agreement::X25519, &d).unwrap();
    let parties = [b"Alice".to_vec(), b"Bob".to_vec()];
    let mut expected = [0; 32];
    derive(&shared, "A256GCM", &parties, &mut expected).unwrap();
    assert_eq!(*agree(&bob, &alice, &parties).unwrap(), expected);

    // With a point of low order the secret would be the same for everybody.
    let mut one = [0; 32];
    one[0] = 1;
    for x in [[0; 32], one] {
        let point = Point::x25519(&jwk::encode(&x)).unwrap();
        assert!(agree(&bob, &point, &parties).is_none());
    }
}

#[test]
fn a_key_that_is_used_once_is_an_object_of_distinct_members_without_a_private_one() {
    let parse = |epk: &str| {
        let header = format!(r#"{{"alg":"ECDH-ES","enc":"A256GCM","epk":{epk}}}"#);
        Header::parse(header.as_bytes()).is_ok()
    };
    let x = jwk::encode(&[1; 32]);
    let good = format!(r#""kty":"OKP","crv":"X25519","x":"{x}""#);
    assert!(parse(&format!("{{{good}}}")));
    assert!(parse(&format!(r#"{{{good},"ext":true}}"#)));
    for wrong in [
        format!(r#"["OKP","X25519","{x}",null]"#),
        format!(r#"{{{good},"x":"{x}"}}"#),
        format!(r#"{{{good},"ext":1,"ext":2}}"#),
        format!(r#"{{{good},"d":"{x}"}}"#),
        r#"{"kty":"OKP","crv":"X25519"}"#.to_owned(),
        "{}".to_owned(),
        "null".to_owned(),
    ] {
        assert!(!parse(&wrong), "{wrong}");
    }
}

/// A point that is not on the curve would tell of the private key (RFC 7518 section 4.6, the invalid curve attack).
#[test]
fn a_point_of_p256_that_is_not_on_the_curve_agrees_with_nobody() {
    let (own, other) = (
        agreement::PrivateKey::generate(&agreement::ECDH_P256).unwrap(),
        agreement::PrivateKey::generate(&agreement::ECDH_P256).unwrap(),
    );
    let public = other.compute_public_key().unwrap();
    let (x, y) = public.as_ref()[1..].split_at(32);
    let agrees = |y: &[u8]| {
        let point = Point::p256(&jwk::encode(x), &jwk::encode(y)).unwrap();
        agree(&own, &point, &Default::default()).is_some()
    };
    assert!(agrees(y));
    let mut off = y.to_vec();
    off[31] ^= 1;
    assert!(!agrees(&off) && !agrees(&[0; 32]) && !agrees(&[0xff; 32]));
}

/// What decrypts is what the vector says, and nothing that is invalid does.
#[test]
fn wycheproof_decrypts_what_it_should_and_nothing_else() {
    let file = include_str!("../../../tests/vectors/wycheproof/json_web_encryption_test.json");
    let file: Value = serde_json::from_str(file).unwrap();
    let mut counts = BTreeMap::new();
    for group in file["testGroups"].as_array().unwrap() {
        let Ok(key) = JweKey::from_jwk(&group["private"].to_string()) else {
            continue;
        };
        let ring = KeyRing::new(key);
        for test in group["tests"].as_array().unwrap() {
            let token = test["jwe"].as_str().unwrap_or_default();
            let opened = compact::decrypt(token, &ring.load());
            if let Ok((content, _)) = &opened {
                assert_ne!(test["result"], "invalid", "{test}");
                let plain = test["pt"].as_str().unwrap();
                let hex: String = content.iter().map(|byte| format!("{byte:02x}")).collect();
                assert_eq!(plain, hex, "{test}");
            }
            let outcome =
                opened.map_or_else(|refused| refused.reason().to_owned(), |_| "ok".into());
            let result = test["result"].as_str().unwrap().to_owned();
            *counts.entry((result, outcome)).or_insert(0) += 1;
        }
    }
    let counts: Vec<_> = counts
        .iter()
        .map(|((result, outcome), count)| (result.as_str(), outcome.as_str(), *count))
        .collect();
    assert_eq!(counts, EXPECTED);
}

/// Most are of contents that are encrypted otherwise than with A256GCM.
const EXPECTED: [(&str, &str, i32); 6] = [
    ("invalid", "no key of the ring has this kid", 1),
    ("invalid", "the token has not five parts", 6),
    ("invalid", OTHERWISE, 31),
    (
        "invalid",
        "the token's header is not an acceptable JSON object",
        1,
    ),
    ("valid", "ok", 3),
    ("valid", OTHERWISE, 18),
];
const OTHERWISE: &str = "the token names another algorithm than its key";
