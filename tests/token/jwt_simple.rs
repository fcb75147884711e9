//! Keys imported from jwt-simple or exported to it: what one signs, the other verifies.

use jwt_simple::{
    prelude as simple,
    prelude::{
        ECDSAP256KeyPairLike as _, ECDSAP256PublicKeyLike as _, ECDSAP256kKeyPairLike as _,
        ECDSAP256kPublicKeyLike as _, ECDSAP384KeyPairLike as _, ECDSAP384PublicKeyLike as _,
        EdDSAKeyPairLike as _, EdDSAPublicKeyLike as _, MACLike as _, MLDSAKeyPairLike as _,
        MLDSAPublicKeyLike as _, RSAKeyPairLike as _, RSAPublicKeyLike as _,
    },
};
use tower_jam::{Algorithm, Claims, Grant, Jwt, Key, KeyRing};

fn engine(key: &Key) -> Jwt<Claims> {
    let builder = Jwt::builder(KeyRing::new(key.clone()));
    let builder = builder.issuer("https://auth.acme.dev").audience("api");
    builder.types(["at+jwt", "JWT"]).build().unwrap()
}

async fn token(key: &Key) -> String {
    let grant = Grant::new("alice", Claims::new());
    engine(key).issue(grant).await.unwrap().expose().clone()
}

async fn assert_ours_reads(key: &Key, token: &str) {
    let verified = engine(key).verify(token).await.unwrap();
    assert_eq!(verified.identity().unwrap().subject().id(), "alice");
}

fn claims() -> simple::JWTClaims<simple::NoCustomClaims> {
    simple::Claims::create(simple::Duration::from_mins(10))
        .with_issuer("https://auth.acme.dev")
        .with_audience("api")
        .with_subject("alice")
}

type Read = simple::JWTClaims<simple::NoCustomClaims>;

fn assert_is_alice(read: &Read) {
    assert_eq!(read.subject.as_deref(), Some("alice"));
}

fn rsa(algorithm: Algorithm) -> Key {
    Key::from_pem(algorithm, include_str!("../keys/rsa2048.pkcs8.pem")).unwrap()
}

/// Converts a key of ours to theirs and back, then one of theirs to ours and back, with both
/// halves.
macro_rules! both_ways {
    ($ours:expr, $pair:ident, $public:ident) => {{
        let ours: Key = $ours.with_kid("2026-01").unwrap();
        let theirs = simple::$pair::try_from(&ours).unwrap();
        let their_public = simple::$public::try_from(&ours).unwrap();
        let only_public = simple::$public::try_from(&ours.public_only().unwrap()).unwrap();
        let token = token(&ours).await;
        assert_is_alice(&theirs.public_key().verify_token(&token, None).unwrap());
        assert_is_alice(&their_public.verify_token(&token, None).unwrap());
        assert_is_alice(&only_public.verify_token(&token, None).unwrap());
        assert_eq!(theirs.key_id().as_deref(), Some("2026-01"));
        assert_eq!(their_public.key_id().as_deref(), Some("2026-01"));

        let back = Key::try_from(&theirs).unwrap();
        let public = Key::try_from(&their_public).unwrap();
        assert!(back.can_sign() && !public.can_sign());
        for key in [&back, &public] {
            assert_eq!(key.thumbprint(), ours.thumbprint());
            assert_eq!((key.kid(), key.algorithm()), ("2026-01", ours.algorithm()));
            assert_ours_reads(key, &theirs.sign(claims()).unwrap()).await;
        }
        assert_eq!(back.to_pkcs8_pem(), ours.to_pkcs8_pem());
        let error = simple::$pair::try_from(&public).err().unwrap();
        assert_eq!(error.setting(), "private_key");

        for other in [Algorithm::Es512, Algorithm::Hs256] {
            let other = Key::generate(other).unwrap();
            let error = simple::$pair::try_from(&other).err().unwrap();
            assert_eq!(error.setting(), "alg");
            let error = simple::$public::try_from(&other).err().unwrap();
            assert_eq!(error.setting(), "alg");
        }
        ours.algorithm()
    }};
}

macro_rules! secret {
    ($algorithm:ident, $key:ident) => {{
        let ours = Key::generate(Algorithm::$algorithm).unwrap();
        let ours = ours.with_kid("2026-01").unwrap();
        let theirs = simple::$key::try_from(&ours).unwrap();
        assert_is_alice(&theirs.verify_token(&token(&ours).await, None).unwrap());
        let back = Key::try_from(&theirs).unwrap();
        assert_eq!(
            (back.kid(), back.thumbprint()),
            ("2026-01", ours.thumbprint())
        );
        assert_ours_reads(&back, &theirs.authenticate(claims()).unwrap()).await;

        let nameless = Key::try_from(&simple::$key::from_bytes(&theirs.to_bytes())).unwrap();
        assert_eq!(nameless.kid(), ours.thumbprint());
        let error = Key::try_from(&simple::$key::from_bytes(b"short")).unwrap_err();
        assert_eq!(error.setting(), "secret_key");
        let other = Key::generate(Algorithm::EdDsa).unwrap();
        let error = simple::$key::try_from(&other).err().unwrap();
        assert_eq!(error.setting(), "alg");
        ours.algorithm()
    }};
}

