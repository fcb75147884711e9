//! The responses of rejections: each kind in each dialect.

use std::convert::Infallible;

use axum::{Router, body::Body, routing};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use serde_json::{Value, json};
use tower::{ServiceBuilder, ServiceExt, service_fn};
use tower_jam::{
    Rejection, RejectionKind,
    guard::role,
    layer::{AuthLayer, GrpcResponder, GuardLayer, HttpResponder, RequestContext, Respond},
};

use crate::world::{Answer, Log, Oracle, get, refusal, request};

/// A rejection, and its response in each dialect.
struct Case {
    word: &'static str,
    status: u16,
    challenge: Option<&'static str>,
    error: Option<&'static str>,
    retry_after: Option<&'static str>,
    grpc_status: &'static str,
    level: &'static str,
}

const fn case(
    word: &'static str,
    status: u16,
    challenge: Option<&'static str>,
    error: Option<&'static str>,
    grpc_status: &'static str,
) -> Case {
    Case {
        word,
        status,
        challenge,
        error,
        retry_after: None,
        grpc_status,
        level: "DEBUG",
    }
}

const CASES: [Case; 11] = [
    case(
        "missing",
        401,
        Some(r#"Bearer realm="the acme""#),
        None,
        "16",
    ),
    case(
        "malformed",
        400,
        Some(r#"Bearer realm="the acme", error="invalid_request""#),
        Some("invalid_request"),
        "3",
    ),
    case(
        "invalid",
        401,
        Some(r#"Bearer realm="the acme", error="invalid_token""#),
        Some("invalid_token"),
        "16",
    ),
    case(
        "insufficient",
        403,
        Some(r#"Bearer realm="the acme", error="insufficient_scope""#),
        Some("insufficient_scope"),
        "7",
    ),
    case(
        "insufficient-scope",
        403,
        Some(r#"Bearer realm="the acme", error="insufficient_scope", scope="orders:write""#),
        Some("insufficient_scope"),
        "7",
    ),
    case("cross-site", 403, None, None, "7"),
    case(
        "step-up",
        401,
        Some(
            r#"Bearer realm="the acme", error="insufficient_user_authentication", max_age=300, acr_values="otp""#,
        ),
        Some("insufficient_user_authentication"),
        "16",
    ),
    case("factor-lost", 403, None, None, "7"),
    Case {
        retry_after: Some("2"),
        ..case("throttled", 429, None, None, "8")
    },
    Case {
        retry_after: Some("1"),
        level: "ERROR",
        ..case("unavailable", 503, None, None, "14")
    },
    Case {
        level: "ERROR",
        ..case("misconfigured", 500, None, None, "13")
    },
];

/// The same rejection, once from the engine and once from a guard.
fn apps<R: Respond<Body>>(responder: &R) -> [(&'static str, Router); 2] {
    let routes = || Router::new().route("/", routing::get(async || "in").post(async || "in"));
    let layer = AuthLayer::new(Oracle::new()).respond_with(responder.clone());
    let by_engine = routes().route_layer(layer);
    // The guard runs for an authenticated caller, and rejects by the role.
    let refuse = |identity: &tower_jam::Identity| Err(refusal(&identity.roles()[0]));
    let by_guard = routes()
        .route_layer(GuardLayer::new(refuse).respond_with(responder.clone()))
        .route_layer(AuthLayer::new(Anyone).respond_with(responder.clone()));
    [("engine", by_engine), ("guard", by_guard)]
}

/// Accepts every caller, with the credential as a role.
#[derive(Clone)]
struct Anyone;

impl tower_jam::Authenticate for Anyone {
    type User = String;

    fn source(&self) -> tower_jam::CredentialSource {
        tower_jam::CredentialSource::header(http::HeaderName::from_static("x-word"))
    }

    async fn authenticate(
        &self,
        presented: tower_jam::Credential,
    ) -> Result<tower_jam::Verified<String>, Rejection> {
        let subject = tower_jam::Subject::new("oracle", "anyone");
        let identity = tower_jam::Identity::new(subject, tower_jam::Timestamp::from_secs(1));
        let word = presented.expose().to_owned();
        Ok(tower_jam::Verified::new(
            identity.with_roles([word.clone()]),
            word.into(),
        ))
    }
}

#[tokio::test]
async fn each_kind_has_its_status_challenge_and_problem() {
    let responder = HttpResponder::new().with_realm("the acme").unwrap();
    let log = Log::start();
    for (origin, app) in apps(&responder) {
        for case in &CASES {
            let about = format!("{} by {origin}", case.word);
            let answer = get(&app, "/", &[("x-word", case.word.to_owned())]).await;
            assert_eq!(answer.status.as_u16(), case.status, "{about}");
            assert_eq!(answer.header("www-authenticate"), case.challenge, "{about}");
            assert_eq!(answer.header("retry-after"), case.retry_after, "{about}");
            assert_eq!(
                answer.header("content-type"),
                Some("application/problem+json")
            );
            assert_eq!(answer.header("cache-control"), Some("no-store"), "{about}");
            assert_eq!(
                answer.headers.len() - usize::from(answer.headers.contains_key("content-length")),
                2 + usize::from(case.challenge.is_some()) + usize::from(case.retry_after.is_some()),
                "{about}"
            );

            let rejection = refusal(case.word);
            let mut problem = json!({
                "type": "about:blank",
                "title": answer.status.canonical_reason(),
                "status": case.status,
                "detail": rejection.message(),
            });
            if let Some(error) = case.error {
                problem["error"] = error.into();
            }
            assert_eq!(
                serde_json::from_str::<Value>(&answer.text).unwrap(),
                problem,
                "{about}"
            );

            // The caller learns the class, the log the reason.
            let log = log.take();
            assert!(
                log.contains(rejection.reason()) && log.contains(case.level),
                "{about}: {log}"
            );
            assert!(!answer.text.contains("set by the test"), "{about}");
        }
    }
}

#[tokio::test]
async fn each_kind_has_its_grpc_status_in_the_headers_and_no_body() {
    let responder = GrpcResponder::new();
    for (origin, app) in apps(&responder) {
        for case in &CASES {
            let about = format!("{} by {origin}", case.word);
            let answer = get(&app, "/", &[("x-word", case.word.to_owned())]).await;
            assert_eq!(answer.status, StatusCode::OK, "{about}");
            assert_eq!(
                answer.header("content-type"),
                Some("application/grpc"),
                "{about}"
            );
            assert_eq!(
                answer.header("grpc-status"),
                Some(case.grpc_status),
                "{about}"
            );
            assert_eq!(
                answer.header("grpc-message"),
                Some(refusal(case.word).message())
            );
            let challenge = case.challenge.map(|text| text.replace("the acme", "api"));
            assert_eq!(
                answer.header("www-authenticate"),
                challenge.as_deref(),
                "{about}"
            );
            assert_eq!(answer.header("retry-after"), case.retry_after, "{about}");
            assert_eq!(answer.text, "", "{about}");
        }
    }
}

#[tokio::test]
async fn the_table_names_every_kind_that_there_is() {
    let words = CASES.map(|case| case.word);
    let mut kinds: Vec<_> = words
        .map(|word| match refusal(word).kind() {
            RejectionKind::Missing => 0,
            RejectionKind::Malformed => 1,
            RejectionKind::Invalid => 2,
            RejectionKind::Insufficient { .. } => 3,
            RejectionKind::CrossSite => 4,
            RejectionKind::StepUp { .. } => 5,
            RejectionKind::FactorLost => 6,
            RejectionKind::Throttled { .. } => 7,
            RejectionKind::Unavailable => 8,
            RejectionKind::Misconfigured => 9,
            other => panic!("{other:?} has no row"),
        })
        .to_vec();
    kinds.dedup();
    assert_eq!(kinds, (0..10).collect::<Vec<_>>());
}

#[tokio::test]
async fn no_invalid_credential_is_ignored_on_an_optional_route() {
    let app = Router::new()
        .route("/", routing::get(async || "in"))
        .route_layer(AuthLayer::new(Oracle::new()).optional());
    for case in &CASES {
        let answer = get(&app, "/", &[("x-word", case.word.to_owned())]).await;
        assert_eq!(answer.status.as_u16(), case.status, "{}", case.word);
    }
    // If an engine ignores the credential, the response has no error code.
    for headers in [vec![], vec![("x-word", "nobody".to_owned())]] {
        assert_eq!(get(&app, "/", &headers).await.text, "in");
    }
}

#[tokio::test]
async fn head_gets_the_headers_of_get() {
    for (_, app) in apps(&HttpResponder::new()) {
        let headers = [("x-word", "invalid".to_owned())];
        let of_get = get(&app, "/", &headers).await;
        let of_head = app.oneshot(request("HEAD", "/", &headers)).await.unwrap();
        let of_head = Answer::of(of_head).await;
        assert_eq!(of_head.status, of_get.status);
        assert_eq!(
            of_head.text, "",
            "a body would be read as the next response"
        );
        for name in ["www-authenticate", "content-type", "cache-control"] {
            assert_eq!(of_head.header(name), of_get.header(name), "{name}");
        }
    }
}

#[tokio::test]
async fn a_boxed_body_is_made_by_a_function() {
    type Boxed = UnsyncBoxBody<Bytes, Infallible>;
    let responder = HttpResponder::new().with_body(|bytes: Bytes| Full::new(bytes).boxed_unsync());
    let service = ServiceBuilder::new()
        .layer(AuthLayer::new(Oracle::new()).respond_with(responder.clone()))
        .layer(GuardLayer::new(role("alice")).respond_with(responder))
        .service(service_fn(|_: Request<Body>| async {
            Ok::<_, Infallible>(Response::new(Boxed::default()))
        }));
    for (word, status) in [("alice", 200), ("bob", 403), ("expired", 401)] {
        let get = request("GET", "/", &[("x-word", word.to_owned())]);
        let response = service.clone().oneshot(get).await.unwrap();
        assert_eq!(response.status(), status);
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body.is_empty(), status == 200, "{word}");
    }
}

#[tokio::test]
async fn a_closure_responds_freely_and_sees_the_request() {
    let responder = |rejection: &Rejection, context: &RequestContext| {
        let text = format!(
            "{} {} {}",
            rejection.grpc_code(),
            context.is_grpc,
            context.wants_html
        );
        let mut response = Response::new(Body::from(text));
        *response.status_mut() = StatusCode::IM_A_TEAPOT;
        response
    };
    for (_, app) in apps(&responder) {
        for (name, value, text) in [
            ("x-nothing", "", "16 false false"),
            ("content-type", "application/grpc", "16 true false"),
            ("content-type", "Application/GRPC+proto", "16 true false"),
            ("content-type", "application/json", "16 false false"),
            (
                "accept",
                "text/html,application/xhtml+xml;q=0.9",
                "16 false true",
            ),
            ("accept", "application/json, text/html", "16 false false"),
        ] {
            let headers = [("x-word", "invalid".to_owned()), (name, value.to_owned())];
            let answer = get(&app, "/", &headers).await;
            assert_eq!(answer.status, StatusCode::IM_A_TEAPOT);
            assert_eq!(answer.text, text, "{name}: {value}");
        }
    }
}

#[test]
fn a_realm_that_is_not_a_valid_header_is_refused() {
    for realm in ["", "a\nb", "käse", "tab\t"] {
        assert!(HttpResponder::new().with_realm(realm).is_err(), "{realm:?}");
        assert!(GrpcResponder::new().with_realm(realm).is_err(), "{realm:?}");
    }
    use tower_jam::layer::{RequestContext, Respond};
    let grpc = GrpcResponder::new().with_realm("the acme").unwrap();
    let answer: Response<Body> = grpc.respond(&Rejection::missing(), &RequestContext::default());
    assert_eq!(
        answer.headers()["www-authenticate"],
        r#"Bearer realm="the acme""#
    );
}
