//! JSON Web Keys, member by member.

use serde_json::{Value, json};

use super::*;

fn example(algorithm: Algorithm) -> Value {
    let mut all = vectors::private_jwks().into_iter();
    let found = all.find(|vector| vector["alg"] == algorithm.name());
    found.unwrap()["jwk"].take()
}

fn read(algorithm: Algorithm, jwk: &Value) -> Result<Key, ConfigError> {
    Key::from_jwk_as(algorithm, &jwk.to_string())
}

fn with(algorithm: Algorithm, name: &str, value: impl Into<Value>) -> Result<Key, ConfigError> {
    let mut jwk = example(algorithm);
    jwk[name] = value.into();
    read(algorithm, &jwk)
}

fn without(algorithm: Algorithm, names: &[&str]) -> Result<Key, ConfigError> {
    let mut jwk = example(algorithm);
    jwk.as_object_mut()
        .unwrap()
        .retain(|name, _| !names.contains(&name.as_str()));
    read(algorithm, &jwk)
}

fn decoded(jwk: &Value, name: &str) -> Vec<u8> {
    base64_simd::URL_SAFE_NO_PAD
        .decode_to_vec(jwk[name].as_str().unwrap())
        .unwrap()
}

fn encoded(bytes: &[u8]) -> String {
    base64_simd::URL_SAFE_NO_PAD.encode_to_string(bytes)
}

#[test]
fn base64url_is_strict() {
    use crate::key::encoding::{decode, encode};
    for length in 0..70 {
        let bytes: Vec<u8> = (0..length)
            .map(|byte: u8| byte.wrapping_mul(7).wrapping_add(3))
            .collect();
        let text = encode(&bytes);
        assert_eq!(**decode(&text).unwrap(), bytes);
        for wrong in ["=", "==", " ", "\n", "A", "AAAAA"] {
            if (text.len() + wrong.len()) % 4 == 1 || !wrong.starts_with('A') {
                assert!(decode(&format!("{text}{wrong}")).is_none(), "{text}{wrong}");
            }
        }
        // Every last character that differs only in the unused bits.
        let unused = match text.len() % 4 {
            2 => 4,
            3 => 2,
            _ => continue,
        };
        let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let last = text.bytes().last().unwrap();
        let value = alphabet.iter().position(|byte| *byte == last).unwrap();
        for bits in 1..1 << unused {
            let mut other = text.clone().into_bytes();
            *other.last_mut().unwrap() = alphabet[value | bits];
            assert!(
                decode(std::str::from_utf8(&other).unwrap()).is_none(),
                "{text}"
            );
        }
    }
    for wrong in ["+_8A", "//8A", "A A", "AA=A", "é", "AA\0A", "A", "AAAAA"] {
        assert!(decode(wrong).is_none(), "{wrong}");
    }
}

#[test]
fn the_algorithm_is_that_of_alg_or_of_the_curve() {
    for algorithm in [Algorithm::Es256, Algorithm::Es512, Algorithm::EdDsa] {
        let jwk = example(algorithm);
        assert_eq!(jwk.get("alg"), None);
        assert_eq!(
            Key::from_jwk(&jwk.to_string()).unwrap().algorithm(),
            algorithm
        );
    }
    for algorithm in [Algorithm::MlDsa44, Algorithm::MlDsa65, Algorithm::MlDsa87] {
        // For ML-DSA, `alg` is part of the key (RFC 9964).
        assert!(with(algorithm, "alg", algorithm.name()).is_ok());
        let mut jwk = example(algorithm);
        jwk.as_object_mut().unwrap().remove("alg");
        assert_rejected(Key::from_jwk(&jwk.to_string()), "jwk", "`alg` is missing");
        assert_rejected(read(algorithm, &jwk), "jwk", "`alg` is missing");
        let other = match algorithm {
            Algorithm::MlDsa44 => Algorithm::MlDsa65,
            _ => Algorithm::MlDsa44,
        };
        assert_rejected(read(other, &example(algorithm)), "jwk", "`alg` differs");
        jwk["alg"] = other.name().into();
        assert_rejected(read(other, &jwk), "jwk", "`pub` does not have");
    }
    for algorithm in [Algorithm::Hs256, Algorithm::Rs256] {
        let jwk = example(algorithm);
        assert_rejected(Key::from_jwk(&jwk.to_string()), "jwk", "Key::from_jwk_as");
        let named = with(algorithm, "alg", algorithm.name()).unwrap();
        assert_eq!(named.algorithm(), algorithm);
    }
    // The same members work for another algorithm of the same kind, unless `alg` contradicts it.
    assert!(read(Algorithm::Ps512, &example(Algorithm::Rs256)).is_ok());
    assert!(read(Algorithm::Hs512, &example(Algorithm::Hs256)).is_ok());
    assert_rejected(
        with(Algorithm::Rs256, "alg", "PS256"),
        "jwk",
        "`alg` differs",
    );
    // RFC 9864 introduces another name; the old one is still written.
    let renamed = with(Algorithm::EdDsa, "alg", "Ed25519").unwrap();
    assert_eq!(renamed.public_jwk().unwrap()["alg"], "EdDSA");
    assert_rejected(
        with(Algorithm::Es256, "alg", "Ed25519"),
        "jwk",
        "`alg` differs",
    );
    for unknown in ["Ed448", "ed25519"] {
        assert_rejected(
            with(Algorithm::EdDsa, "alg", unknown),
            "jwk",
            "not a supported signature algorithm",
        );
    }
    for unknown in ["none", "rs256", "RSA-OAEP", ""] {
        assert_rejected(
            with(Algorithm::Rs256, "alg", unknown),
            "jwk",
            "not a supported signature algorithm",
        );
    }
    assert_rejected(
        with(Algorithm::Rs256, "alg", Value::Null),
        "jwk",
        "`alg` is not a string",
    );
}

