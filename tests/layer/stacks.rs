//! One scenario on three stacks: an axum router, a hyper server over TCP, and a tonic server with
//! its client. The outcomes are the same, each in the dialect of its stack.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    future::Future,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{Router, body::Body, routing::get};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Code, Status, metadata::MetadataMap, server::NamedService, transport::Server};
use tonic_prost::ProstCodec;
use tower::{ServiceBuilder, ServiceExt, service_fn};
use tower_jam::{
    Algorithm, AuthUser, Authenticate, Clock, CredentialSource, Factor, Grant, Identity, Jwt, Key,
    KeyRing,
    guard::{fresh, role},
    layer::{AuthLayer, GrpcResponder, GuardLayer, HttpResponder},
    testing::ManualClock,
};

#[derive(Clone, Serialize, Deserialize)]
struct User {
    name: String,
}

/// A caller's request, and the outcome on every stack.
struct Case {
    name: &'static str,
    headers: Vec<(&'static str, String)>,
    status: u16,
    code: Code,
    challenge: Option<&'static str>,
}

/// The tokens that callers present.
struct Tokens {
    good: String,
    expired: String,
    foreign: String,
    forged: String,
    elsewhere: String,
    guest: String,
}

/// An engine of the named type, with keys that `$ring` creates, and the cases with its tokens.
macro_rules! scenario {
    ($build:expr, $ring:expr) => {{
        let clock = Arc::new(ManualClock::default());
        let ring = $ring;
        let engine = |audience: &str, ring| {
            let builder = $build(ring).issuer("https://issuer").audience(audience);
            builder.clock(clock.clone()).build().unwrap()
        };
        let grant = |subject: &str, name: &str| {
            let name = name.to_owned();
            Grant::new(subject, User { name })
        };
        let member = || grant("42", "Alice").roles(["member"]);
        let own = engine("api", ring.clone());
        let expired = own.issue(member()).await.unwrap().expose().clone();
        clock.advance(Duration::from_secs(16 * 60));
        let good = own.issue(member()).await.unwrap().expose().clone();
        let foreign = engine("api", $ring).issue(member()).await.unwrap();
        let foreign = foreign.expose().clone();
        let elsewhere = engine("other", ring).issue(member()).await.unwrap();
        let guest = own.issue(grant("43", "Guest")).await.unwrap();
        let (signed, _) = good.rsplit_once('.').unwrap();
        let (_, signature) = foreign.rsplit_once('.').unwrap();
        let tokens = Tokens {
            forged: format!("{signed}.{signature}"),
            good,
            expired,
            foreign,
            elsewhere: elsewhere.expose().clone(),
            guest: guest.expose().clone(),
        };
        let source = CredentialSource::bearer().or(CredentialSource::cookie("jwt").unwrap());
        (own.read_from(source), cases(&tokens))
    }};
}

async fn jwt() -> (impl Authenticate<User = User>, Vec<Case>) {
    let ring = || KeyRing::new(Key::generate(Algorithm::Es256).unwrap());
    scenario!(Jwt::<User>::builder, ring())
}

#[cfg(feature = "paseto")]
async fn paseto() -> (impl Authenticate<User = User>, Vec<Case>) {
    use tower_jam::{
        Paseto, PasetoKey,
        token::paseto::{Public, V4},
    };
    let ring = || KeyRing::new(PasetoKey::<V4, Public>::generate().unwrap());
    scenario!(Paseto::<User>::v4_public, ring())
}

/// Runs the check of a stack with each kind of token.
macro_rules! with_each_engine {
    ($check:ident) => {
        let (engine, cases) = jwt().await;
        $check(engine, cases).await;
        #[cfg(feature = "paseto")]
        {
            let (engine, cases) = paseto().await;
            $check(engine, cases).await;
        }
    };
}

/// The expected outcome of each token, on every stack.
fn cases(tokens: &Tokens) -> Vec<Case> {
    let Tokens {
        good,
        expired,
        foreign,
        forged,
        elsewhere,
        guest,
    } = tokens;
    let bearer = |token: &str| ("authorization", format!("Bearer {token}"));
    let cookie = |token: &str| ("cookie", format!("theme=dark; jwt={token}"));
    let case = |name, headers: Vec<(&'static str, String)>, status, code, challenge| Case {
        name,
        headers,
        status,
        code,
        challenge,
    };
    let (ok, no, may_not, odd) = (
        Code::Ok,
        Code::Unauthenticated,
        Code::PermissionDenied,
        Code::InvalidArgument,
    );
    let invalid = Some(r#"Bearer realm="api", error="invalid_token""#);
    let malformed = Some(r#"Bearer realm="api", error="invalid_request""#);
    vec![
        case(
            "no credential",
            vec![],
            401,
            no,
            Some(r#"Bearer realm="api""#),
        ),
        case(
            "another scheme",
            vec![("authorization", "Basic YTpi".to_owned())],
            401,
            no,
            Some(r#"Bearer realm="api""#),
        ),
        case("good", vec![bearer(good)], 200, ok, None),
        case("expired", vec![bearer(expired)], 401, no, invalid),
        case("bad signature", vec![bearer(forged)], 401, no, invalid),
        case("foreign key", vec![bearer(foreign)], 401, no, invalid),
        case("wrong audience", vec![bearer(elsewhere)], 401, no, invalid),
        case("garbage", vec![bearer("garbage")], 401, no, invalid),
        case(
            "wrong role",
            vec![bearer(guest)],
            403,
            may_not,
            Some(r#"Bearer realm="api", error="insufficient_scope""#),
        ),
        case("cookie", vec![cookie(good)], 200, ok, None),
        case("cookie, expired", vec![cookie(expired)], 401, no, invalid),
        case(
            "both, the header good",
            vec![cookie(expired), bearer(good)],
            200,
            ok,
            None,
        ),
        case(
            "both, the header bad",
            vec![bearer(expired), cookie(good)],
            401,
            no,
            invalid,
        ),
        case(
            "two headers",
            vec![bearer(good), bearer(good)],
            400,
            odd,
            malformed,
        ),
        case(
            "two cookies",
            vec![cookie(good), cookie(guest)],
            400,
            odd,
            malformed,
        ),
        case(
            "not a token68",
            vec![("authorization", "Bearer a b".to_owned())],
            400,
            odd,
            malformed,
        ),
        case(
            "cookie from another site",
            vec![cookie(good), ("sec-fetch-site", "cross-site".to_owned())],
            403,
            may_not,
            None,
        ),
    ]
}

fn headers(case: &Case) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in &case.headers {
        headers.append(
            HeaderName::from_static(name),
            HeaderValue::from_str(value).unwrap(),
        );
    }
    headers
}

/// The handler's description of its caller.
fn describe(extensions: &http::Extensions) -> String {
    let user = extensions
        .get::<AuthUser<User>>()
        .expect("the layer inserts it");
    let identity = extensions.get::<Identity>().expect("the layer inserts it");
    format!("{} is {}", identity.subject().id(), user.name)
}

fn check_http(case: &Case, status: StatusCode, headers: &HeaderMap, body: &Bytes) {
    assert_eq!(status.as_u16(), case.status, "{}", case.name);
    let challenge = headers
        .get("www-authenticate")
        .map(|value| value.to_str().unwrap());
    assert_eq!(challenge, case.challenge, "{}", case.name);
    if case.status == 200 {
        assert_eq!(body, "42 is Alice", "{}", case.name);
        return;
    }
    assert_eq!(
        headers["content-type"], "application/problem+json",
        "{}",
        case.name
    );
    let problem: BTreeMap<String, serde_json::Value> = serde_json::from_slice(body).unwrap();
    assert_eq!(problem["status"], case.status, "{}", case.name);
    assert_eq!(problem["type"], "about:blank", "{}", case.name);
    let error = case
        .challenge
        .and_then(|challenge| challenge.split("error=\"").nth(1))
        .map(|rest| rest.trim_end_matches('"'));
    assert_eq!(
        problem.get("error").and_then(|error| error.as_str()),
        error,
        "{}",
        case.name
    );
}

#[tokio::test]
async fn on_axum() {
    with_each_engine!(axum_answers);
}

async fn axum_answers(engine: impl Authenticate<User = User>, cases: Vec<Case>) {
    let describe = |user: AuthUser<User>, identity: Identity| async move {
        format!("{} is {}", identity.subject().id(), user.name)
    };
    let app: Router = Router::new()
        .route("/", get(describe).post(describe))
        .route_layer(GuardLayer::new(role("member")))
        .route_layer(AuthLayer::new(engine));
    for case in cases {
        let mut request = Request::post("/").body(Body::empty()).unwrap();
        *request.headers_mut() = headers(&case);
        let response = app.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        check_http(&case, parts.status, &parts.headers, &body);
    }
}

#[tokio::test]
async fn on_hyper_over_tcp() {
    with_each_engine!(hyper_answers);
}

async fn hyper_answers(engine: impl Authenticate<User = User>, cases: Vec<Case>) {
    let service = ServiceBuilder::new()
        .layer(AuthLayer::new(engine))
        .layer(GuardLayer::new(role("member")))
        .service(service_fn(|request: Request<Incoming>| async move {
            let text = describe(request.extensions());
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(text))))
        }));
    let (listener, address) = listen().await;
    let server = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let service = TowerToHyperService::new(service.clone());
            tokio::spawn(async move {
                let server = auto::Builder::new(TokioExecutor::new());
                server
                    .serve_connection(TokioIo::new(stream), service)
                    .await
                    .unwrap();
            });
        }
    });
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    for case in cases {
        let mut request = Request::post(format!("http://{address}/"))
            .body(Full::default())
            .unwrap();
        *request.headers_mut() = headers(&case);
        let (parts, body) = client.request(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        check_http(&case, parts.status, &parts.headers, &body);
    }
    server.abort();
}

