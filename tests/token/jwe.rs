//! Tokens that are signed and then encrypted: round trips, rejections, and interoperability.

use std::convert::Infallible;

use aws_lc_rs::aead;
use base64_simd::URL_SAFE_NO_PAD as BASE64;
use http::{Request, Response};
use jwt_simple::prelude::{
    A256KWKey, Claims as SimpleClaims, Duration, EncryptionOptions, NoCustomClaims,
};
use serde_json::{Value, json};
use tower::{ServiceBuilder, ServiceExt, service_fn};
use tower_jam::{
    Algorithm, Authenticate, Claims, CredentialSource, Grant, IssueError, Jwt, Key, KeyRing,
    layer::AuthLayer,
    testing::{Foreign, TestJam, bearer},
    token::jwe::{Jwe, JweAlgorithm, JweKey},
};

const ALL: [JweAlgorithm; 3] = [
    JweAlgorithm::RsaOaep256,
    JweAlgorithm::EcdhEs,
    JweAlgorithm::A256Kw,
];

fn engine(jam: &TestJam, key: JweKey) -> Jwe<Claims> {
    Jwe::new(jam.jwt().clone(), KeyRing::new(key))
}

fn alice() -> Grant<Claims> {
    Grant::new("alice", Claims::new())
}

fn header(token: &str) -> Value {
    let part = token.split('.').next().unwrap();
    serde_json::from_slice(&BASE64.decode_to_vec(part).unwrap()).unwrap()
}

#[tokio::test]
async fn a_sealed_token_opens_to_the_same_token() {
    let jam = TestJam::<Claims>::new();
    for algorithm in ALL {
        let jwe = engine(&jam, JweKey::generate(algorithm).unwrap());
        let signed = jam.token(alice()).await;
        let (one, two) = (jwe.seal(signed.expose()), jwe.seal(signed.expose()));
        let (one, two) = (one.unwrap(), two.unwrap());
        assert_ne!(one, two, "each has a key of its own");
        assert_eq!(jwe.open(one.expose()).unwrap(), signed);
        let verified = jwe.verify(two.expose()).await.unwrap();
        assert_eq!(verified.identity().unwrap().subject().id(), "alice");
        let header = header(one.expose());
        assert_eq!(header["alg"], algorithm.name());
        assert_eq!(
            (&header["enc"], &header["cty"]),
            (&"A256GCM".into(), &"JWT".into())
        );
    }
}

