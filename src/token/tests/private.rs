//! Exports of private keys, and reading them back.

use serde_json::{Value, json};

use super::*;

fn exported(key: &Key) -> Value {
    serde_json::from_str(key.to_private_jwk().unwrap().expose()).unwrap()
}

#[test]
fn a_private_jwk_is_read_as_the_same_key() {
    for algorithm in Algorithm::ALL {
        let key = Key::generate(*algorithm).unwrap();
        // A quote and a backslash are visible characters as well.
        let key = key.with_kid(r#"a"b\c"#).unwrap();
        let jwk = key.to_private_jwk().unwrap();
        for read in [
            Key::from_jwk(jwk.expose()),
            Key::from_jwk_as(*algorithm, jwk.expose()),
        ] {
            let read = read.unwrap();
            assert_eq!((read.kid(), read.algorithm()), (key.kid(), *algorithm));
            assert_eq!(read.thumbprint(), key.thumbprint());
            assert_eq!(read.public_jwk(), key.public_jwk());
            assert_eq!(read.to_private_jwk(), Some(jwk.clone()));
            assert_eq!(read.to_pkcs8_pem(), key.to_pkcs8_pem());
            assert!(key.verify(MESSAGE, &sign(&read)), "{algorithm}");
            assert!(read.verify(MESSAGE, &sign(&key)), "{algorithm}");
        }
        let public = key.public_only();
        assert!(public.is_none_or(|public| public.to_private_jwk().is_none()));
    }
}

#[test]
fn the_private_members_are_those_of_the_rfcs() {
    for vector in vectors::private_jwks() {
        let algorithm = Algorithm::from_name(vector["alg"].as_str().unwrap()).unwrap();
        let jwk = vector["jwk"].as_object().unwrap();
        let key = Key::from_jwk_as(algorithm, &vector["jwk"].to_string()).unwrap();
        let written = exported(&key);
        for (name, value) in jwk {
            assert_eq!(written[name], *value, "{algorithm} {name}");
        }
        let names = written.as_object().unwrap().keys();
        let about = ["alg", "use", "kid"];
        for name in names.filter(|name| !jwk.contains_key(*name)) {
            assert!(about.contains(&name.as_str()), "{algorithm} {name}");
        }
    }
}

/// RFC 7518 sections 6.2.1.2 and 6.2.2.1: leading zeros are significant.
#[test]
fn private_members_keep_leading_zeros() {
    for (algorithm, length) in [
        (Algorithm::Es256, 32),
        (Algorithm::Es384, 48),
        (Algorithm::Es512, 66),
        (Algorithm::Es256k, 32),
    ] {
        let mut one = vec![0; length];
        one[length - 1] = 1;
        let curve = match algorithm {
            Algorithm::Es256 => "P-256",
            Algorithm::Es384 => "P-384",
            Algorithm::Es512 => "P-521",
            _ => "secp256k1",
        };
        // The private key is 1, so the public key is the curve's generator.
        let der = match algorithm {
            Algorithm::Es256k => sec1(&one, &[0x2b, 0x81, 0x04, 0x00, 0x0a]),
            Algorithm::Es384 => sec1(&one, &[0x2b, 0x81, 0x04, 0x00, 0x22]),
            Algorithm::Es512 => sec1(&one, &[0x2b, 0x81, 0x04, 0x00, 0x23]),
            _ => sec1(&one, &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07]),
        };
        let key = Key::from_der(algorithm, der).unwrap();
        let written = exported(&key);
        assert_eq!(written["crv"], curve);
        let d = written["d"].as_str().unwrap();
        let d = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(d).unwrap();
        assert_eq!(d, one, "{algorithm}");
    }
}

/// An `ECPrivateKey` without its public key (RFC 5915 section 3).
fn sec1(key: &[u8], curve: &[u8]) -> Vec<u8> {
    let element = |tag: u8, content: &[u8]| {
        let length = u8::try_from(content.len()).unwrap();
        [&[tag, length], content].concat()
    };
    let parameters = element(0xa0, &element(0x06, curve));
    let members = [element(0x02, &[1]), element(0x04, key), parameters].concat();
    element(0x30, &members)
}

#[test]
fn a_secret_that_only_signs_goes_on_to_do_so() {
    let secret = base64_simd::URL_SAFE_NO_PAD.encode_to_string((0..32).collect::<Vec<u8>>());
    let jwk = json!({ "kty": "oct", "k": secret, "alg": "HS256", "key_ops": ["sign"] });
    let key = Key::from_jwk(&jwk.to_string()).unwrap();
    let read = Key::from_jwk(key.to_private_jwk().unwrap().expose()).unwrap();
    assert!(read.can_sign() && !read.can_verify());
    let jwk = json!({ "kty": "oct", "k": secret, "alg": "HS256", "key_ops": ["verify"] });
    let key = Key::from_jwk(&jwk.to_string()).unwrap();
    assert!(key.to_private_jwk().is_none());
}
