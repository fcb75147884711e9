//! The span of an authentication: engine, outcome and code, and no credential.

use std::convert::Infallible;

use http::{Request, Response};
use tower::{ServiceBuilder, ServiceExt, service_fn};
use tower_jam::{
    Claims, Grant, JwtLayer, SessionLayer,
    testing::{Failure, TestJam, bearer},
};
use tracing::Level;
use tracing_subscriber::fmt::format::FmtSpan;

use crate::support::log::Log;

#[test]
fn a_check_names_engine_outcome_and_code_and_no_credential() {
    let log = Log::default();
    let listening = log.listen_with(Level::TRACE, FmtSpan::CLOSE);
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let secrets = runtime.build().unwrap().block_on(requests());
    drop(listening);
    let text = log.text();
    for (outcome, engine, code) in [
        ("authenticated", "jwt", None),
        ("authenticated", "sessions", None),
        ("anonymous", "sessions", None),
        ("refused", "jwt", Some("invalid")),
        ("refused", "jwt", Some("missing")),
        ("refused", "sessions", Some("unavailable")),
    ] {
        let is_logged = text.lines().any(|line| {
            line.contains(&format!("engine=\"{engine}\""))
                && line.contains(&format!("outcome=\"{outcome}\""))
                && code.is_none_or(|code| line.contains(&format!("code=\"{code}\"")))
        });
        assert!(is_logged, "{outcome} {engine} {code:?} in {text}");
        let code = code.map_or(String::new(), |code| format!(" code=\"{code}\""));
        let span =
            format!("authenticate{{engine=\"{engine}\" outcome=\"{outcome}\"{code}}}: tower_jam");
        let is_kept = text
            .lines()
            .any(|line| line.contains(&span) && line.contains(": close"));
        assert!(is_kept, "{span} in {text}");
    }
    for secret in secrets {
        assert!(!text.contains(&secret), "{secret} in {text}");
    }
}

/// Makes requests of every outcome, and returns what must not appear in the log.
async fn requests() -> Vec<String> {
    let ok =
        service_fn(async |_: Request<()>| Ok::<_, Infallible>(Response::new(Vec::<u8>::new())));
    let jam = TestJam::<Claims>::new();
    let alice = || Grant::new("swordfish", Claims::new());
    let tokens = ServiceBuilder::new()
        .layer(JwtLayer::new(jam.jwt().clone()))
        .service(ok);
    let sessions = ServiceBuilder::new()
        .layer(SessionLayer::new(jam.sessions().clone()).optional())
        .service(ok);
    let (good, expired) = (jam.token(alice()).await, jam.expired_token(alice()).await);
    let session = jam.sessions().create(alice()).await.unwrap();
    let cookie = || {
        let pair = format!("__Host-sid={}", session.token.expose());
        Request::builder().header("cookie", pair).body(()).unwrap()
    };
    for request in [
        bearer(good.expose()),
        bearer(expired.expose()),
        Request::builder(),
    ] {
        tokens
            .clone()
            .oneshot(request.body(()).unwrap())
            .await
            .unwrap();
    }
    for request in [cookie(), Request::new(())] {
        sessions.clone().oneshot(request).await.unwrap();
    }
    jam.store().fail(Failure::Away);
    sessions.clone().oneshot(cookie()).await.unwrap();
    let [good, expired, session] = [&good, &expired, &session.token].map(|it| it.expose().clone());
    vec![good, expired, session, "swordfish".to_owned()]
}
