//! Checks that two independent implementations read the tokens issued here and the reverse, with
//! the same keys, and that a valid token has no second spelling.

use std::time::Duration;

use jsonwebtoken as peer;
use jwt_simple::{
    prelude as simple,
    prelude::{
        ECDSAP256KeyPairLike as _, ECDSAP256PublicKeyLike as _, ECDSAP256kKeyPairLike as _,
        ECDSAP256kPublicKeyLike as _, ECDSAP384KeyPairLike as _, ECDSAP384PublicKeyLike as _,
        EdDSAKeyPairLike as _, EdDSAPublicKeyLike as _, MACLike as _, MLDSAKeyPairLike as _,
        MLDSAPublicKeyLike as _, RSAKeyPairLike as _, RSAPublicKeyLike as _,
    },
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use tower_jam::{Algorithm, Claims, Grant, Jwt, Key, KeyRing};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct User {
    name: String,
    age: u64,
    teams: Vec<String>,
    #[serde(rename = "https://acme.dev/nick")]
    nick: Option<String>,
}

fn user() -> User {
    User {
        name: "Алиса \"\\ \u{1f600}".to_owned(),
        age: u64::MAX,
        teams: vec!["a".to_owned(), String::new()],
        nick: None,
    }
}

fn engine(key: Key) -> Jwt<User> {
    engine_of(KeyRing::new(key))
}

fn engine_of<U>(ring: KeyRing) -> Jwt<U> {
    let builder = Jwt::builder(ring).issuer(ISSUER).audience(AUDIENCE);
    builder.types(["at+jwt", "JWT"]).build().unwrap()
}

async fn issue(jwt: &Jwt<User>) -> String {
    let grant = Grant::new("алиса", user())
        .roles(["admin"])
        .scopes(["read", "write"]);
    jwt.issue(grant).await.unwrap().expose().clone()
}

/// The claims of our token, read without the crate.
fn payload(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    let payload = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(payload).unwrap();
    serde_json::from_slice(&payload).unwrap()
}

/// One key in the forms that this crate and the other two accept.
struct KeyForms {
    ours: Key,
    /// A secret, or a private key in PKCS#8 as this crate exports it.
    private: Vec<u8>,
}

impl KeyForms {
    fn new(algorithm: Algorithm) -> Self {
        let secret: Vec<u8> = (1..=64).map(|byte: u8| byte.wrapping_mul(37)).collect();
        let ours = match algorithm {
            Algorithm::Hs256 => Key::hs256(&secret).unwrap(),
            Algorithm::Hs384 => Key::hs384(&secret).unwrap(),
            Algorithm::Hs512 => Key::hs512(&secret).unwrap(),
            Algorithm::Rs256 | Algorithm::Rs384 | Algorithm::Rs512 => pem_key(algorithm),
            Algorithm::Ps256 | Algorithm::Ps384 | Algorithm::Ps512 => pem_key(algorithm),
            _ => Key::generate(algorithm).unwrap(),
        };
        let private = match ours.to_pkcs8_pem() {
            Some(pem) => pem.expose().clone().into_bytes(),
            None => secret,
        };
        Self { ours, private }
    }

    fn pem(&self) -> &str {
        std::str::from_utf8(&self.private).unwrap()
    }
}

fn pem_key(algorithm: Algorithm) -> Key {
    Key::from_pem(algorithm, include_str!("../keys/rsa2048.pkcs8.pem")).unwrap()
}

/// Checks the registered claims of a token by another implementation.
fn assert_ours(verified: &tower_jam::Verified<User>) {
    let identity = verified.identity().unwrap();
    assert_eq!(identity.subject().id(), "алиса");
    assert_eq!(identity.subject().issuer(), ISSUER);
    assert_eq!(**verified.user().unwrap(), user());
}

fn peer_algorithm(algorithm: Algorithm) -> Option<peer::Algorithm> {
    algorithm.name().parse().ok()
}

fn peer_keys(algorithm: Algorithm, shared: &KeyForms) -> (peer::EncodingKey, peer::DecodingKey) {
    let private = &shared.private;
    let sign = match algorithm.name().as_bytes() {
        [b'H', ..] => peer::EncodingKey::from_secret(private),
        [b'R' | b'P', ..] => peer::EncodingKey::from_rsa_pem(private).unwrap(),
        [b'E', b'S', ..] => peer::EncodingKey::from_ec_pem(private).unwrap(),
        _ => peer::EncodingKey::from_ed_pem(private).unwrap(),
    };
    let verify = match shared.ours.public_jwk() {
        None => peer::DecodingKey::from_secret(private),
        Some(jwk) => peer::DecodingKey::from_jwk(&serde_json::from_value(jwk).unwrap()).unwrap(),
    };
    (sign, verify)
}

fn peer_validation(algorithm: peer::Algorithm) -> peer::Validation {
    let mut validation = peer::Validation::new(algorithm);
    validation.set_issuer(&[ISSUER]);
    validation.set_audience(&[AUDIENCE]);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    validation.leeway = 0;
    validation
}

#[tokio::test]
async fn jsonwebtoken_reads_our_tokens_and_we_read_its() {
    let mut ran = Vec::new();
    for algorithm in Algorithm::ALL {
        let Some(theirs) = peer_algorithm(*algorithm) else {
            continue;
        };
        let shared = KeyForms::new(*algorithm);
        let jwt = engine(shared.ours.clone());
        let (sign, verify) = peer_keys(*algorithm, &shared);

        let token = issue(&jwt).await;
        let read = peer::decode::<Value>(&token, &verify, &peer_validation(theirs)).unwrap();
        assert_eq!(read.claims, payload(&token), "{algorithm}");
        assert_eq!(read.header.kid.as_deref(), Some(shared.ours.kid()));
        assert_eq!(read.header.typ.as_deref(), Some("at+jwt"));
        assert_eq!(serde_json::from_value::<User>(read.claims).unwrap(), user());

        let mut header = peer::Header::new(theirs);
        let now = peer::get_current_timestamp();
        let mut claims = serde_json::to_value(user()).unwrap();
        let registered = json!({"iss": ISSUER, "sub": "алиса", "aud": [AUDIENCE], "exp": now + 60, "nbf": now, "iat": now});
        claims
            .as_object_mut()
            .unwrap()
            .extend(registered.as_object().unwrap().clone());
        for kid in [None, Some(shared.ours.kid().to_owned())] {
            header.kid = kid;
            let token = peer::encode(&header, &claims, &sign).unwrap();
            assert_ours(&jwt.verify(&token).await.unwrap());
            let everything: Jwt<Claims> = engine_of(KeyRing::new(shared.ours.clone()));
            let verified = everything.verify(&token).await.unwrap();
            let read = serde_json::to_value(&**verified.user().unwrap()).unwrap();
            assert_eq!(read, claims, "{algorithm}");
        }
        ran.push(algorithm.name());
    }
    // It has no ES512, ES256K or ML-DSA.
    assert_eq!(ran.len(), 12, "{ran:?}");
}

type Theirs = simple::JWTClaims<User>;

fn simple_claims() -> Theirs {
    simple::Claims::with_custom_claims(user(), simple::Duration::from_mins(10))
        .with_issuer(ISSUER)
        .with_audience(AUDIENCE)
        .with_subject("алиса")
        .with_jwt_id("id")
}

fn simple_options(kid: &str) -> Option<simple::VerificationOptions> {
    Some(simple::VerificationOptions {
        allowed_issuers: Some([ISSUER.to_owned()].into()),
        allowed_audiences: Some([AUDIENCE.to_owned()].into()),
        required_subject: Some("алиса".to_owned()),
        required_key_id: Some(kid.to_owned()),
        required_signature_type: Some("at+jwt".to_owned()),
        ..simple::VerificationOptions::default()
    })
}

/// Signs with their key pair, verifies with the public half that they computed.
macro_rules! simple_pair {
    ($pair:ty, $shared:expr) => {{
        let pair = <$pair>::from_pem($shared.pem())
            .unwrap()
            .with_key_id($shared.ours.kid());
        let public = pair.public_key();
        let verify: Verify =
            Box::new(move |token, options| public.verify_token(token, options).unwrap());
        (pair.sign(simple_claims()).unwrap(), verify)
    }};
}

/// As `simple_pair`, for keys that it cannot read from PEM: the seed is the end of the document
/// (RFC 9881 section 6).
macro_rules! simple_seed {
    ($pair:ty, $shared:expr) => {{
        let body: String = $shared
            .pem()
            .lines()
            .filter(|line| !line.starts_with('-'))
            .collect();
        let der = base64_simd::STANDARD.decode_to_vec(body).unwrap();
        let pair = <$pair>::from_bytes(&der[der.len() - 32..])
            .unwrap()
            .with_key_id($shared.ours.kid());
        assert_eq!(pair.jwk_thumbprint(), $shared.ours.thumbprint());
        let public = pair.public_key();
        let verify: Verify =
            Box::new(move |token, options| public.verify_token(token, options).unwrap());
        (pair.sign(simple_claims()).unwrap(), verify)
    }};
}

macro_rules! simple_secret {
    ($key:ty, $shared:expr) => {{
        let key = <$key>::from_bytes(&$shared.private).with_key_id($shared.ours.kid());
        let token = key.authenticate(simple_claims()).unwrap();
        let verify: Verify =
            Box::new(move |token, options| key.verify_token(token, options).unwrap());
        (token, verify)
    }};
}

type Verify = Box<dyn Fn(&str, Option<simple::VerificationOptions>) -> Theirs>;

#[tokio::test]
async fn jwt_simple_reads_our_tokens_and_we_read_its() {
    let mut ran = Vec::new();
    for algorithm in Algorithm::ALL {
        let shared = KeyForms::new(*algorithm);
        let (token, verify) = match algorithm {
            Algorithm::Hs256 => simple_secret!(simple::HS256Key, shared),
            Algorithm::Hs384 => simple_secret!(simple::HS384Key, shared),
            Algorithm::Hs512 => simple_secret!(simple::HS512Key, shared),
            Algorithm::Rs256 => simple_pair!(simple::RS256KeyPair, shared),
            Algorithm::Rs384 => simple_pair!(simple::RS384KeyPair, shared),
            Algorithm::Rs512 => simple_pair!(simple::RS512KeyPair, shared),
            Algorithm::Ps256 => simple_pair!(simple::PS256KeyPair, shared),
            Algorithm::Ps384 => simple_pair!(simple::PS384KeyPair, shared),
            Algorithm::Ps512 => simple_pair!(simple::PS512KeyPair, shared),
            Algorithm::Es256 => simple_pair!(simple::ES256KeyPair, shared),
            Algorithm::Es384 => simple_pair!(simple::ES384KeyPair, shared),
            Algorithm::Es256k => simple_pair!(simple::ES256kKeyPair, shared),
            Algorithm::EdDsa => simple_pair!(simple::Ed25519KeyPair, shared),
            Algorithm::MlDsa44 => simple_seed!(simple::MLDSA44KeyPair, shared),
            Algorithm::MlDsa65 => simple_seed!(simple::MLDSA65KeyPair, shared),
            Algorithm::MlDsa87 => simple_seed!(simple::MLDSA87KeyPair, shared),
            _ => continue,
        };
        let jwt = engine(shared.ours.clone());
        let verified = jwt.verify(&token).await.unwrap();
        assert_ours(&verified);
        assert_eq!(verified.identity().unwrap().token_id(), Some("id"));

        let token = issue(&jwt).await;
        let read = verify(&token, simple_options(shared.ours.kid()));
        let ours = payload(&token);
        assert_eq!(read.custom, user(), "{algorithm}");
        assert_eq!(ours["sub"], json!(read.subject));
        assert_eq!(ours["iss"], json!(read.issuer));
        assert_eq!(ours["jti"], json!(read.jwt_id));
        assert_eq!(ours["exp"], json!(read.expires_at.unwrap().as_secs()));
        assert_eq!(ours["iat"], json!(read.issued_at.unwrap().as_secs()));
        assert!(
            read.audiences
                .unwrap()
                .contains(&[AUDIENCE.to_owned()].into())
        );
        ran.push(algorithm.name());
    }
    // It has no ES512.
    assert_eq!(ran.len(), 16, "{ran:?}");
}

/// The content of `/.well-known/jwks.json` is enough for another party to verify with.
#[tokio::test]
async fn a_published_key_set_is_what_jsonwebtoken_verifies_with() {
    let algorithms = Algorithm::ALL
        .iter()
        .filter(|algorithm| peer_algorithm(**algorithm).is_some());
    let keys: Vec<Key> = algorithms
        .map(|algorithm| Key::generate(*algorithm).unwrap())
        .collect();
    let ring = KeyRing::new(keys[0].clone());
    ring.replace(keys[0].clone(), keys[1..].to_vec()).unwrap();
    let jwt = engine_of(ring.clone());
    let published = ring.public_jwks().to_string();
    let set: peer::jwk::JwkSet = serde_json::from_str(&published).unwrap();
    assert_eq!(set.keys.len(), 9);
    for key in keys {
        ring.rotate(key.clone()).unwrap();
        let token = issue(&jwt).await;
        let header = peer::decode_header(&token).unwrap();
        let found = set.find(header.kid.as_deref().unwrap());
        assert_eq!(found.is_some(), !key.algorithm().is_symmetric());
        let Some(jwk) = found else {
            continue;
        };
        let verify = peer::DecodingKey::from_jwk(jwk).unwrap();
        let read = peer::decode::<User>(&token, &verify, &peer_validation(header.alg)).unwrap();
        assert_eq!(read.claims, user());
        // We read it with the published keys, too.
        let reader: Jwt<User> = engine_of(KeyRing::from_jwks(&published).unwrap());
        assert_ours(&reader.verify(&token).await.unwrap());
    }
}

/// No other text is the same token: every position, changed, removed, doubled and inserted.
/// Otherwise a deny list of token texts could be bypassed.
#[tokio::test]
async fn every_change_of_one_character_is_refused() {
    let mut count = 0;
    for algorithm in [
        Algorithm::Hs256,
        Algorithm::Rs256,
        Algorithm::Ps256,
        Algorithm::Es256,
        Algorithm::Es512,
        Algorithm::Es256k,
        Algorithm::EdDsa,
        Algorithm::MlDsa44,
        Algorithm::MlDsa65,
        Algorithm::MlDsa87,
    ] {
        let shared = KeyForms::new(algorithm);
        let jwt = Jwt::<()>::builder(KeyRing::new(shared.ours))
            .issuer("i")
            .audience("a")
            .types(["at+jwt", "JWT"])
            .dangerous_accept_untyped()
            .build()
            .unwrap();
        let issued = jwt
            .issue(Grant::new("s", ()))
            .ttl(Duration::from_secs(3600))
            .await
            .unwrap();
        let token = issued.expose();
        let all = changes(token);
        // Some positions of a long signature, and those at its end, where bits are unused.
        let step = if token.len() > 3_000 { 199 } else { 1 };
        let (last, first) = (all.len() - 60, all.iter().step_by(step));
        for changed in first.chain(&all[last..]) {
            let Err(rejection) = jwt.verify(changed).await else {
                panic!("{algorithm}: {changed} is accepted beside {token}");
            };
            assert_eq!(rejection.status(), 401);
            count += 1;
        }
        assert!(jwt.verify(token).await.is_ok());
    }
    assert!(count > 20_000, "{count}");
}

fn changes(token: &str) -> Vec<String> {
    let mut all = Vec::new();
    for (at, old) in token.char_indices() {
        let (before, after) = (&token[..at], &token[at + 1..]);
        let neighbours = ALPHABET.find(old).map(|index| {
            // One bit apart: the unused bits are among them.
            [1, 2, 4, 8, 16, 32].map(|bit| char::from(ALPHABET.as_bytes()[index ^ bit]))
        });
        let others = ['=', '.', '+', '/', '-', '_', 'A', ' ', '\n', '\0', '%', 'é'];
        let others = others.into_iter().chain(neighbours.into_iter().flatten());
        for new in others.chain([old.to_ascii_uppercase(), old.to_ascii_lowercase()]) {
            if new != old {
                all.push(format!("{before}{new}{after}"));
            }
        }
        all.push(format!("{before}{after}"));
        for added in [old, '=', '.', 'A', '\n'] {
            all.push(format!("{before}{added}{old}{after}"));
        }
    }
    for added in ["=", "==", ".", "A", " ", "\n", "\0", ".."] {
        all.push(format!("{token}{added}"));
    }
    all
}

const ISSUER: &str = "https://auth.acme.dev";
const AUDIENCE: &str = "api";
const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
