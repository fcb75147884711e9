//! Published vectors, and the key derivation of RFC 7518.

#![allow(clippy::unwrap_used, reason = "in a test it is an assertion")]

use std::collections::BTreeMap;

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey},
    agreement, digest,
    encoding::{AsBigEndian, Curve25519SeedBin, EcPrivateKeyBin},
};
use serde_json::{Value, json};

use super::{
    JweAlgorithm, JweKey,
    agree::{Point, agree, derive},
    compact,
    header::JweHeader,
};
use crate::key::{KeyRing, encoding};

/// RFC 7518 appendix C.
#[test]
fn the_derived_key_matches_the_rfc() {
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
    assert_eq!(encoding::encode(&key), "VqqN6vgjbSBcIijNcacQGg");
}

/// RFC 7748 section 6.1, with the same keys in the form of RFC 8037 appendix A.6.
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
    let bob =
        json!({ "kty": "OKP", "crv": "X25519", "kid": "Bob", "x": x, "d": encoding::encode(&d) });
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

    // With a point of low order the secret would not depend on the private key.
    let mut one = [0; 32];
    one[0] = 1;
    for x in [[0; 32], one] {
        let point = Point::x25519(&encoding::encode(&x)).unwrap();
        assert!(agree(&bob, &point, &parties).is_none());
    }
}

#[test]
fn an_ephemeral_key_has_distinct_and_no_private_members() {
    let parse = |epk: &str| {
        let header = format!(r#"{{"alg":"ECDH-ES","enc":"A256GCM","epk":{epk}}}"#);
        JweHeader::parse(header.as_bytes()).is_ok()
    };
    let x = encoding::encode(&[1; 32]);
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

/// A point that is not on the curve would reveal the private key (the invalid curve attack, RFC
/// 7518 section 4.6).
#[test]
fn a_point_that_is_not_on_p256_is_rejected() {
    let (own, other) = (
        agreement::PrivateKey::generate(&agreement::ECDH_P256).unwrap(),
        agreement::PrivateKey::generate(&agreement::ECDH_P256).unwrap(),
    );
    let public = other.compute_public_key().unwrap();
    let (x, y) = public.as_ref()[1..].split_at(32);
    let agrees = |y: &[u8]| {
        let point = Point::p256(&encoding::encode(x), &encoding::encode(y)).unwrap();
        agree(&own, &point, &Default::default()).is_some()
    };
    assert!(agrees(y));
    let mut off = y.to_vec();
    off[31] ^= 1;
    assert!(!agrees(&off) && !agrees(&[0; 32]) && !agrees(&[0xff; 32]));
}

/// Generates a private key on `curve`, and returns its public half as a JWK.
fn generate_party(curve: &'static agreement::Algorithm) -> (agreement::PrivateKey, Value) {
    let key = agreement::PrivateKey::generate(curve).unwrap();
    let public = key.compute_public_key().unwrap();
    let jwk = match public.as_ref() {
        [4, point @ ..] => {
            let (x, y) = point.split_at(32);
            json!({ "kty": "EC", "crv": "P-256", "x": encoding::encode(x), "y": encoding::encode(y) })
        }
        x => json!({ "kty": "OKP", "crv": "X25519", "x": encoding::encode(x) }),
    };
    (key, jwk)
}

/// The Concat KDF of NIST SP 800-56A for one block of SHA-256 (RFC 7518 section 4.6.2), implemented
/// without code of the crate.
fn concat_kdf(shared: &[u8], parties: [&str; 2]) -> [u8; 32] {
    let mut hash = digest::Context::new(&digest::SHA256);
    hash.update(&[0, 0, 0, 1]);
    hash.update(shared);
    for field in ["A256GCM", parties[0], parties[1]] {
        hash.update(&u32::try_from(field.len()).unwrap().to_be_bytes());
        hash.update(field.as_bytes());
    }
    hash.update(&256_u32.to_be_bytes());
    hash.finish().as_ref().try_into().unwrap()
}

/// Encrypts a token whose header has these additional members.
fn seal_with(key: &[u8; 32], epk: &Value, parties: &Value) -> String {
    let mut header = json!({ "alg": "ECDH-ES", "enc": "A256GCM", "kid": "bob", "epk": epk });
    let members = header.as_object_mut().unwrap();
    members.extend(parties.as_object().unwrap().clone());
    let header = encoding::encode(header.to_string().as_bytes());
    let mut content = b"hello".to_vec();
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).unwrap());
    let nonce = Nonce::assume_unique_for_key([7; 12]);
    let tag = key
        .seal_in_place_separate_tag(nonce, Aad::from(header.as_bytes()), &mut content)
        .unwrap();
    let [nonce, content, tag] = [&[7; 12], &*content, tag.as_ref()].map(encoding::encode);
    format!("{header}..{nonce}.{content}.{tag}")
}