#[tokio::test]
async fn an_imported_or_exported_key_signs_and_verifies_as_before() {
    let new = |algorithm| Key::generate(algorithm).unwrap();
    let ran = [
        secret!(Hs256, HS256Key),
        secret!(Hs384, HS384Key),
        secret!(Hs512, HS512Key),
        both_ways!(rsa(Algorithm::Rs256), RS256KeyPair, RS256PublicKey),
        both_ways!(rsa(Algorithm::Rs384), RS384KeyPair, RS384PublicKey),
        both_ways!(rsa(Algorithm::Rs512), RS512KeyPair, RS512PublicKey),
        both_ways!(rsa(Algorithm::Ps256), PS256KeyPair, PS256PublicKey),
        both_ways!(rsa(Algorithm::Ps384), PS384KeyPair, PS384PublicKey),
        both_ways!(rsa(Algorithm::Ps512), PS512KeyPair, PS512PublicKey),
        both_ways!(new(Algorithm::Es256), ES256KeyPair, ES256PublicKey),
        both_ways!(new(Algorithm::Es384), ES384KeyPair, ES384PublicKey),
        both_ways!(new(Algorithm::Es256k), ES256kKeyPair, ES256kPublicKey),
        both_ways!(new(Algorithm::EdDsa), Ed25519KeyPair, Ed25519PublicKey),
        both_ways!(new(Algorithm::MlDsa44), MLDSA44KeyPair, MLDSA44PublicKey),
        both_ways!(new(Algorithm::MlDsa65), MLDSA65KeyPair, MLDSA65PublicKey),
        both_ways!(new(Algorithm::MlDsa87), MLDSA87KeyPair, MLDSA87PublicKey),
    ];
    let all = Algorithm::ALL.iter().copied();
    // It has no ES512.
    let common: Vec<_> = all.filter(|other| *other != Algorithm::Es512).collect();
    assert_eq!(ran, &*common);
}

#[tokio::test]
async fn a_key_made_by_jwt_simple_is_one_of_ours() {
    let theirs = simple::ES256kKeyPair::generate();
    let ours = Key::try_from(&theirs).unwrap();
    assert_eq!(ours.kid(), theirs.jwk_thumbprint());
    assert_ours_reads(&ours, &theirs.sign(claims()).unwrap()).await;
    let theirs = simple::MLDSA65KeyPair::generate();
    let ours = Key::try_from(&theirs.public_key()).unwrap();
    assert_eq!(ours.kid(), theirs.jwk_thumbprint());
    assert_ours_reads(&ours, &theirs.sign(claims()).unwrap()).await;
}

/// In jwt-simple it would verify as well.
#[test]
fn a_secret_that_only_signs_stays_here() {
    let secret = base64_simd::URL_SAFE_NO_PAD.encode_to_string((0..32).collect::<Vec<u8>>());
    for operation in ["sign", "verify"] {
        let jwk = serde_json::json!({ "kty": "oct", "k": secret, "key_ops": [operation] });
        let key = Key::from_jwk_as(Algorithm::Hs256, &jwk.to_string()).unwrap();
        let error = simple::HS256Key::try_from(&key).unwrap_err();
        assert_eq!(error.setting(), "secret_key");
    }
}

#[test]
fn a_key_that_one_side_does_not_accept_is_an_error_that_shows_nothing() {
    // Its id is not one that tokens can name here.
    let theirs = simple::Ed25519KeyPair::generate().with_key_id("two words");
    assert_eq!(Key::try_from(&theirs).unwrap_err().setting(), "kid");
    // An exponent of 65539, which jwt-simple does not take.
    let modulus = rsa(Algorithm::Rs256).public_jwk().unwrap()["n"].take();
    let jwk = serde_json::json!({ "kty": "RSA", "n": modulus, "e": "AQAD" });
    let ours = Key::from_jwk_as(Algorithm::Rs256, &jwk.to_string()).unwrap();
    let error = simple::RS256PublicKey::try_from(&ours).unwrap_err();
    assert_eq!(error.setting(), "jwk");
    let shown = format!("{error:?}");
    assert!(!shown.contains(&modulus.as_str().unwrap()[..16]), "{shown}");
}