#[tokio::test]
async fn on_tonic_with_its_client() {
    with_each_engine!(tonic_answers);
}

async fn tonic_answers(engine: impl Authenticate<User = User>, cases: Vec<Case>) {
    let (listener, address) = listen().await;
    let server = Server::builder()
        .layer(AuthLayer::new(engine).respond_with(GrpcResponder::new()))
        .layer(GuardLayer::new(role("member")).respond_with(GrpcResponder::new()))
        .add_service(Describer)
        .serve_with_incoming(TcpListenerStream::new(listener));
    let server = tokio::spawn(server);
    let channel = tonic::transport::Channel::from_shared(format!("http://{address}"))
        .unwrap()
        .connect()
        .await
        .unwrap();
    let mut client = tonic::client::Grpc::new(channel);
    for case in cases {
        let mut request = tonic::Request::new(());
        *request.metadata_mut() = MetadataMap::from_headers(headers(&case));
        client.ready().await.unwrap();
        let path = http::uri::PathAndQuery::from_static("/test.Describer/Describe");
        let answer = client
            .unary(request, path, ProstCodec::<(), String>::default())
            .await;
        match answer {
            Ok(response) => {
                assert_eq!(case.code, Code::Ok, "{}", case.name);
                assert_eq!(response.into_inner(), "42 is Alice", "{}", case.name);
            }
            Err(status) => {
                assert_eq!(status.code(), case.code, "{}: {status}", case.name);
                let challenge = status
                    .metadata()
                    .get("www-authenticate")
                    .map(|value| value.to_str().unwrap());
                assert_eq!(challenge, case.challenge, "{}", case.name);
            }
        }
    }
    server.abort();
}

