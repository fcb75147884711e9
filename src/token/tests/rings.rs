//! Key rings: rotation, ids, and key sets of other parties.

use std::{sync::Barrier, thread};

use serde_json::{Value, json};

use super::*;

fn key(kid: &str) -> Key {
    Key::generate(Algorithm::EdDsa)
        .unwrap()
        .with_kid(kid)
        .unwrap()
}

fn kids(ring: &KeyRing) -> Vec<String> {
    ring.load().iter().map(|key| key.kid().to_owned()).collect()
}

#[track_caller]
fn assert_duplicate_kid(outcome: Result<(), ConfigError>) {
    assert_eq!(outcome.unwrap_err().setting(), "kid");
}

#[test]
fn rotation_keeps_the_old_key_until_it_is_retired() {
    let ring = KeyRing::new(key("1"));
    let shared = ring.clone();
    let signature = sign(&ring.active());
    ring.rotate(key("2")).unwrap();
    ring.rotate(key("3")).unwrap();
    assert_eq!(kids(&shared), ["3", "2", "1"]);
    assert_eq!(shared.active().kid(), "3");
    assert!(
        shared
            .load()
            .find(Some("1"))
            .unwrap()
            .verify(MESSAGE, &signature)
    );

    assert!(ring.retire("1"));
    assert!(!ring.retire("1") && !ring.retire("unknown"));
    assert!(!ring.retire("3"), "the active key stays");
    assert_eq!(kids(&shared), ["3", "2"]);
    assert!(shared.load().find(Some("1")).is_none());
}

#[test]
fn an_id_is_found_by_exact_match_and_an_absent_one_only_without_a_choice() {
    let ring = KeyRing::new(key("one"));
    let find = |kid| ring.load().find(kid).map(|key| key.kid().to_owned());
    assert_eq!(find(None).unwrap(), "one");
    assert_eq!(find(Some("one")).unwrap(), "one");
    for other in ["", "One", "one ", "on", "one\0"] {
        assert_eq!(find(Some(other)), None);
    }
    ring.accept(key("two")).unwrap();
    assert_eq!(find(None), None);
    assert_eq!(find(Some("two")).unwrap(), "two");
    assert_eq!(ring.load().active().kid(), "one");
}

#[test]
fn two_keys_with_the_same_id_are_rejected_and_change_nothing() {
    let ring = KeyRing::new(key("1"));
    ring.accept(key("2")).unwrap();
    assert_duplicate_kid(ring.accept(key("1")));
    assert_duplicate_kid(ring.accept(key("2")));
    assert_duplicate_kid(ring.rotate(key("1")));
    assert_duplicate_kid(ring.rotate(key("2")));
    assert_duplicate_kid(ring.replace(key("3"), [key("3")]));
    assert_duplicate_kid(ring.replace(key("3"), [key("4"), key("4")]));
    // One RSA key under two algorithms has one thumbprint, so one of the two needs its own id.
    let pem = include_str!("../../../tests/keys/rsa2048.spki.pem");
    let ps256 = Key::from_pem(Algorithm::Ps256, pem).unwrap();
    ring.accept(Key::from_pem(Algorithm::Rs256, pem).unwrap())
        .unwrap();
    assert_duplicate_kid(ring.accept(ps256.clone()));
    assert_duplicate_kid(ring.rotate(ps256.clone()));
    ring.accept(ps256.with_kid("ps").unwrap()).unwrap();
    assert_eq!(ring.load().iter().count(), 4);

    ring.replace(key("5"), [key("6")]).unwrap();
    assert_eq!(kids(&ring), ["5", "6"]);
}

#[test]
fn an_accepted_key_can_become_the_active_one() {
    let (old, new) = (key("old"), key("new"));
    let ring = KeyRing::new(old.clone());
    ring.accept(new.public_only().unwrap()).unwrap();
    ring.rotate(new).unwrap();
    assert_eq!(kids(&ring), ["new", "old"]);
    assert!(ring.active().can_sign());
    ring.rotate(ring.active()).unwrap();
    assert_eq!(kids(&ring), ["new", "old"]);
    ring.rotate(old).unwrap();
    assert_eq!(kids(&ring), ["old", "new"]);
}

#[test]
fn concurrent_rotations_lose_no_key() {
    const THREADS: usize = 8;
    const ROUNDS: usize = 25;
    let ring = KeyRing::new(key("start"));
    let start = Barrier::new(THREADS);
    thread::scope(|scope| {
        for number in 0..THREADS {
            let (ring, start) = (ring.clone(), &start);
            scope.spawn(move || {
                start.wait();
                for round in 0..ROUNDS {
                    ring.rotate(key(&format!("{number}-{round}"))).unwrap();
                    ring.accept(key(&format!("retired-{number}-{round}")))
                        .unwrap();
                    assert!(ring.retire(&format!("retired-{number}-{round}")));
                }
            });
        }
    });
    let mut all = kids(&ring);
    assert_eq!(all.len(), 1 + THREADS * ROUNDS);
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 1 + THREADS * ROUNDS);
    assert!(all.iter().all(|kid| !kid.starts_with("retired")));
}

