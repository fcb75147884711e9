//! Published vectors, and the derivation of RFC 7518.

#![allow(clippy::unwrap_used, reason = "in a test it is an assertion")]

use std::collections::BTreeMap;

use serde_json::Value;

use super::{JweKey, agree::derive, compact};
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