/// RFC 7518 sections 4.6.1.2 and 4.6.1.3.
#[test]
fn the_parties_of_the_header_are_inputs_of_the_key() {
    let long = "a".repeat(256);
    for curve in [&agreement::ECDH_P256, &agreement::X25519] {
        let (bob, mut own) = generate_party(curve);
        let (alice, epk) = generate_party(curve);
        let d: Vec<u8> = match own["crv"].as_str().unwrap() {
            "P-256" => AsBigEndian::<EcPrivateKeyBin<'_>>::as_be_bytes(&bob)
                .unwrap()
                .as_ref()
                .into(),
            _ => AsBigEndian::<Curve25519SeedBin<'_>>::as_be_bytes(&bob)
                .unwrap()
                .as_ref()
                .into(),
        };
        (own["d"], own["kid"]) = (encoding::encode(&d).into(), "bob".into());
        let keys = KeyRing::new(JweKey::from_jwk(&own.to_string()).unwrap());
        let public = bob.compute_public_key().unwrap();
        let peer = agreement::UnparsedPublicKey::new(curve, public.as_ref());
        let key = |parties| {
            let derived = |shared: &[u8]| Ok::<_, ()>(concat_kdf(shared, parties));
            agreement::agree(&alice, peer, (), derived).unwrap()
        };
        let opens = |parties, named: Value| {
            let opened = compact::decrypt(&seal_with(&key(parties), &epk, &named), &keys.load());
            opened.map(|(content, _)| assert_eq!(**content, *b"hello"))
        };
        let (alice, bob) = ("QWxpY2U", "Qm9i");
        for (parties, named, swapped) in [
            (
                ["Alice", "Bob"],
                json!({ "apu": alice, "apv": bob }),
                json!({ "apu": bob, "apv": alice }),
            ),
            (
                ["Alice", ""],
                json!({ "apu": alice }),
                json!({ "apv": alice }),
            ),
            (["", "Bob"], json!({ "apv": bob }), json!({ "apu": bob })),
            (
                ["", ""],
                json!({ "apu": "", "apv": "" }),
                json!({ "apu": alice }),
            ),
        ] {
            opens(parties, named).unwrap();
            for other in [
                swapped,
                json!({ "apu": "Qm9i" }),
                json!({ "apu": alice, "apv": alice }),
            ] {
                if parties == ["", "Bob"] && other == json!({ "apv": bob }) {
                    continue;
                }
                let refused = opens(parties, other).unwrap_err();
                assert_eq!(refused.reason(), "the token does not decrypt");
            }
        }
        for name in ["apu", "apv"] {
            let of = |length: usize| json!({ name: encoding::encode(&vec![b'a'; length]) });
            let parties = match name {
                "apu" => [&*long, ""],
                _ => ["", &*long],
            };
            opens(parties, of(256)).unwrap();
            for wrong in [
                of(257),
                json!({ name: "Qm8=" }),
                json!({ name: "Qm9" }),
                json!({ name: "Qm+/" }),
            ] {
                let refused = opens(["", ""], wrong).unwrap_err();
                let reason = "the token's header is not an acceptable JSON object";
                assert_eq!(refused.reason(), reason);
            }
        }
    }
}

#[test]
fn errors_name_the_requested_algorithm() {
    let pem = include_str!("../../../tests/keys/ed25519.spki.pem");
    for algorithm in [
        JweAlgorithm::RsaOaep256,
        JweAlgorithm::EcdhEs,
        JweAlgorithm::A256Kw,
    ] {
        let jwk = json!({ "kty": "AKP", "alg": algorithm.name(), "k": encoding::encode(&[1; 32]) });
        for error in [
            JweKey::from_pem(algorithm, pem).unwrap_err(),
            JweKey::from_jwk(&jwk.to_string()).unwrap_err(),
        ] {
            let text = error.to_string();
            assert!(text.contains(algorithm.name()), "{text}");
            assert!(
                !text.contains(algorithm.signing_algorithm().name()),
                "{text}"
            );
        }
    }
    let error = JweKey::a256kw([1; 32]).unwrap_err().to_string();
    assert!(
        error.contains("A256KW") && !error.contains("HS256"),
        "{error}"
    );
}

#[test]
fn a_signing_key_is_rejected_whatever_else_it_is_for() {
    for algorithm in [
        JweAlgorithm::RsaOaep256,
        JweAlgorithm::EcdhEs,
        JweAlgorithm::A256Kw,
    ] {
        let key = JweKey::generate(algorithm)
            .unwrap()
            .to_private_jwk()
            .unwrap();
        let with = |operations: &[&str]| {
            let mut jwk: Value = serde_json::from_str(key.expose()).unwrap();
            jwk["key_ops"] = operations.into();
            JweKey::from_jwk(&jwk.to_string())
        };
        let own = ["decrypt", "deriveKey", "wrapKey", "unwrapKey"];
        assert!(with(&own).is_ok(), "{algorithm}");
        for signing in ["sign", "verify"] {
            let error = with(&[&own[..], &[signing]].concat()).unwrap_err();
            assert!(error.to_string().contains("`key_ops`"), "{error}");
        }
    }
}

/// The content must match the vector, and no invalid token decrypts.
#[test]
fn only_valid_wycheproof_vectors_decrypt() {
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

/// Most vectors use a content encryption other than A256GCM.
const EXPECTED: [(&str, &str, i32); 6] = [
    ("invalid", "no key of the ring has this kid", 1),
    ("invalid", "the token does not have five parts", 6),
    ("invalid", OTHER_ALGORITHM, 31),
    (
        "invalid",
        "the token's header is not an acceptable JSON object",
        1,
    ),
    ("valid", "ok", 3),
    ("valid", OTHER_ALGORITHM, 18),
];
const OTHER_ALGORITHM: &str = "the token names another algorithm than its key";
