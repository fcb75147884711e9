//! Wycheproof vectors for signatures outside of tokens.

use std::collections::BTreeMap;

use serde_json::Value;

use super::*;

fn bytes(hex: &Value) -> Vec<u8> {
    let digits = hex.as_str().unwrap().as_bytes();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

/// RFC 8812 has no example of ES256K. Its signatures have this form: r and s in 32 bytes each.
#[test]
fn wycheproof_signatures_on_secp256k1() {
    let file =
        include_str!("../../../tests/vectors/wycheproof/ecdsa_secp256k1_sha256_p1363_test.json");
    let file: Value = serde_json::from_str(file).unwrap();
    let mut counts = BTreeMap::new();
    for group in file["testGroups"].as_array().unwrap() {
        let pem = group["publicKeyPem"].as_str().unwrap();
        let key = Key::from_pem(Algorithm::Es256k, pem).unwrap();
        let from_jwk = Key::from_jwk(&key.public_jwk().unwrap().to_string()).unwrap();
        for test in group["tests"].as_array().unwrap() {
            let (message, signature) = (bytes(&test["msg"]), bytes(&test["sig"]));
            let verdict = key.verify(&message, &signature);
            assert_eq!(verdict, test["result"] == "valid", "{test}");
            assert_eq!(verdict, from_jwk.verify(&message, &signature), "{test}");
            *counts.entry(verdict).or_insert(0) += 1;
        }
    }
    assert_eq!(counts, BTreeMap::from([(false, 85), (true, 167)]));
}
