//! Tests of keys and rings, with keys that OpenSSL made and published vectors.

use crate::{ConfigError, IssueError};

use super::{Algorithm, Key, KeyRing};

mod encodings;
mod low_order;
mod members;
mod private;
mod rings;
mod signatures;
mod vectors;

const MESSAGE: &[u8] = b"header.claims";

fn sign(key: &Key) -> Vec<u8> {
    let mut signature = Vec::new();
    key.sign(MESSAGE, &mut signature).unwrap();
    signature
}

#[track_caller]
fn refused(key: Result<Key, ConfigError>, setting: &str, reason: &str) {
    let error = key.unwrap_err();
    assert_eq!(error.setting(), setting, "{error}");
    assert!(error.to_string().contains(reason), "{error}");
}

#[test]
fn every_algorithm_signs_what_it_verifies_and_nothing_else() {
    for algorithm in Algorithm::ALL {
        let key = Key::generate(*algorithm).unwrap();
        let other = Key::generate(*algorithm).unwrap();
        assert_eq!(key.algorithm(), *algorithm);
        assert!(key.can_sign() && key.can_verify());

        let mut signature = b"before".to_vec();
        key.sign(MESSAGE, &mut signature).unwrap();
        let signature = signature.strip_prefix(b"before").unwrap().to_vec();
        let length = match algorithm {
            Algorithm::Hs256 => 32,
            Algorithm::Hs384 => 48,
            Algorithm::Hs512 | Algorithm::Es256 | Algorithm::Es256k | Algorithm::EdDsa => 64,
            Algorithm::Es384 => 96,
            Algorithm::Es512 => 132,
            Algorithm::MlDsa44 => 2420,
            Algorithm::MlDsa65 => 3309,
            Algorithm::MlDsa87 => 4627,
            _ => 256,
        };
        assert_eq!(signature.len(), length, "{algorithm}");

        assert!(key.verify(MESSAGE, &signature), "{algorithm}");
        assert!(!key.verify(b"header.other", &signature), "{algorithm}");
        assert!(!other.verify(MESSAGE, &signature), "{algorithm}");
        for wrong in [
            Vec::new(),
            signature[1..].to_vec(),
            signature[..length - 1].to_vec(),
            [&signature[..], &[0]].concat(),
            [&[0], &signature[..]].concat(),
            vec![0; length],
        ] {
            assert!(!key.verify(MESSAGE, &wrong), "{algorithm}");
        }
        for index in [0, length / 2, length - 1] {
            let mut changed = signature.clone();
            changed[index] ^= 1;
            assert!(!key.verify(MESSAGE, &changed), "{algorithm}");
        }
    }
}

#[test]
fn an_ecdsa_signature_in_der_is_refused() {
    use aws_lc_rs::{
        rand::SystemRandom,
        signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair},
    };
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
    let key = Key::from_der(Algorithm::Es256, pair.to_pkcs8v1().unwrap()).unwrap();
    assert_eq!(pair.public_key().as_ref().len(), 65);
    let der = pair.sign(&SystemRandom::new(), MESSAGE).unwrap();
    assert!(!key.verify(MESSAGE, der.as_ref()));
    assert!(key.verify(MESSAGE, &sign(&key)));
}

/// Half of what the library signs has the higher s, which libsecp256k1 and k256 refuse.
#[test]
fn signatures_on_secp256k1_have_the_lower_s() {
    let key = Key::generate(Algorithm::Es256k).unwrap();
    for _ in 0..64 {
        let mut signature = b"before".to_vec();
        key.sign(MESSAGE, &mut signature).unwrap();
        let signature = signature.strip_prefix(b"before").unwrap();
        // Half of the order starts with 0x7f and 15 bytes 0xff; none of these comes near it.
        assert!(signature[32] < 0x80, "{signature:?}");
        assert!(key.verify(MESSAGE, signature));
    }
}

#[test]
fn a_public_half_verifies_and_does_not_sign() {
    for algorithm in Algorithm::ALL {
        let key = Key::generate(*algorithm).unwrap().with_kid("one").unwrap();
        let Some(public) = key.public_only() else {
            assert!(algorithm.is_symmetric() && key.public_jwk().is_none());
            assert!(key.to_pkcs8_pem().is_none());
            continue;
        };
        assert_eq!(
            (public.kid(), public.thumbprint()),
            ("one", key.thumbprint())
        );
        assert!(!public.can_sign() && public.to_pkcs8_pem().is_none());
        assert!(public.verify(MESSAGE, &sign(&key)));
        let outcome = public.sign(MESSAGE, &mut Vec::new());
        assert!(matches!(outcome, Err(IssueError::NoSigningKey)));

        let read = Key::from_jwk(&public.public_jwk().unwrap().to_string()).unwrap();
        assert_eq!((read.kid(), read.thumbprint()), ("one", key.thumbprint()));
        assert!(read.verify(MESSAGE, &sign(&key)));
        assert!(!read.can_sign());

        // What was exported is the same pair.
        let pem = key.to_pkcs8_pem().unwrap();
        let read = Key::from_pem(*algorithm, pem.expose()).unwrap();
        assert_eq!(read.thumbprint(), key.thumbprint());
        assert!(key.verify(MESSAGE, &sign(&read)));
    }
}

