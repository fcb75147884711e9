//! Verifying and minting a PASETO: this crate, pasetors alone, and a cached token.
//!
//! `cargo bench -p tower-jam-benches --bench pasetos`. pasetors decodes and authenticates the
//! token; this crate also parses and validates the claims.

#![allow(
    clippy::unwrap_used,
    reason = "a benchmark without its set-up says nothing"
)]

use base64_simd::URL_SAFE_NO_PAD;
use divan::{AllocProfiler, Bencher, black_box};
use pasetors::{
    keys::{AsymmetricPublicKey, SymmetricKey},
    token::{Local as LocalMark, Public as PublicMark, UntrustedToken},
    version4,
};
use serde::{Deserialize, Serialize};
use tower_jam::{
    Grant, KeyRing, Paseto, PasetoKey,
    token::paseto::{Local, PasetoBuilder, Public, Purpose, V3, V4},
};

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

const KINDS: [&str; 4] = ["v4.local", "v4.public", "v3.local", "v3.public"];

#[derive(Serialize, Deserialize)]
struct User {
    name: String,
}

fn main() {
    divan::main();
}

fn engine(kind: &str) -> Paseto<User> {
    let pair = || KeyRing::new(PasetoKey::<V4, Public>::generate().unwrap());
    match kind {
        "v4.local" => built(Paseto::v4_local(KeyRing::new(
            PasetoKey::<V4, Local>::generate(),
        ))),
        "v4.public" => built(Paseto::v4_public(pair())),
        "v3.local" => built(Paseto::v3_local(KeyRing::new(
            PasetoKey::<V3, Local>::generate(),
        ))),
        _ => {
            let pair = PasetoKey::<V3, Public>::generate().unwrap();
            built(Paseto::v3_public(KeyRing::new(pair)))
        }
    }
}

fn built<V: 'static, P: Purpose<V>>(builder: PasetoBuilder<User, V, P>) -> Paseto<User> {
    let builder = builder.issuer("https://auth.acme.dev").audience("api");
    builder.build().unwrap()
}

fn minted(paseto: &Paseto<User>) -> String {
    let name = "Alice".to_owned();
    let grant = Grant::new("42", User { name });
    now(async { paseto.issue(grant).await.unwrap().expose().clone() })
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
#[divan::bench(args = KINDS, sample_size = 50)]
fn verify_here(bencher: Bencher<'_, '_>, kind: &str) {
    let paseto = engine(kind);
    bencher
        .with_inputs(|| minted(&paseto))
        .bench_local_refs(|token| now(paseto.verify(black_box(token))).unwrap());
}

#[divan::bench(args = KINDS)]
fn verify_here_again(bencher: Bencher<'_, '_>, kind: &str) {
    let paseto = engine(kind);
    let token = minted(&paseto);
    bencher.bench_local(|| now(paseto.verify(black_box(&token))).unwrap());
}

#[divan::bench]
fn verify_pasetors_v4_local(bencher: Bencher<'_, '_>) {
    let key = PasetoKey::<V4, Local>::generate();
    let text = key.to_paserk();
    let alone = SymmetricKey::<version4::V4>::from(&bytes(text.expose())).unwrap();
    let token = minted(&built(Paseto::v4_local(KeyRing::new(key))));
    bencher.bench_local(|| {
        let token = UntrustedToken::<LocalMark, version4::V4>::try_from(black_box(&*token));
        version4::LocalToken::decrypt(&alone, &token.unwrap(), None, None).unwrap()
    });
}

#[divan::bench]
fn verify_pasetors_v4_public(bencher: Bencher<'_, '_>) {
    let key = PasetoKey::<V4, Public>::generate().unwrap();
    let alone = bytes(&key.public_paserk());
    let alone = AsymmetricPublicKey::<version4::V4>::from(&alone).unwrap();
    let token = minted(&built(Paseto::v4_public(KeyRing::new(key))));
    bencher.bench_local(|| {
        let token = UntrustedToken::<PublicMark, version4::V4>::try_from(black_box(&*token));
        version4::PublicToken::verify(&alone, &token.unwrap(), None, None).unwrap()
    });
}

#[divan::bench(args = KINDS)]
fn mint_here(bencher: Bencher<'_, '_>, kind: &str) {
    let paseto = engine(kind);
    bencher.bench_local(|| minted(black_box(&paseto)));
}

/// Returns the bytes of a key from its PASERK.
fn bytes(paserk: &str) -> Vec<u8> {
    let body = paserk.rsplit('.').next().unwrap();
    URL_SAFE_NO_PAD.decode_to_vec(body).unwrap()
}