#[test]
fn kty_and_crv_fit_the_algorithm() {
    for algorithm in Algorithm::ALL {
        for vector in vectors::private_jwks() {
            let own = Algorithm::from_name(vector["alg"].as_str().unwrap()).unwrap();
            let kind = |algorithm: Algorithm| match algorithm.name().split_at(2) {
                ("RS" | "PS", _) => "RSA".to_owned(),
                ("HS", _) => "oct".to_owned(),
                _ => algorithm.name().to_owned(),
            };
            let outcome = read(*algorithm, &vector["jwk"]);
            assert_eq!(
                outcome.is_ok(),
                kind(*algorithm) == kind(own),
                "{algorithm} {own}"
            );
        }
    }
    assert_rejected(with(Algorithm::Es256, "crv", "P-384"), "jwk", "`crv`");
    assert_rejected(with(Algorithm::Es256, "crv", "secp256k1"), "jwk", "`crv`");
    assert_rejected(with(Algorithm::EdDsa, "crv", "X25519"), "jwk", "`crv`");
    assert_rejected(with(Algorithm::EdDsa, "crv", "Ed448"), "jwk", "`crv`");
    assert_rejected(with(Algorithm::Es256, "kty", "OKP"), "jwk", "`kty`");
    assert_rejected(
        without(Algorithm::Es256, &["crv"]),
        "jwk",
        "`crv` is missing",
    );
    assert_rejected(
        without(Algorithm::Rs256, &["kty"]),
        "jwk",
        "`kty` is missing",
    );
    // Two curves with the same coordinate length; a point is on at most one of them.
    for (own, other) in [
        (Algorithm::Es256, Algorithm::Es256k),
        (Algorithm::Es256k, Algorithm::Es256),
    ] {
        let mut jwk = Key::generate(own).unwrap().public_jwk().unwrap();
        jwk.as_object_mut().unwrap().remove("alg");
        assert_eq!(Key::from_jwk(&jwk.to_string()).unwrap().algorithm(), own);
        assert_rejected(read(other, &jwk), "jwk", "`crv`");
        let name = Key::generate(other).unwrap().public_jwk().unwrap()["crv"].take();
        jwk["crv"] = name;
        assert_rejected(read(other, &jwk), "jwk", "not a usable one");
        jwk["alg"] = own.name().into();
        assert_rejected(read(other, &jwk), "jwk", "`alg` differs");
    }
    let x25519 = json!({"kty": "OKP", "crv": "X25519", "x": encoded(&[9; 32])});
    assert_rejected(Key::from_jwk(&x25519.to_string()), "jwk", "`crv`");
}

