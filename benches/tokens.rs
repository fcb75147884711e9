//! Verifying and signing a token: this crate, its peers, and the floor.
//!
//! `cargo bench -p tower-jam-benches --bench tokens`. The floor is the work that no implementation
//! can avoid: the signature by aws-lc-rs with a parsed key, two base64 passes with SIMD, and one
//! JSON pass into a struct.

#![allow(
    clippy::unwrap_used,
    reason = "a benchmark without its set-up says nothing"
)]

use aws_lc_rs::{hmac, signature};
use base64_simd::URL_SAFE_NO_PAD;
use divan::{AllocProfiler, Bencher, black_box};
use serde::{Deserialize, Serialize};
use tower_jam::{Algorithm, Grant, Jwt, Key, KeyRing};

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

const ALGORITHMS: [Algorithm; 4] = [
    Algorithm::Hs256,
    Algorithm::EdDsa,
    Algorithm::Es256,
    Algorithm::Rs256,
];
const SECRET: &[u8; 32] = b"0123456789abcdef0123456789abcdef";

#[derive(Serialize, Deserialize)]
struct User {
    name: String,
}

fn main() {
    divan::main();
}

fn key(algorithm: Algorithm) -> Key {
    match algorithm {
        Algorithm::Hs256 => Key::hs256(SECRET).unwrap(),
        other => Key::generate(other).unwrap(),
    }
}

fn engine(key: Key) -> Jwt<User> {
    Jwt::builder(KeyRing::new(key))
        .issuer("https://auth.acme.dev")
        .audience("api")
        .build()
        .unwrap()
}

fn minted(jwt: &Jwt<User>) -> String {
    let grant = Grant::new(
        "42",
        User {
            name: "Alice".to_owned(),
        },
    );
    now(async { jwt.issue(grant).await.unwrap().expose().clone() })
}

/// Without a token list, the futures of the engine are ready at the first poll.
fn now<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match future.as_mut().poll(&mut context) {
        std::task::Poll::Ready(value) => value,
        std::task::Poll::Pending => unreachable!("nothing to wait for"),
    }
}

/// Every token is new, so none is in the cache.
#[divan::bench(args = ALGORITHMS, sample_size = 50)]
fn verify_here(bencher: Bencher<'_, '_>, algorithm: Algorithm) {
    let jwt = engine(key(algorithm));
    bencher
        .with_inputs(|| minted(&jwt))
        .bench_local_refs(|token| now(jwt.verify(black_box(token))).unwrap());
}

#[divan::bench(args = ALGORITHMS)]
fn verify_here_again(bencher: Bencher<'_, '_>, algorithm: Algorithm) {
    let jwt = engine(key(algorithm));
    let token = minted(&jwt);
    bencher.bench_local(|| now(jwt.verify(black_box(&token))).unwrap());
}

#[divan::bench(args = ALGORITHMS)]
fn verify_jsonwebtoken(bencher: Bencher<'_, '_>, algorithm: Algorithm) {
    use jsonwebtoken::{Algorithm as Alg, DecodingKey, Validation, decode, jwk::Jwk};
    let ours = key(algorithm);
    let token = minted(&engine(ours.clone()));
    let (alg, key) = match algorithm {
        Algorithm::Hs256 => (Alg::HS256, DecodingKey::from_secret(SECRET)),
        _ => {
            let jwk: Jwk = serde_json::from_value(ours.public_jwk().unwrap()).unwrap();
            let alg = match algorithm {
                Algorithm::EdDsa => Alg::EdDSA,
                Algorithm::Es256 => Alg::ES256,
                _ => Alg::RS256,
            };
            (alg, DecodingKey::from_jwk(&jwk).unwrap())
        }
    };
    let mut rules = Validation::new(alg);
    rules.set_issuer(&["https://auth.acme.dev"]);
    rules.set_audience(&["api"]);
    bencher.bench_local(|| decode::<User>(black_box(&token), &key, &rules).unwrap());
}

