//! What the files of this test share: two engines over one user type, an engine whose outcome the
//! credential names, and a log that can be read.

use std::{sync::Arc, time::Duration};

use axum::body::Body;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use serde::{Deserialize, Serialize};
use tower::ServiceExt;
use tower_jam::{
    Algorithm, Authenticate, Credential, CredentialSource, Env, Factor, Grant, Identity, Jwt, Key,
    KeyRing, MasterSecret, Rejection, Sessions, StoreError, Subject, Timestamp, Verified,
    store::MemoryStore, testing::ManualClock,
};
use tracing::{Level, subscriber::DefaultGuard};
use tracing_subscriber::fmt::format::FmtSpan;

use crate::support::{ProbeStore, log, shared};

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct User {
    pub(crate) name: String,
}

/// A user of the wrong type.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Other {
    pub(crate) number: u32,
}

/// Tokens and sessions of one application, and a caller of each kind.
pub(crate) struct World {
    pub(crate) jwt: Jwt<User>,
    pub(crate) sessions: Sessions<User>,
    pub(crate) probe: Arc<ProbeStore>,
    pub(crate) clock: Arc<ManualClock>,
    /// A token of `token-alice`, who has the role `reader`.
    pub(crate) token: String,
    /// A token of the same user that expired long ago.
    pub(crate) expired: String,
    /// A session of `session-bob`, who has the role `writer`.
    pub(crate) session: String,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with_store(ProbeStore::new).await
    }

    /// A world in which every call of the store is pending once.
    pub(crate) async fn pausing() -> Self {
        Self::with_store(ProbeStore::pausing).await
    }

    async fn with_store(probe: fn(MemoryStore) -> ProbeStore) -> Self {
        let clock = Arc::new(ManualClock::default());
        let (probe, store) = shared(probe(MemoryStore::new().with_clock(clock.clone())));
        let jwt = Jwt::builder(KeyRing::new(Key::generate(Algorithm::Hs256).unwrap()))
            .issuer("https://issuer")
            .audience("api")
            .clock(clock.clone())
            .build()
            .unwrap();
        let sessions = Sessions::builder(
            &Env::new("https://issuer", store, &MasterSecret::generate()).with_clock(clock.clone()),
        )
        .build()
        .unwrap();
        let expired = issue(&jwt).await;
        clock.advance(Duration::from_secs(60 * 60));
        let session = sessions
            .create(grant("session-bob").roles(["writer"]))
            .await
            .unwrap()
            .token;
        Self {
            token: issue(&jwt).await,
            expired,
            session: session.expose().clone(),
            jwt,
            sessions,
            probe,
            clock,
        }
    }

    pub(crate) fn bearer(&self) -> (&'static str, String) {
        ("authorization", format!("Bearer {}", self.token))
    }

    pub(crate) fn bad_bearer(&self) -> (&'static str, String) {
        ("authorization", format!("Bearer {}", self.expired))
    }

    pub(crate) fn cookie(&self) -> (&'static str, String) {
        ("cookie", format!("theme=dark; __Host-sid={}", self.session))
    }
}

async fn issue(jwt: &Jwt<User>) -> String {
    let grant = grant("token-alice").roles(["reader"]);
    jwt.issue(grant).await.unwrap().expose().clone()
}

pub(crate) fn grant(name: &str) -> Grant<User> {
    let user = User {
        name: name.to_owned(),
    };
    Grant::new(name, user).factor(Factor::Password)
}

/// An engine whose credential names the outcome: `alice` and `bob` are users, `nobody` is ignored,
/// everything else is the name of a rejection.
#[derive(Clone)]
pub(crate) struct Oracle {
    source: CredentialSource,
}

impl Oracle {
    pub(crate) fn new() -> Self {
        Self::at("x-word")
    }

    pub(crate) fn at(header: &'static str) -> Self {
        let name = http::HeaderName::from_static(header);
        Self {
            source: CredentialSource::header(name),
        }
    }
}

impl Authenticate for Oracle {
    type User = User;

    fn source(&self) -> CredentialSource {
        self.source.clone()
    }

    async fn authenticate(&self, presented: Credential) -> Result<Verified<User>, Rejection> {
        let word = presented.expose();
        match word {
            "alice" | "bob" => Ok(known(word)),
            "nobody" => Ok(Verified::anonymous()),
            _ => Err(refusal(word)),
        }
    }
}

pub(crate) fn known(name: &str) -> Verified<User> {
    let identity = Identity::new(Subject::new("oracle", name), Timestamp::from_secs(1));
    let user = User {
        name: name.to_owned(),
    };
    Verified::new(identity.with_roles([name]), Arc::new(user))
}

pub(crate) fn refusal(word: &str) -> Rejection {
    match word {
        "missing" => Rejection::missing(),
        "malformed" => Rejection::malformed("set by the test"),
        "insufficient" => Rejection::insufficient("set by the test"),
        "insufficient-scope" => Rejection::insufficient_scope("orders:write"),
        "cross-site" => Rejection::cross_site("set by the test"),
        "step-up" => Rejection::step_up(
            Some(Duration::from_secs(300)),
            Some("otp".into()),
            "set by the test",
        ),
        "factor-lost" => Rejection::factor_lost("set by the test"),
        "throttled" => Rejection::throttled(Duration::from_millis(1_500), "set by the test"),
        "unavailable" => StoreError::Unavailable("connection refused".into()).into(),
        "misconfigured" => Rejection::misconfigured("set by the test"),
        _ => Rejection::invalid("set by the test"),
    }
}

/// The response.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) async fn of(response: Response<Body>) -> Self {
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Self {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8(body.to_vec()).unwrap(),
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        Some(self.headers.get(name)?.to_str().unwrap())
    }
}

pub(crate) fn request(method: &str, uri: &str, headers: &[(&str, String)]) -> Request<Body> {
    let mut request = Request::new(Body::empty());
    *request.method_mut() = Method::from_bytes(method.as_bytes()).unwrap();
    *request.uri_mut() = uri.parse().unwrap();
    for (name, value) in headers {
        let name = http::HeaderName::from_bytes(name.as_bytes()).unwrap();
        request.headers_mut().append(name, value.parse().unwrap());
    }
    request
}

pub(crate) async fn get(app: &axum::Router, uri: &str, headers: &[(&str, String)]) -> Answer {
    let response = app.clone().oneshot(request("GET", uri, headers)).await;
    Answer::of(response.unwrap()).await
}

/// Records everything that this thread logs.
pub(crate) struct Log {
    log: log::Log,
    _guard: DefaultGuard,
}

impl Log {
    pub(crate) fn start() -> Self {
        let log = log::Log::default();
        let guard = log.listen_with(Level::TRACE, FmtSpan::FULL);
        Self { log, _guard: guard }
    }

    /// Returns what was logged since the last call.
    pub(crate) fn take(&self) -> String {
        self.log.take()
    }
}