#[test]
fn use_and_key_ops_are_kept_to() {
    let rs256 = Algorithm::Rs256;
    assert!(with(rs256, "use", "sig").unwrap().can_sign());
    for other in [json!("enc"), json!(""), json!("SIG")] {
        assert_rejected(with(rs256, "use", other), "jwk", "`use` is not `sig`");
    }
    assert_rejected(
        with(rs256, "use", json!(["sig"])),
        "jwk",
        "`use` is not a string",
    );

    let uses = |algorithm, operations: Value| {
        let key = with(algorithm, "key_ops", operations)?;
        Ok::<_, ConfigError>((key.can_sign(), key.can_verify()))
    };
    for algorithm in [
        Algorithm::Hs256,
        rs256,
        Algorithm::Es256,
        Algorithm::EdDsa,
        Algorithm::MlDsa44,
    ] {
        assert_eq!(
            uses(algorithm, json!(["sign", "verify"])).unwrap(),
            (true, true)
        );
        assert_eq!(uses(algorithm, json!(["verify"])).unwrap(), (false, true));
        // The holder of a key pair may verify. A shared secret is a single key for both operations.
        assert_eq!(
            uses(algorithm, json!(["sign"])).unwrap(),
            (true, !algorithm.is_symmetric())
        );
        for none in [
            json!([]),
            json!(["encrypt"]),
            json!(["Sign"]),
            json!(["sign, verify"]),
        ] {
            assert!(
                uses(algorithm, none)
                    .unwrap_err()
                    .to_string()
                    .contains("neither")
            );
        }
        for wrong in [json!("sign"), json!([1]), Value::Null, json!({})] {
            assert!(
                uses(algorithm, wrong)
                    .unwrap_err()
                    .to_string()
                    .contains("not an array")
            );
        }
        let twice = uses(algorithm, json!(["sign", "sign"])).unwrap_err();
        assert!(twice.to_string().contains("twice"), "{twice}");
    }
    let signs_only = with(Algorithm::Hs256, "key_ops", json!(["sign"])).unwrap();
    assert!(!signs_only.verify(MESSAGE, &sign(&signs_only)));
    let verifies_only = with(Algorithm::EdDsa, "key_ops", json!(["verify"])).unwrap();
    assert!(verifies_only.sign(MESSAGE, &mut Vec::new()).is_err());
    assert!(verifies_only.to_pkcs8_pem().is_none());

    let mut public = example(Algorithm::Es256);
    public.as_object_mut().unwrap().remove("d");
    public["key_ops"] = json!(["sign"]);
    assert_rejected(read(Algorithm::Es256, &public), "jwk", "neither");
}