#[divan::bench(args = ALGORITHMS)]
fn verify_jwt_simple(bencher: Bencher<'_, '_>, algorithm: Algorithm) {
    use jwt_simple::prelude::*;
    let ours = key(algorithm);
    let token = minted(&engine(ours.clone()));
    let rules = || VerificationOptions {
        allowed_issuers: Some(HashSet::from(["https://auth.acme.dev".to_owned()])),
        allowed_audiences: Some(HashSet::from(["api".to_owned()])),
        ..Default::default()
    };
    let pem = ours.to_pkcs8_pem();
    let pem = pem
        .as_ref()
        .map(|pem| pem.expose().as_str())
        .unwrap_or_default();
    match algorithm {
        Algorithm::Hs256 => {
            let key = HS256Key::from_bytes(SECRET);
            bencher.bench_local(|| {
                key.verify_token::<User>(black_box(&token), Some(rules()))
                    .unwrap()
            });
        }
        Algorithm::EdDsa => {
            let key = Ed25519KeyPair::from_pem(pem).unwrap().public_key();
            bencher.bench_local(|| {
                key.verify_token::<User>(black_box(&token), Some(rules()))
                    .unwrap()
            });
        }
        Algorithm::Es256 => {
            let key = ES256KeyPair::from_pem(pem).unwrap().public_key();
            bencher.bench_local(|| {
                key.verify_token::<User>(black_box(&token), Some(rules()))
                    .unwrap()
            });
        }
        _ => {
            let key = RS256KeyPair::from_pem(pem).unwrap().public_key();
            bencher.bench_local(|| {
                key.verify_token::<User>(black_box(&token), Some(rules()))
                    .unwrap()
            });
        }
    }
}

#[divan::bench(args = ALGORITHMS)]
fn verify_floor(bencher: Bencher<'_, '_>, algorithm: Algorithm) {
    #[derive(Deserialize)]
    #[allow(dead_code, reason = "only the reading is measured")]
    struct All<'a> {
        iss: &'a str,
        sub: &'a str,
        aud: &'a str,
        exp: u64,
        iat: u64,
        jti: &'a str,
        name: String,
    }
    let ours = key(algorithm);
    let token = minted(&engine(ours.clone()));
    let jwk = ours.public_jwk();
    let member = |name: &str| {
        URL_SAFE_NO_PAD
            .decode_to_vec(jwk.as_ref().unwrap()[name].as_str().unwrap())
            .unwrap()
    };
    let parsed = match algorithm {
        Algorithm::Hs256 => None,
        Algorithm::EdDsa => {
            Some(signature::ParsedPublicKey::new(&signature::ED25519, member("x")).unwrap())
        }
        Algorithm::Es256 => {
            let point = [vec![4], member("x"), member("y")].concat();
            Some(
                signature::ParsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point)
                    .unwrap(),
            )
        }
        _ => {
            let parts = signature::RsaPublicKeyComponents {
                n: member("n"),
                e: member("e"),
            };
            Some(
                parts
                    .to_parsed_public_key(&signature::RSA_PKCS1_2048_8192_SHA256)
                    .unwrap(),
            )
        }
    };
    let secret = hmac::Key::new(hmac::HMAC_SHA256, SECRET);
    bencher.bench_local(|| {
        let (signed, signature) = black_box(&token).rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode_to_vec(signature).unwrap();
        match &parsed {
            Some(key) => key.verify_sig(signed.as_bytes(), &signature).unwrap(),
            None => hmac::verify(&secret, signed.as_bytes(), &signature).unwrap(),
        }
        let (_, payload) = signed.split_once('.').unwrap();
        let payload = URL_SAFE_NO_PAD.decode_to_vec(payload).unwrap();
        let all: All<'_> = serde_json::from_slice(&payload).unwrap();
        all.exp + all.iat + all.name.len() as u64
    });
}

#[divan::bench(args = ALGORITHMS)]
fn sign_here(bencher: Bencher<'_, '_>, algorithm: Algorithm) {
    let jwt = engine(key(algorithm));
    bencher.bench_local(|| minted(black_box(&jwt)));
}

#[divan::bench(args = [Algorithm::Hs256, Algorithm::EdDsa, Algorithm::Es256])]
fn sign_jsonwebtoken(bencher: Bencher<'_, '_>, algorithm: Algorithm) {
    use jsonwebtoken::{Algorithm as Alg, EncodingKey, Header, encode};
    let ours = key(algorithm);
    let pem = ours.to_pkcs8_pem();
    let pem = pem
        .as_ref()
        .map(|pem| pem.expose().as_bytes())
        .unwrap_or_default();
    let (alg, key) = match algorithm {
        Algorithm::Hs256 => (Alg::HS256, EncodingKey::from_secret(SECRET)),
        Algorithm::EdDsa => (Alg::EdDSA, EncodingKey::from_ed_pem(pem).unwrap()),
        _ => (Alg::ES256, EncodingKey::from_ec_pem(pem).unwrap()),
    };
    let header = Header::new(alg);
    let claims = serde_json::json!({
        "iss": "https://auth.acme.dev", "sub": "42", "aud": "api", "exp": 2_000_000_000_u64, "iat": 1_700_000_000_u64,
        "jti": "AAAAAAAAAAAAAAAAAAAAAA", "name": "Alice",
    });
    bencher.bench_local(|| encode(&header, black_box(&claims), &key).unwrap());
}