#[test]
fn a_published_set_is_read_back_for_verifying() {
    let ring = KeyRing::new(key("1"));
    ring.rotate(Key::generate(Algorithm::Es256).unwrap())
        .unwrap();
    ring.accept(Key::hs256(b"a shared secret that is not for others").unwrap())
        .unwrap();
    let set = ring.public_jwks();
    assert_eq!(set["keys"].as_array().unwrap().len(), 2);
    for name in ["d", "k", "p"] {
        assert!(
            set["keys"]
                .as_array()
                .unwrap()
                .iter()
                .all(|key| key.get(name).is_none())
        );
    }
    let read = KeyRing::from_jwks(&set.to_string()).unwrap();
    assert_eq!(kids(&read), [ring.active().kid(), "1"]);
    assert!(read.load().iter().all(|key| !key.can_sign()));
    let signature = sign(&ring.active());
    let kid = ring.active().kid().to_owned();
    assert!(
        read.load()
            .find(Some(&kid))
            .unwrap()
            .verify(MESSAGE, &signature)
    );
}

const SECRET: &str =
    "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";

fn public(kid: &str) -> Value {
    key(kid).public_jwk().unwrap()
}

fn set(keys: &[Value]) -> Result<KeyRing, ConfigError> {
    KeyRing::from_jwks(&json!({ "keys": keys, "more": null }).to_string())
}

#[test]
fn unusable_keys_of_a_set_are_skipped() {
    let with = |name: &str, value: Value| {
        let mut jwk = public("skipped");
        jwk[name] = value;
        jwk
    };
    let unusable = [
        json!({}),
        json!("text"),
        json!({"kty": "AKP", "alg": "ML-DSA-44", "pub": "AA"}),
        json!({"kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA"}),
        json!({"kty": "oct", "k": SECRET}),
        with("use", json!("enc")),
        with("use", json!(null)),
        with("alg", json!("ES256")),
        with("alg", json!("none")),
        with("crv", json!("X25519")),
        with("key_ops", json!(["encrypt"])),
        with("kid", json!(7)),
        with("kid", json!("a b")),
        with("x", json!("AA")),
    ];
    for jwk in &unusable {
        let error = set(std::slice::from_ref(jwk)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "setting `jwks`: it contains no key that can verify"
        );
        assert_eq!(
            kids(&set(&[jwk.clone(), public("good")]).unwrap()),
            ["good"],
            "{jwk}"
        );
    }
    let mut all = unusable.to_vec();
    for (number, jwk) in all.iter_mut().enumerate() {
        if jwk["kid"] == "skipped" {
            jwk["kid"] = number.to_string().into();
        }
    }
    all.splice(3..3, [public("good"), public("better")]);
    assert_eq!(kids(&set(&all).unwrap()), ["good", "better"]);
}

#[test]
fn an_ambiguous_set_is_rejected() {
    let shared = |kid: &str| json!({"kty": "oct", "alg": "HS256", "kid": kid, "k": SECRET});
    assert_eq!(
        set(&[public("1"), public("1")]).unwrap_err().setting(),
        "kid"
    );
    let mixed = set(&[public("1"), shared("2")]).unwrap_err();
    assert!(
        mixed
            .to_string()
            .contains("mixes shared secrets with public keys"),
        "{mixed}"
    );
    let secrets = set(&[shared("1"), shared("2")]).unwrap();
    assert!(
        secrets
            .load()
            .iter()
            .all(|key| !key.can_sign() && key.can_verify())
    );
    let signs_only =
        json!({"kty": "oct", "alg": "HS256", "key_ops": ["sign"], "k": shared("1")["k"]});
    assert!(set(&[signs_only]).is_err());
    for json in [
        "",
        "[]",
        "{}",
        r#"{"keys":{}}"#,
        r#"{"keys":[]}"#,
        r#"{"keys":null}"#,
        "{\"keys\":[]} x",
    ] {
        assert_eq!(
            KeyRing::from_jwks(json).unwrap_err().setting(),
            "jwks",
            "{json}"
        );
    }
    let one = public("1");
    let twice = format!(r#"{{"keys":[{one}],"keys":[{one}]}}"#);
    assert!(KeyRing::from_jwks(&twice).is_err());
}

#[test]
fn an_rsa_key_of_a_set_without_alg_is_for_rs256_alone() {
    let pem = include_str!("../../../tests/keys/rsa2048.pkcs8.pem");
    let rs256 = Key::from_pem(Algorithm::Rs256, pem).unwrap();
    let ps256 = Key::from_pem(Algorithm::Ps256, pem).unwrap();
    let mut jwk = rs256.public_jwk().unwrap();
    jwk.as_object_mut().unwrap().remove("alg");
    let ring = set(&[jwk]).unwrap();
    let read = ring.active();
    assert_eq!(read.algorithm(), Algorithm::Rs256);
    assert!(read.verify(MESSAGE, &sign(&rs256)) && !read.verify(MESSAGE, &sign(&ps256)));
}

#[test]
fn private_members_of_a_set_are_dropped() {
    let jwk = vectors::private_jwks()
        .into_iter()
        .find(|jwk| jwk["alg"] == "EdDSA")
        .unwrap();
    let ring = set(&[jwk["jwk"].clone()]).unwrap();
    assert!(!ring.active().can_sign() && ring.active().to_pkcs8_pem().is_none());
}
