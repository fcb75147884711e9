//! Checks that no part of a secret or a code is in a log, whatever is done with them.

use std::{convert::Infallible, sync::Arc};

use http::{Request, Response};
use tower::{ServiceBuilder, ServiceExt, service_fn};
use tower_jam::{
    Authenticate, Clock, Credential, CredentialSource, Env, Identity, MasterSecret, Otp, OtpGuard,
    Rejection, Subject, Verified, layer::AuthLayer, otp::Totp, store::MemoryStore,
    testing::ManualClock,
};
use tracing::Level;

use crate::support::log::Log;

type Body = http_body_util::Full<bytes::Bytes>;

/// Authenticates every caller as Alice.
#[derive(Clone)]
struct Alice(Arc<ManualClock>);

impl Authenticate for Alice {
    type User = ();

    fn source(&self) -> CredentialSource {
        CredentialSource::bearer()
    }

    async fn authenticate(&self, _: Credential) -> Result<Verified<()>, Rejection> {
        let alice = Subject::new("self", "swordfish-alice");
        Ok(Verified::identity_only(Identity::new(alice, self.0.now())))
    }
}

/// Enrols, and sends correct, used, wrong and malformed codes until the lock. Returns what must not
/// appear in the log.
async fn use_codes(clock: &Arc<ManualClock>) -> Vec<String> {
    let store = Arc::new(MemoryStore::new().with_clock(clock.clone()));
    let otp = Otp::builder(
        &Env::new("self", store, &MasterSecret::generate()).with_clock(clock.clone()),
        "Acme",
    );
    let otp = otp.build().unwrap();
    let service = ServiceBuilder::new()
        .layer(AuthLayer::new(Alice(clock.clone())))
        .layer(OtpGuard::new(otp.clone()))
        .service(service_fn(async |_: Request<Body>| {
            Ok::<_, Infallible>(Response::new(Body::default()))
        }));
    let enrollment = otp.enroll("swordfish-alice").await.unwrap();
    let secret = enrollment.secret().clone();
    let code = || Totp::new().code(&secret, clock.now()).expose().clone();
    let first = code();
    let recovery = otp.confirm("swordfish-alice", &first).await.unwrap();
    clock.advance(std::time::Duration::from_secs(90));
    let second = code();
    let mut seen = Vec::new();
    for sent in [
        &*second,
        &second,
        "swordf",
        "sword fish",
        "12",
        "",
        "swordfish!",
        &second,
    ] {
        let request = Request::builder()
            .header("authorization", "Bearer a")
            .header("x-otp", sent)
            .body(Body::default())
            .unwrap();
        let answer = service.clone().oneshot(request).await.unwrap();
        seen.push(answer.status().as_u16());
    }
    assert_eq!(seen, [200, 401, 401, 401, 401, 401, 401, 429]);
    let mut secrets = vec![
        first,
        second,
        "swordf".to_owned(),
        secret.to_base32().expose().clone(),
        "otpauth".to_owned(),
    ];
    for code in recovery.iter() {
        let used = otp.use_recovery_code("swordfish-alice", code).await;
        assert_eq!(used.unwrap_err().status(), 429);
        secrets.push(code.to_owned());
    }
    secrets
}

#[test]
fn no_code_secret_or_name_is_in_a_log() {
    let log = Log::default();
    let listening = log.listen(Level::TRACE);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let clock = Arc::new(ManualClock::default());
    let secrets = runtime.block_on(use_codes(&clock));
    drop(listening);
    let log = log.text();
    for code in [
        "otp_enrolled",
        "otp_accepted",
        "otp_replayed",
        "otp_refused",
        "otp_locked",
    ] {
        assert!(log.contains(code), "{code} is missing in {log}");
    }
    assert!(
        log.contains("request refused: no valid one-time code was given"),
        "{log}"
    );
    for secret in secrets {
        assert!(!log.contains(&secret), "{secret} in {log}");
    }
}