#[tokio::test]
async fn the_inner_token_is_verified_like_any_other() {
    let jam = TestJam::<Claims>::new();
    let jwe = engine(&jam, JweKey::generate(JweAlgorithm::A256Kw).unwrap());
    let mut bad = vec![jam.expired_token(alice()).await];
    for foreign in [Foreign::Key, Foreign::Audience, Foreign::Issuer] {
        bad.push(jam.foreign_token(alice(), foreign).await);
    }
    for token in bad {
        let sealed = jwe.seal(token.expose()).unwrap();
        assert_eq!(jwe.verify(sealed.expose()).await.unwrap_err().status(), 401);
    }
    // Anyone can encrypt to a public key, so claims alone prove nothing, and neither does a second
    // envelope.
    let claims = jwe.seal(r#"{"sub":"alice","exp":99999999999}"#).unwrap();
    assert!(jwe.verify(claims.expose()).await.is_err());
    let signed = jam.token(alice()).await;
    let twice = jwe
        .seal(jwe.seal(signed.expose()).unwrap().expose())
        .unwrap();
    assert!(jwe.verify(twice.expose()).await.is_err());
}

#[tokio::test]
async fn a_change_of_any_part_is_refused() {
    let jam = TestJam::<Claims>::new();
    for algorithm in ALL {
        let jwe = engine(&jam, JweKey::generate(algorithm).unwrap());
        let sealed = jwe.seal(jam.token(alice()).await.expose()).unwrap();
        let parts: Vec<_> = sealed.expose().split('.').map(str::to_owned).collect();
        for at in 0..5 {
            let mut bytes = BASE64.decode_to_vec(&parts[at]).unwrap();
            match bytes.last_mut() {
                Some(last) => *last ^= 1,
                None => bytes.push(7),
            }
            for with in [
                BASE64.encode_to_string(&bytes),
                String::new(),
                "A".to_owned(),
                format!("{}=", parts[at]),
            ] {
                let mut changed = parts.clone();
                changed[at].clone_from(&with);
                if changed != parts {
                    let refused = jwe.open(&changed.join(".")).unwrap_err();
                    assert_eq!(refused.status(), 401, "{algorithm} part {at}");
                }
            }
        }
        for count in [1, 3, 4] {
            assert!(jwe.open(&parts[..count].join(".")).is_err());
        }
        assert!(
            jwe.open(&format!("{}.", sealed.expose())).is_err(),
            "six parts"
        );
        // A truncated tag is not compared in part.
        let mut cut = parts.clone();
        cut[4].truncate(16);
        assert!(jwe.open(&cut.join(".")).is_err());
    }
}

#[tokio::test]
async fn a_token_for_another_key_or_another_algorithm_is_refused() {
    let jam = TestJam::<Claims>::new();
    let signed = jam.token(alice()).await;
    for own in ALL {
        for other in ALL {
            let key = JweKey::generate(own).unwrap().with_kid("same").unwrap();
            let foreign = JweKey::generate(other).unwrap().with_kid("same").unwrap();
            let sealed = engine(&jam, foreign).seal(signed.expose()).unwrap();
            let refused = engine(&jam, key).open(sealed.expose()).unwrap_err();
            let expected = if own == other {
                "the token does not decrypt"
            } else {
                "the token names another algorithm than its key"
            };
            assert_eq!(refused.reason(), expected, "{own} {other}");
        }
    }
}

/// Seals `plain` with a header of the test's own, directly under the public half of the engine's
/// key.
fn forged(header: &str, key: &[u8; 32], plain: &[u8]) -> String {
    let header = BASE64.encode_to_string(header);
    let cipher = aead::LessSafeKey::new(aead::UnboundKey::new(&aead::AES_256_GCM, key).unwrap());
    let mut content = plain.to_vec();
    let nonce = aead::Nonce::assume_unique_for_key([7; 12]);
    let aad = aead::Aad::from(header.as_bytes());
    let tag = cipher
        .seal_in_place_separate_tag(nonce, aad, &mut content)
        .unwrap();
    let parts: [&[u8]; 4] = [&[], &[7; 12], &content, tag.as_ref()];
    let rest = parts.map(|part| BASE64.encode_to_string(part));
    format!("{header}.{}", rest.join("."))
}

#[tokio::test]
async fn ambiguous_headers_are_rejected_unread() {
    let jam = TestJam::<Claims>::new();
    let key = JweKey::generate(JweAlgorithm::EcdhEs)
        .unwrap()
        .with_kid("k")
        .unwrap();
    let jwe = engine(&jam, key);
    let unacceptable = "the token's header is not an acceptable JSON object";
    for (header, reason) in [
        (
            r#"{"alg":"ECDH-ES","enc":"A256GCM","cty":"JWT","kid":"k","crit":[]}"#,
            unacceptable,
        ),
        (
            r#"{"alg":"ECDH-ES","enc":"A256GCM","cty":"JWT","kid":"k","zip":"DEF"}"#,
            unacceptable,
        ),
        (
            r#"{"alg":"ECDH-ES","alg":"dir","enc":"A256GCM","cty":"JWT","kid":"k"}"#,
            unacceptable,
        ),
        (
            r#"{"alg":"ECDH-ES","enc":"A256GCM","cty":"JWT","kid":"k","x":1,"x":2}"#,
            unacceptable,
        ),
        (
            r#"{"alg":"ECDH-ES","enc":"A256GCM","cty":"JWT","kid":"k","epk":[]}"#,
            unacceptable,
        ),
        (r#"{"enc":"A256GCM","cty":"JWT","kid":"k"}"#, unacceptable),
        (
            r#"{"alg":"dir","enc":"A256GCM","cty":"JWT","kid":"k"}"#,
            "the token names another algorithm than its key",
        ),
        (
            r#"{"alg":"ECDH-ES","enc":"A128GCM","cty":"JWT","kid":"k"}"#,
            "the token names another algorithm than its key",
        ),
        (
            r#"{"alg":"ECDH-ES","enc":"A256GCM","cty":"JWT","kid":"K"}"#,
            "no key of the ring has this kid",
        ),
        (
            r#"{"alg":"ECDH-ES","enc":"A256GCM","cty":"JWT","kid":"k"}"#,
            "the token does not decrypt",
        ),
    ] {
        let refused = jwe.open(&forged(header, &[0; 32], b"x")).unwrap_err();
        assert_eq!(refused.reason(), reason, "{header}");
    }
}

#[tokio::test]
async fn a_public_key_encrypts_and_does_not_decrypt() {
    let jam = TestJam::<Claims>::new();
    let signed = jam.token(alice()).await;
    for (algorithm, twin) in [
        (JweAlgorithm::RsaOaep256, Algorithm::Rs256),
        (JweAlgorithm::EcdhEs, Algorithm::Es256),
    ] {
        let pair = Key::generate(twin).unwrap().to_pkcs8_pem().unwrap();
        let whole = JweKey::from_pem(algorithm, pair.expose()).unwrap();
        assert!(whole.can_decrypt());
        let again = JweKey::from_pem(algorithm, whole.to_pkcs8_pem().unwrap().expose()).unwrap();
        assert_eq!(again.kid(), whole.kid());
        let jwk = whole.public_jwk().unwrap();
        assert_eq!(
            (&jwk["use"], &jwk["alg"]),
            (&"enc".into(), &algorithm.name().into())
        );
        assert!(jwk.get("d").is_none());
        assert!(
            Key::from_jwk(&jwk.to_string()).is_err(),
            "it is not for signatures"
        );
        let sealed = engine(&jam, whole.clone()).seal(signed.expose()).unwrap();
        assert_eq!(engine(&jam, again).open(sealed.expose()).unwrap(), signed);
        for other in ALL.into_iter().filter(|other| *other != algorithm) {
            assert!(JweKey::from_pem(other, pair.expose()).is_err(), "{other}");
        }
    }
}

fn members(key: &JweKey) -> Value {
    serde_json::from_str(key.to_private_jwk().unwrap().expose()).unwrap()
}

fn with(jwk: &Value, changes: &Value) -> Result<JweKey, tower_jam::ConfigError> {
    let mut jwk = jwk.clone();
    for (name, value) in changes.as_object().unwrap() {
        jwk[name] = value.clone();
    }
    jwk.as_object_mut().unwrap().retain(|_, it| !it.is_null());
    JweKey::from_jwk(&jwk.to_string())
}

#[tokio::test]
async fn a_jwk_is_read_as_the_key_that_it_was_written_from() {
    let jam = TestJam::<Claims>::new();
    let signed = jam.token(alice()).await;
    for algorithm in ALL {
        let key = JweKey::generate(algorithm).unwrap().with_kid("k").unwrap();
        let read = JweKey::from_jwk(key.to_private_jwk().unwrap().expose()).unwrap();
        assert_eq!((read.kid(), read.algorithm()), ("k", algorithm));
        assert_eq!(read.to_private_jwk(), key.to_private_jwk());
        assert!(read.can_decrypt());
        let jwk = members(&key);
        assert_eq!(
            (&jwk["use"], &jwk["alg"]),
            (&"enc".into(), &algorithm.name().into())
        );
        assert!(
            Key::from_jwk(&jwk.to_string()).is_err(),
            "it is not for signatures"
        );
        let sealed = engine(&jam, key.clone()).seal(signed.expose()).unwrap();
        assert_eq!(engine(&jam, read).open(sealed.expose()).unwrap(), signed);
        let nameless = with(&jwk, &json!({ "kid": null })).unwrap();
        assert_eq!(nameless.kid().len(), 43, "it is the thumbprint");

        let Some(public) = key.public_jwk() else {
            continue;
        };
        let public = JweKey::from_jwk(&public.to_string()).unwrap();
        assert!(!public.can_decrypt() && public.to_private_jwk().is_none());
        assert_eq!(public.public_jwk(), key.public_jwk());
        let sealed = engine(&jam, public.clone()).seal(signed.expose()).unwrap();
        assert!(engine(&jam, public).open(sealed.expose()).is_err());
        assert_eq!(engine(&jam, key).open(sealed.expose()).unwrap(), signed);
    }
}

/// Keys of RFC 8037 appendix A.6, the private half of which is in RFC 7748 section 6.1.
fn x25519() -> Value {
    json!({
        "kty": "OKP", "crv": "X25519", "x": "3p7bfXt9wbTTW2HC7OQ1Nz-DQ8hbeGdNrfx-FG-IK08",
        "d": "XasIfmJKikt54X-Lg4AO5m87sSkmGLb9HC-LJ_-I4Os",
    })
}

#[tokio::test]
async fn a_key_on_x25519_comes_from_a_jwk() {
    let jam = TestJam::<Claims>::new();
    let signed = jam.token(alice()).await;
    let key = JweKey::from_jwk(&x25519().to_string()).unwrap();
    assert_eq!(key.algorithm(), JweAlgorithm::EcdhEs);
    assert!(key.can_decrypt() && key.to_pkcs8_pem().is_none());
    let again = JweKey::from_jwk(key.to_private_jwk().unwrap().expose()).unwrap();
    assert_eq!(again.to_private_jwk(), key.to_private_jwk());
    let public = JweKey::from_jwk(&key.public_jwk().unwrap().to_string()).unwrap();
    assert!(!public.can_decrypt() && public.to_private_jwk().is_none());
    assert_eq!(public.kid(), key.kid());
    assert!(Key::from_jwk(&key.public_jwk().unwrap().to_string()).is_err());

    let sealed = engine(&jam, public.clone()).seal(signed.expose()).unwrap();
    let written = header(sealed.expose());
    assert_eq!(written["epk"]["crv"], "X25519");
    assert_eq!(
        engine(&jam, key.clone()).open(sealed.expose()).unwrap(),
        signed
    );
    assert!(engine(&jam, public).open(sealed.expose()).is_err());
    // A key on the other curve under the same id.
    let other = JweKey::generate(JweAlgorithm::EcdhEs).unwrap();
    let other = other.with_kid(key.kid()).unwrap();
    assert!(engine(&jam, other.clone()).open(sealed.expose()).is_err());
    let sealed = engine(&jam, other).seal(signed.expose()).unwrap();
    assert!(engine(&jam, key).open(sealed.expose()).is_err());

    for (changes, reason) in [
        (json!({ "crv": "Ed25519" }), "`crv`"),
        (json!({ "crv": "X448" }), "`crv`"),
        (json!({ "crv": null }), "`crv` is missing"),
        (json!({ "x": "AAAA" }), "`x` does not have 32 bytes"),
        (json!({ "d": "AAAA" }), "`d` does not have 32 bytes"),
        (
            json!({ "d": BASE64.encode_to_string([1; 32]) }),
            "do not match",
        ),
        // Points of low order, for which the shared secret does not depend on the private key.
        (
            json!({ "x": BASE64.encode_to_string([0; 32]), "d": null }),
            "low order",
        ),
        (json!({ "use": "sig" }), "`use` is not `enc`"),
        (json!({ "alg": "EdDSA" }), "`alg`"),
        (json!({ "key_ops": [] }), "`key_ops`"),
        (json!({ "key_ops": ["sign"] }), "`key_ops`"),
    ] {
        let error = with(&x25519(), &changes).unwrap_err();
        assert!(error.to_string().contains(reason), "{changes}: {error}");
    }
    let ops = json!({ "key_ops": ["deriveBits"] });
    assert!(with(&x25519(), &ops).unwrap().can_decrypt());
    let public = with(&x25519(), &json!({ "key_ops": [], "d": null })).unwrap();
    assert!(!public.can_decrypt());
}

#[test]
fn a_public_key_of_any_form_is_accepted() {
    let spki = include_str!("../keys/rsa2048.spki.pem");
    let pkcs1 = include_str!("../keys/rsa2048.pkcs1-public.pem");
    let [spki, pkcs1] = [spki, pkcs1].map(|pem| {
        let key = JweKey::from_pem(JweAlgorithm::RsaOaep256, pem).unwrap();
        assert!(!key.can_decrypt());
        key.public_jwk()
    });
    assert_eq!(spki, pkcs1);
}

#[test]
fn a_jwk_for_something_else_is_refused() {
    let refused = |jwk: &Value, changes: Value, reason: &str| {
        let error = with(jwk, &changes).unwrap_err();
        assert_eq!(error.setting(), "jwk");
        assert!(error.to_string().contains(reason), "{error}");
    };
    for algorithm in ALL {
        let jwk = members(&JweKey::generate(algorithm).unwrap());
        for usage in ["sig", "ENC", ""] {
            refused(&jwk, json!({ "use": usage }), "`use` is not `enc`");
        }
        for alg in [
            "RS256",
            "ES256",
            "HS256",
            "RSA-OAEP",
            "ECDH-ES+A256KW",
            "A128KW",
            "dir",
            "",
        ] {
            refused(
                &jwk,
                json!({ "alg": alg }),
                "its `alg` is not a supported encryption",
            );
        }
        for other in ALL.into_iter().filter(|other| *other != algorithm) {
            assert!(with(&jwk, &json!({ "alg": other.name() })).is_err());
        }
        let unsaid = with(&jwk, &json!({ "alg": null, "use": null }));
        assert_eq!(unsaid.is_ok(), algorithm == JweAlgorithm::EcdhEs);
        for wrong in [
            json!(["sign", "verify"]),
            json!(["encrypt", "encrypt"]),
            json!("encrypt"),
        ] {
            refused(&jwk, json!({ "key_ops": wrong }), "`key_ops`");
        }
    }
    let secret = members(&JweKey::generate(JweAlgorithm::A256Kw).unwrap());
    for k in [vec![], vec![7_u8; 16], (0..33).collect(), (0..64).collect()] {
        let k = BASE64.encode_to_string(k);
        refused(&secret, json!({ "k": k }), "`k` does not have 32 bytes");
    }
    refused(
        &secret,
        json!({ "k": BASE64.encode_to_string([7; 32]) }),
        "one repeated byte",
    );
    let ec = members(&JweKey::generate(JweAlgorithm::EcdhEs).unwrap());
    let other = members(&JweKey::generate(JweAlgorithm::EcdhEs).unwrap());
    refused(&ec, json!({ "d": other["d"] }), "do not match");
    refused(&ec, json!({ "y": other["y"] }), "do not match");
    refused(&ec, json!({ "crv": "P-384" }), "`crv`");
}

#[test]
fn the_operations_of_a_jwk_are_enforced() {
    let decrypts = |jwk: &Value, operations: Value| {
        with(jwk, &json!({ "key_ops": operations }))
            .ok()
            .map(|key| key.can_decrypt())
    };
    let rsa = JweKey::generate(JweAlgorithm::RsaOaep256).unwrap();
    let (private, public) = (members(&rsa), rsa.public_jwk().unwrap());
    for (operations, of_private, of_public) in [
        (json!(["decrypt", "unwrapKey"]), Some(true), None),
        (json!(["decrypt"]), Some(true), None),
        (json!(["unwrapKey", "encrypt"]), Some(true), Some(false)),
        (json!(["encrypt", "wrapKey"]), Some(false), Some(false)),
        (json!(["wrapKey"]), Some(false), Some(false)),
        (json!(["deriveKey"]), None, None),
        (json!([]), None, None),
    ] {
        assert_eq!(
            decrypts(&private, operations.clone()),
            of_private,
            "{operations}"
        );
        assert_eq!(
            decrypts(&public, operations.clone()),
            of_public,
            "{operations}"
        );
    }
    let ec = JweKey::generate(JweAlgorithm::EcdhEs).unwrap();
    let (private, public) = (members(&ec), ec.public_jwk().unwrap());
    for (operations, of_private, of_public) in [
        (json!(["deriveKey", "deriveBits"]), Some(true), Some(false)),
        (json!(["deriveBits"]), Some(true), Some(false)),
        (json!([]), None, Some(false)),
        (json!(["encrypt", "decrypt"]), None, None),
    ] {
        assert_eq!(
            decrypts(&private, operations.clone()),
            of_private,
            "{operations}"
        );
        assert_eq!(
            decrypts(&public, operations.clone()),
            of_public,
            "{operations}"
        );
    }
    let secret = members(&JweKey::generate(JweAlgorithm::A256Kw).unwrap());
    assert_eq!(
        decrypts(&secret, json!(["wrapKey", "unwrapKey"])),
        Some(true)
    );
    for one_way in [
        json!(["wrapKey"]),
        json!(["unwrapKey"]),
        json!(["encrypt", "decrypt"]),
    ] {
        assert_eq!(decrypts(&secret, one_way), None);
    }
}

#[test]
fn weak_secrets_are_refused_and_none_is_shown() {
    for bad in [
        &[7_u8; 32][..],
        &[1, 2, 3],
        b"0123456789abcdef0123456789abcdef0",
    ] {
        let error = JweKey::a256kw(bad).unwrap_err().to_string();
        assert!(error.starts_with("setting `secret_key`"), "{error}");
    }
    let secret = b"swordfish swordfish swordfish 32";
    let key = JweKey::a256kw(secret).unwrap();
    assert!(!format!("{key:?}").contains("swordfish"));
    assert!(key.public_jwk().is_none() && key.to_pkcs8_pem().is_none());
}

#[tokio::test]
async fn keys_rotate_while_serving() {
    let jam = TestJam::<Claims>::new();
    let old = JweKey::generate(JweAlgorithm::A256Kw).unwrap();
    let jwe = engine(&jam, old.clone());
    let sealed = jwe.seal(jam.token(alice()).await.expose()).unwrap();
    jwe.keys()
        .rotate(JweKey::generate(JweAlgorithm::EcdhEs).unwrap())
        .unwrap();
    assert!(jwe.open(sealed.expose()).is_ok());
    assert!(jwe.keys().retire(old.kid()));
    assert!(jwe.open(sealed.expose()).is_err());
}

#[tokio::test]
async fn the_layer_accepts_encrypted_tokens_and_no_others() {
    let jam = TestJam::<Claims>::new();
    let jwe = engine(&jam, JweKey::generate(JweAlgorithm::EcdhEs).unwrap());
    let ok =
        service_fn(async |_: Request<()>| Ok::<_, Infallible>(Response::new(Vec::<u8>::new())));
    let service = ServiceBuilder::new()
        .layer(AuthLayer::new(jwe.clone()))
        .service(ok);
    let signed = jam.token(alice()).await;
    let sealed = jwe.seal(signed.expose()).unwrap();
    let status = async |token: &str| {
        let request = bearer(token).body(()).unwrap();
        service
            .clone()
            .oneshot(request)
            .await
            .unwrap()
            .status()
            .as_u16()
    };
    assert_eq!(status(sealed.expose()).await, 200);
    assert_eq!(status(signed.expose()).await, 401);
    assert!(
        jam.jwt().verify(sealed.expose()).await.is_err(),
        "the reverse is rejected too"
    );
    assert_eq!(jwe.source(), CredentialSource::bearer());
}

#[tokio::test]
async fn a_token_that_is_too_long_is_not_issued() {
    let jam = TestJam::<Claims>::new();
    let jwe = engine(&jam, JweKey::generate(JweAlgorithm::A256Kw).unwrap());
    let error = jwe.seal(&"a".repeat(8_000)).unwrap_err();
    assert!(
        matches!(error, IssueError::TooLarge { limit: 8192, .. }),
        "{error}"
    );
    assert!(jwe.open(&"a".repeat(9_000)).is_err());
}

/// Encryption adds a third to a signature of 4627 bytes, which is too long; tokens with shorter
/// ones fit.
#[tokio::test]
async fn tokens_of_ml_dsa_are_sealed_as_far_as_they_fit() {
    for (algorithm, fits) in [
        (Algorithm::MlDsa44, true),
        (Algorithm::MlDsa65, true),
        (Algorithm::MlDsa87, false),
    ] {
        let jwt = Jwt::<Claims>::builder(KeyRing::new(Key::generate(algorithm).unwrap()))
            .issuer("https://auth.acme.dev")
            .audience("api")
            .build()
            .unwrap();
        let signed = jwt.issue(alice()).await.unwrap();
        assert!(jwt.verify(signed.expose()).await.is_ok());
        let key = JweKey::generate(JweAlgorithm::A256Kw).unwrap();
        let jwe = Jwe::new(jwt, KeyRing::new(key));
        match jwe.seal(signed.expose()) {
            Ok(sealed) => assert!(fits && jwe.verify(sealed.expose()).await.is_ok()),
            Err(error) => {
                assert!(
                    !fits && matches!(error, IssueError::TooLarge { .. }),
                    "{error}"
                );
            }
        }
    }
}

/// jwt-simple has one algorithm in common with this crate, and encrypts claims, not tokens.
#[tokio::test]
async fn jwt_simple_reads_our_sealed_tokens_and_the_reverse() {
    let jam = TestJam::<Claims>::new();
    let bytes: Vec<u8> = (0..32).collect();
    let jwe = engine(&jam, JweKey::a256kw(&bytes).unwrap().with_kid("k").unwrap());
    let simple = A256KWKey::from_bytes(&bytes).unwrap().with_key_id("k");

    let claims = SimpleClaims::create(Duration::from_secs(60)).with_subject("alice");
    let options = EncryptionOptions {
        content_type: Some("JWT".to_owned()),
        ..EncryptionOptions::default()
    };
    let theirs = simple.encrypt_with_options(claims, &options).unwrap();
    let opened = jwe.open(&theirs).unwrap();
    let claims: Value = serde_json::from_str(opened.expose()).unwrap();
    assert_eq!(claims["sub"], "alice");

    let ours = jwe.seal(opened.expose()).unwrap();
    let read = simple
        .decrypt_token::<NoCustomClaims>(ours.expose(), None)
        .unwrap();
    assert_eq!(read.subject.as_deref(), Some("alice"));
}
