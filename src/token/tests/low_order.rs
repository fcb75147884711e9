//! Public keys of Ed25519 for which signatures can be forged.

use serde_json::json;

use super::*;
use crate::key::encoding::encode;

/// The y coordinate of every point of low order, in hexadecimal; each is tried with both signs of
/// x.
const Y: [&str; 7] = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
];

fn points() -> impl Iterator<Item = Vec<u8>> {
    Y.iter().flat_map(|y| {
        let y = (0..64)
            .step_by(2)
            .map(|at| u8::from_str_radix(&y[at..at + 2], 16).unwrap());
        let y: Vec<u8> = y.collect();
        let mut other = y.clone();
        other[31] |= 0x80;
        [y, other]
    })
}

/// The header of a `SubjectPublicKeyInfo` for Ed25519 (RFC 8410 section 4).
const SPKI: [u8; 12] = [
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];

/// The neutral element and zero: if the public key is the neutral element, this signature is valid
/// for every message.
fn identity_signature() -> Vec<u8> {
    let mut signature = vec![0; 64];
    signature[0] = 1;
    signature
}

#[test]
fn a_public_key_with_which_anybody_can_sign_is_refused_in_every_form() {
    let reason = "its point has low order, so signatures can be forged";
    for point in points() {
        let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": encode(&point) });
        assert_rejected(Key::from_jwk(&jwk.to_string()), "jwk", reason);
        let der = [&SPKI[..], &point].concat();
        assert_rejected(Key::from_der(Algorithm::EdDsa, &der), "public_key", reason);
        let body = base64_simd::STANDARD.encode_to_string(&der);
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n");
        assert_rejected(Key::from_pem(Algorithm::EdDsa, pem), "public_key", reason);
        let set = json!({ "keys": [jwk] });
        assert!(KeyRing::from_jwks(&set.to_string()).is_err());
    }
}

#[test]
fn a_signature_for_every_message_is_valid_under_no_key() {
    let signature = identity_signature();
    let other = Key::generate(Algorithm::EdDsa).unwrap();
    assert!(!other.verify(MESSAGE, &signature));
    for point in points() {
        let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": encode(&point) });
        let verifies = |key: &Key| key.verify(MESSAGE, &signature);
        let read = Key::from_jwk(&jwk.to_string());
        assert!(!read.is_ok_and(|key| verifies(&key)), "{jwk}");
    }
}

#[test]
fn a_point_that_differs_in_one_bit_is_accepted() {
    for (at, byte) in [(0, 2), (15, 1), (31, 0x40)] {
        let mut point = [0; 32];
        point[at] ^= byte;
        let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": encode(&point) });
        assert!(Key::from_jwk(&jwk.to_string()).is_ok(), "{jwk}");
    }
}