/// A token whose login was that long ago, and the response of a route that requires a proof younger
/// than five minutes.
struct Aged {
    jwt: Jwt<User>,
    clock: Arc<ManualClock>,
    bearer: String,
}

/// RFC 9470 section 3.
const STEP_UP: &str = r#"Bearer realm="api", error="insufficient_user_authentication", max_age=300, acr_values="otp""#;

async fn aged() -> Aged {
    let clock = Arc::new(ManualClock::default());
    let ring = KeyRing::new(Key::generate(Algorithm::Es256).unwrap());
    let jwt = Jwt::<User>::builder(ring)
        .issuer("https://issuer")
        .audience("api")
        .clock(clock.clone())
        .build()
        .unwrap();
    let login = clock.now();
    // The token is younger than its login, which makes no difference.
    clock.advance(Duration::from_secs(240));
    let name = "Alice".to_owned();
    let grant = Grant::new("42", User { name }).factor(Factor::Password);
    let grant = grant.factor_at(Factor::Otp, login);
    let token = jwt.issue(grant).await.unwrap();
    clock.advance(Duration::from_secs(59));
    Aged {
        jwt,
        clock,
        bearer: format!("Bearer {}", token.expose()),
    }
}

#[tokio::test]
async fn a_proof_of_4_minutes_59_passes_and_one_of_5_minutes_1_does_not_on_axum() {
    let aged = aged().await;
    let app: Router = Router::new()
        .route("/", get(|| async {}))
        .route_layer(GuardLayer::new(fresh(
            Factor::Otp,
            Duration::from_secs(300),
        )))
        .route_layer(AuthLayer::new(aged.jwt));
    let ask = async || {
        let request = Request::get("/").header("authorization", &aged.bearer);
        let request = request.body(Body::empty()).unwrap();
        app.clone().oneshot(request).await.unwrap()
    };
    assert_eq!(ask().await.status(), 200);
    aged.clock.advance(Duration::from_secs(2));
    let refused = ask().await;
    assert_eq!(refused.status(), 401);
    assert_eq!(refused.headers()["www-authenticate"], STEP_UP);
    let body = refused.into_body().collect().await.unwrap().to_bytes();
    let problem: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(problem["error"], "insufficient_user_authentication");
}

