//! What one-time codes cost: computing a code, checking one, and accepting one with its write.
//!
//! `cargo bench -p tower-jam-benches --bench otp`.

#![allow(
    clippy::unwrap_used,
    reason = "a benchmark without its set-up says nothing"
)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use divan::{AllocProfiler, Bencher, black_box};
use tower_jam::{
    Clock, Env, MasterSecret, Otp, Timestamp,
    otp::{Digest, OtpSecret, Totp},
    store::MemoryStore,
};

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

/// A clock that the benchmark advances by a period per code.
#[derive(Debug, Default)]
struct Periods(AtomicU64);

impl Clock for Periods {
    fn now(&self) -> Timestamp {
        Timestamp::from_secs(30 * self.0.load(Ordering::Relaxed))
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
}

/// What an authenticator computes once, and a verification three times: for the current period, the
/// one before and the one after.
#[divan::bench(args = [Digest::Sha1, Digest::Sha256, Digest::Sha512], sample_size = 200)]
fn one_code(bencher: Bencher<'_, '_>, digest: Digest) {
    let (totp, secret) = (Totp::new().with_digest(digest), OtpSecret::generate());
    let now = Timestamp::from_secs(1_767_225_600);
    bencher.bench_local(|| totp.code(black_box(&secret), black_box(now)));
}

fn enrolled(clock: &Arc<Periods>) -> (Otp, OtpSecret) {
    let store = Arc::new(MemoryStore::new().with_clock(clock.clone()));
    let otp = Otp::builder(
        &Env::new("self", store, &MasterSecret::generate()).with_clock(clock.clone()),
        "Acme",
    );
    let otp = otp.build().unwrap();
    let secret = runtime().block_on(async {
        let secret = otp.enroll("42").await.unwrap().secret().clone();
        let code = Totp::new().code(&secret, clock.now());
        drop(otp.confirm("42", code.expose()).await.unwrap());
        secret
    });
    (otp, secret)
}

/// A correct code: reads and opens the record, compares three codes, seals and writes the record.
#[divan::bench(sample_size = 200)]
fn verify_on_the_memory_store(bencher: Bencher<'_, '_>) {
    let clock = Arc::new(Periods::default());
    let ((otp, secret), runtime) = (enrolled(&clock), runtime());
    let next = || {
        clock.0.fetch_add(1, Ordering::Relaxed);
    };
    // One code per period, so that none was used before.
    bencher.bench_local(|| {
        next();
        let code = Totp::new().code(&secret, clock.now());
        runtime
            .block_on(otp.verify("42", code.expose()))
            .expect("each code is a new one")
    });
}

/// A used code, for which nothing is written.
#[divan::bench(sample_size = 200)]
fn refuse_a_used_code(bencher: Bencher<'_, '_>) {
    let clock = Arc::new(Periods::default());
    let ((otp, secret), runtime) = (enrolled(&clock), runtime());
    let code = Totp::new().code(&secret, clock.now());
    bencher.bench_local(|| runtime.block_on(otp.verify("42", code.expose())).is_err());
}