#[test]
fn a_kid_is_a_string_and_takes_precedence_over_the_thumbprint() {
    let key = with(Algorithm::Es256, "kid", "own").unwrap();
    assert_eq!(key.kid(), "own");
    assert_ne!(key.thumbprint(), "own");
    assert_eq!(Key::from_jwk(r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","kid":"a\/b"}"#).unwrap().kid(), "a/b");
    for wrong in [json!(1), Value::Null, json!(["own"])] {
        assert_rejected(
            with(Algorithm::Es256, "kid", wrong),
            "jwk",
            "`kid` is not a string",
        );
    }
    assert_rejected(with(Algorithm::Es256, "kid", ""), "kid", "visible ASCII");
    assert_rejected(
        with(Algorithm::Es256, "kid", "two words"),
        "kid",
        "visible ASCII",
    );
}

#[test]
fn members_must_have_the_exact_form_of_the_rfc() {
    for (algorithm, names) in [
        (Algorithm::Hs256, ["k"].as_slice()),
        (
            Algorithm::Rs256,
            &["n", "e", "d", "p", "q", "dp", "dq", "qi"],
        ),
        (Algorithm::Es256, &["x", "y", "d"]),
        (Algorithm::Es512, &["x", "y", "d"]),
        (Algorithm::EdDsa, &["x", "d"]),
        (Algorithm::MlDsa44, &["pub", "priv"]),
    ] {
        let jwk = example(algorithm);
        for name in names {
            let text = jwk[name].as_str().unwrap().to_owned();
            for wrong in [
                json!(format!("{text}=")),
                json!(format!("{text}\n")),
                json!(format!(" {text}")),
                json!(text.replace(['-', '_'], "+")),
                json!(""),
                json!(7),
                json!([text]),
                Value::Null,
            ] {
                if wrong == jwk[name] {
                    continue;
                }
                let error = with(algorithm, name, wrong.clone()).unwrap_err();
                assert_eq!(error.setting(), "jwk");
                assert!(
                    !error.to_string().contains(&text[..8.min(text.len())]) || *name == "e",
                    "{error}"
                );
            }
            if !["d", "priv"].contains(name) || algorithm.name().starts_with("RS") {
                assert!(without(algorithm, &[name]).is_err(), "{algorithm} {name}");
            } else {
                assert!(!without(algorithm, &[name]).unwrap().can_sign());
            }
        }
    }
    // A value with an escape is rejected: unescaping would create a copy that is not wiped.
    let escaped =
        r#"{"kty":"OKP","crv":"Ed25519","x":"\u00311qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
    assert_rejected(Key::from_jwk(escaped), "jwk", "`x`");
}

#[test]
fn coordinates_have_the_length_of_the_curve() {
    for (algorithm, names) in [
        (Algorithm::Es256, ["x", "y", "d"].as_slice()),
        (Algorithm::Es512, &["x", "y", "d"]),
        (Algorithm::EdDsa, &["x", "d"]),
        (Algorithm::MlDsa44, &["pub", "priv"]),
        (Algorithm::MlDsa65, &["pub", "priv"]),
        (Algorithm::MlDsa87, &["pub", "priv"]),
    ] {
        for name in names {
            let bytes = decoded(&example(algorithm), name);
            for wrong in [
                &bytes[1..],
                &bytes[..bytes.len() - 1],
                &[&[0], &bytes[..]].concat(),
                &[&bytes[..], &[0]].concat(),
            ] {
                let reason = format!("`{name}` does not have {} bytes", bytes.len());
                assert_rejected(with(algorithm, name, encoded(wrong)), "jwk", &reason);
            }
        }
    }
    // P-521 coordinates start with seven zero bits, and a leading zero byte must be present.
    let short = decoded(&example(Algorithm::Es512), "y");
    assert_eq!(short[0], 0);
    assert_rejected(
        with(Algorithm::Es512, "y", encoded(&short[1..])),
        "jwk",
        "66 bytes",
    );
}

#[test]
fn the_point_is_on_the_curve() {
    for algorithm in [Algorithm::Es256, Algorithm::Es512] {
        let jwk = example(algorithm);
        for name in ["x", "y"] {
            let mut bytes = decoded(&jwk, name);
            *bytes.last_mut().unwrap() ^= 1;
            let mut public = jwk.clone();
            public.as_object_mut().unwrap().remove("d");
            public[name] = encoded(&bytes).into();
            assert_rejected(read(algorithm, &public), "jwk", "not a usable one");
            assert_rejected(
                with(algorithm, name, encoded(&bytes)),
                "jwk",
                "do not match",
            );
            public[name] = encoded(&vec![0; bytes.len()]).into();
            assert!(read(algorithm, &public).is_err());
            public[name] = encoded(&vec![255; bytes.len()]).into();
            assert!(read(algorithm, &public).is_err());
        }
        let zero = encoded(&vec![0; decoded(&jwk, "x").len()]);
        let infinity = json!({"kty": "EC", "crv": jwk["crv"], "x": zero, "y": zero});
        assert!(read(algorithm, &infinity).is_err());
    }
}

#[test]
fn private_and_public_members_make_one_key() {
    for algorithm in [Algorithm::Es256, Algorithm::Es512, Algorithm::EdDsa] {
        let length = decoded(&example(algorithm), "d").len();
        let mut one = vec![0; length];
        one[length - 1] = 1;
        for wrong in [one, vec![0; length], vec![255; length]] {
            assert_rejected(with(algorithm, "d", encoded(&wrong)), "jwk", "do not match");
        }
    }
    for algorithm in [Algorithm::MlDsa44, Algorithm::MlDsa65, Algorithm::MlDsa87] {
        let seed = encoded(&[1; 32]);
        assert_rejected(with(algorithm, "priv", seed), "jwk", "do not match");
        let mut public = decoded(&example(algorithm), "pub");
        public[100] ^= 1;
        let public = encoded(&public);
        assert_rejected(with(algorithm, "pub", public), "jwk", "do not match");
    }
    for name in ["d", "p", "q", "dp", "dq", "qi"] {
        let mut bytes = decoded(&example(Algorithm::Rs256), name);
        *bytes.last_mut().unwrap() ^= 2;
        assert_rejected(
            with(Algorithm::Rs256, name, encoded(&bytes)),
            "jwk",
            "do not match",
        );
    }
}

#[test]
fn an_rsa_private_key_has_all_its_members() {
    let rs256 = Algorithm::Rs256;
    assert!(
        !without(rs256, &["d", "p", "q", "dp", "dq", "qi"])
            .unwrap()
            .can_sign()
    );
    assert_rejected(
        without(rs256, &["p", "q", "dp", "dq", "qi"]),
        "jwk",
        "`p` is missing",
    );
    assert_rejected(without(rs256, &["d"]), "jwk", "`d` is missing");
    assert_rejected(without(rs256, &["qi"]), "jwk", "`qi` is missing");
    assert_rejected(with(rs256, "oth", json!([])), "jwk", "two primes");
}

#[test]
fn rsa_numbers_are_within_bounds() {
    let rs256 = Algorithm::Rs256;
    let n = decoded(&example(rs256), "n");
    let public = |n: &[u8], e: &[u8]| {
        let jwk = json!({"kty": "RSA", "n": encoded(n), "e": encoded(e)});
        read(rs256, &jwk)
    };
    assert!(public(&n, &[1, 0, 1]).is_ok());
    assert!(public(&n, &[1, 0, 0, 0, 1]).is_ok());
    for exponent in [
        [1].as_slice(),
        &[3],
        &[17],
        &[1, 0, 0],
        &[0xff, 0xff],
        &[1, 0, 2],
        &[2, 0, 0, 0, 1],
        &[1; 9],
    ] {
        assert_rejected(public(&n, exponent), "jwk", "public exponent");
    }
    assert_rejected(public(&n, &[0, 1, 0, 1]), "jwk", "zero byte");
    assert_rejected(public(&n, &[]), "jwk", "empty");
    assert_rejected(public(&[], &[1, 0, 1]), "jwk", "empty");
    assert_rejected(
        public(&[&[0], &n[..]].concat(), &[1, 0, 1]),
        "jwk",
        "zero byte",
    );
    assert_rejected(public(&n[1..], &[1, 0, 1]), "jwk", "bits");
    let mut short = n.clone();
    short[0] = 0x7f;
    assert_rejected(public(&short, &[1, 0, 1]), "jwk", "2047 bits");
    assert_rejected(public(&[0xff; 128], &[1, 0, 1]), "jwk", "1024 bits");
    assert!(public(&[0xff; 1024], &[1, 0, 1]).is_ok());
    assert_rejected(public(&[0xff; 1025], &[1, 0, 1]), "jwk", "8200 bits");
    let mut even = n;
    *even.last_mut().unwrap() &= 0xfe;
    assert_rejected(public(&even, &[1, 0, 1]), "jwk", "not a usable one");
}

#[test]
fn the_secret_of_a_jwk_follows_the_same_rules() {
    let k = |bytes: &[u8]| with(Algorithm::Hs256, "k", encoded(bytes));
    assert_rejected(
        k(b"short"),
        "jwk",
        "5 bytes, but HS256 requires at least 32 random bytes",
    );
    assert_rejected(
        k(include_bytes!("../../../tests/keys/rsa2048.spki.pem")),
        "jwk",
        "PEM",
    );
    assert_rejected(
        read(
            Algorithm::Hs512,
            &json!({"kty": "oct", "k": encoded(&[7; 63])}),
        ),
        "jwk",
        "at least 64",
    );
}

#[test]
fn a_jwk_is_one_json_object_of_distinct_names() {
    let good = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
    assert!(Key::from_jwk(good).is_ok());
    let tail = &good[1..];
    for text in [
        String::new(),
        "null".to_owned(),
        format!("[{good}]"),
        r#"["OKP","Ed25519","11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"]"#.to_owned(),
        format!("{good}{good}"),
        format!("{good} x"),
        format!("\u{feff}{good}"),
        format!(r#"{{"kty":"OKP",{tail}"#),
        format!(r#"{{"k\u0074y":"RSA",{tail}"#),
        format!(r#"{{"x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",{tail}"#),
        format!(r#"{{"other":1,"other":2,{tail}"#),
        good.replace("OKP", "OKP\u{1}"),
    ] {
        assert_rejected(
            Key::from_jwk(&text),
            "jwk",
            "not a JSON object of distinct members",
        );
    }
    assert!(Key::from_jwk(&format!(r#"{{"other":{{"a":1,"a":2}},{tail}"#)).is_ok());
}