#[tokio::test]
async fn a_proof_of_4_minutes_59_passes_and_one_of_5_minutes_1_does_not_on_tonic() {
    let aged = aged().await;
    let (listener, address) = listen().await;
    let guard = GuardLayer::new(fresh(Factor::Otp, Duration::from_secs(300)));
    let server = Server::builder()
        .layer(AuthLayer::new(aged.jwt).respond_with(GrpcResponder::new()))
        .layer(guard.respond_with(GrpcResponder::new()))
        .add_service(Describer)
        .serve_with_incoming(TcpListenerStream::new(listener));
    let server = tokio::spawn(server);
    let channel = tonic::transport::Channel::from_shared(format!("http://{address}"));
    let channel = channel.unwrap().connect().await.unwrap();
    let mut client = tonic::client::Grpc::new(channel);
    let mut ask = async || {
        let mut request = tonic::Request::new(());
        let bearer = aged.bearer.parse().unwrap();
        request.metadata_mut().insert("authorization", bearer);
        client.ready().await.unwrap();
        let path = http::uri::PathAndQuery::from_static("/test.Describer/Describe");
        let codec = ProstCodec::<(), String>::default();
        client.unary(request, path, codec).await
    };
    assert_eq!(ask().await.unwrap().into_inner(), "42 is Alice");
    aged.clock.advance(Duration::from_secs(2));
    let refused = ask().await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
    let challenge = refused.metadata().get("www-authenticate").unwrap();
    assert_eq!(challenge, STEP_UP);
    server.abort();
}

/// One port for both kinds of caller: a closure chooses the dialect by the request.
#[tokio::test]
async fn a_closure_serves_both_dialects_behind_one_port() {
    use tower_jam::layer::{RequestContext, Respond};
    let (engine, _) = jwt().await;
    let both = |rejection: &tower_jam::Rejection, context: &RequestContext| -> Response<Body> {
        if context.is_grpc {
            GrpcResponder::new().respond(rejection, context)
        } else {
            HttpResponder::new().respond(rejection, context)
        }
    };
    let app: Router = Router::new()
        .route("/", get(|| async {}))
        .route_layer(AuthLayer::new(engine).respond_with(both));
    let web = app
        .clone()
        .oneshot(Request::get("/").body(Body::empty()).unwrap())
        .await
        .unwrap();
    assert_eq!(web.status(), StatusCode::UNAUTHORIZED);
    let request = Request::get("/")
        .header("content-type", "application/grpc+proto")
        .body(Body::empty())
        .unwrap();
    let grpc = app.oneshot(request).await.unwrap();
    assert_eq!(
        (grpc.status(), &grpc.headers()["grpc-status"]),
        (StatusCode::OK, &HeaderValue::from_static("16"))
    );
    assert!(
        grpc.into_body()
            .collect()
            .await
            .unwrap()
            .to_bytes()
            .is_empty(),
        "trailers only"
    );
}

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// A gRPC service of one method, as `tonic-build` would generate it.
#[derive(Clone)]
struct Describer;

impl NamedService for Describer {
    const NAME: &'static str = "test.Describer";
}

type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

impl tower::Service<Request<tonic::body::Body>> for Describer {
    type Response = Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = BoxFuture<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<tonic::body::Body>) -> Self::Future {
        let method = service_fn(|request: tonic::Request<()>| async move {
            Ok::<_, Status>(tonic::Response::new(describe(request.extensions())))
        });
        Box::pin(async move {
            let mut grpc = tonic::server::Grpc::new(ProstCodec::<String, ()>::default());
            Ok(grpc.unary(method, request).await)
        })
    }
}