#[test]
fn a_public_jwk_holds_public_members_only() {
    for (algorithm, names) in [
        (
            Algorithm::Ps384,
            ["alg", "e", "kid", "kty", "n", "use"].as_slice(),
        ),
        (
            Algorithm::Es512,
            &["alg", "crv", "kid", "kty", "use", "x", "y"],
        ),
        (Algorithm::EdDsa, &["alg", "crv", "kid", "kty", "use", "x"]),
        (Algorithm::MlDsa44, &["alg", "kid", "kty", "pub", "use"]),
    ] {
        let jwk = Key::generate(algorithm).unwrap().public_jwk().unwrap();
        let members: Vec<&str> = jwk
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        assert_eq!(members, names);
        assert_eq!(
            (&jwk["alg"], &jwk["use"]),
            (&algorithm.name().into(), &"sig".into())
        );
    }
}

#[test]
fn a_key_id_is_short_visible_ascii() {
    let key = Key::generate(Algorithm::Hs256).unwrap();
    assert_eq!(key.kid(), key.thumbprint());
    for kid in ["", "a b", "a\n", "é", "\u{7f}", &"k".repeat(129)] {
        refused(key.clone().with_kid(kid), "kid", "visible ASCII");
    }
    for kid in [
        "k",
        "bilbo.baggins@hobbiton.example",
        "../..//%00",
        &"k".repeat(128),
    ] {
        assert_eq!(key.clone().with_kid(kid).unwrap().kid(), kid);
    }
}

#[test]
fn secrets_shorter_than_the_hash_are_refused() {
    type Read = fn(&[u8]) -> Result<Key, ConfigError>;
    for (read, name, minimum) in [
        ((|secret| Key::hs256(secret)) as Read, "HS256", 32),
        (|secret| Key::hs384(secret), "HS384", 48),
        (|secret| Key::hs512(secret), "HS512", 64),
    ] {
        let secret: Vec<u8> = (0..64).collect();
        assert!(read(&secret[..minimum]).is_ok());
        for length in [0, 1, minimum - 1] {
            let reason =
                format!("{length} bytes, but {name} requires at least {minimum} random bytes");
            refused(read(&secret[..length]), "secret_key", &reason);
        }
    }
    refused(Key::hs256([7; 64]), "secret_key", "one repeated byte");
}

#[test]
fn nothing_of_a_key_is_shown() {
    fn assert_hidden(shown: &str, secret: &[u8]) {
        let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
        let list = format!("{secret:?}");
        for form in [
            base64_simd::URL_SAFE_NO_PAD.encode_to_string(secret),
            base64_simd::STANDARD.encode_to_string(secret),
            hex.to_uppercase(),
            hex,
            list.trim_matches(['[', ']']).to_owned(),
        ] {
            assert!(!shown.contains(&form[..form.len().min(16)]), "{shown}");
        }
    }

    let secret = b"an ASCII secret of 64 bytes, so that it would also show as text.";
    for key in [Key::hs256(secret), Key::hs384(secret), Key::hs512(secret)] {
        let key = key.unwrap();
        let shown = format!("{key:?} {key:#?} {:?}", KeyRing::new(key.clone()));
        assert!(
            shown.contains(key.kid()) && !shown.contains("ASCII"),
            "{shown}"
        );
        assert_hidden(&shown, secret);
    }
    for jwk in vectors::private_jwks() {
        let algorithm = Algorithm::from_name(jwk["alg"].as_str().unwrap()).unwrap();
        let key = Key::from_jwk_as(algorithm, &jwk["jwk"].to_string()).unwrap();
        let shown = format!("{key:?} {key:#?} {:?}", KeyRing::new(key.clone()));
        assert!(shown.contains("can_sign: true"), "{shown}");
        for name in ["k", "d", "p", "q", "dp", "dq", "qi", "priv"] {
            if let Some(secret) = jwk["jwk"][name].as_str() {
                assert_hidden(
                    &shown,
                    &base64_simd::URL_SAFE_NO_PAD.decode_to_vec(secret).unwrap(),
                );
            }
        }
    }
}
