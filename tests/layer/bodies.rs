//! Bodies pass through unchanged, and a rejection comes before they are read.

use std::{
    collections::VecDeque,
    convert::Infallible,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use axum::{Json, Router, body::Body, routing::post};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tower::{ServiceBuilder, ServiceExt, service_fn};
use tower_jam::{
    guard::role,
    layer::{AuthLayer, GuardLayer, HttpResponder},
};

use crate::world::{Oracle, request};

/// A body of some frames that counts how often it is polled.
struct CountedBody {
    frames: VecDeque<Frame<Bytes>>,
    hint: SizeHint,
    polls: Arc<AtomicUsize>,
}

impl CountedBody {
    fn new(frames: impl IntoIterator<Item = Frame<Bytes>>) -> (Self, Arc<AtomicUsize>) {
        let polls = Arc::new(AtomicUsize::new(0));
        let mut hint = SizeHint::new();
        hint.set_lower(3);
        hint.set_upper(4711);
        let body = Self {
            frames: frames.into_iter().collect(),
            hint,
            polls: Arc::clone(&polls),
        };
        (body, polls)
    }
}

impl HttpBody for CountedBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.polls.fetch_add(1, Ordering::SeqCst);
        Poll::Ready(self.frames.pop_front().map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        self.frames.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        self.hint
    }
}

fn frames() -> Vec<Frame<Bytes>> {
    let mut trailers = HeaderMap::new();
    trailers.insert("x-checksum", HeaderValue::from_static("abc"));
    vec![
        Frame::data(Bytes::from_static(b"one")),
        Frame::data(Bytes::new()),
        Frame::data(Bytes::from_static(b"three")),
        Frame::trailers(trailers),
    ]
}

fn as_(word: &'static str, body: CountedBody) -> Request<CountedBody> {
    Request::post("/")
        .header("x-word", word)
        .body(body)
        .unwrap()
}

/// Returns the request's body, unread.
fn echo() -> impl tower::Service<
    Request<CountedBody>,
    Response = Response<CountedBody>,
    Error = Infallible,
    Future: Send,
> + Clone
+ Send {
    let to_body = |bytes: Bytes| CountedBody::new([Frame::data(bytes)]).0;
    let responder = HttpResponder::new().with_body(to_body);
    ServiceBuilder::new()
        .layer(AuthLayer::new(Oracle::new()).respond_with(responder.clone()))
        .layer(GuardLayer::new(role("alice")).respond_with(responder))
        .service(service_fn(|request: Request<CountedBody>| async {
            Ok(Response::new(request.into_body()))
        }))
}

#[tokio::test]
async fn a_stream_arrives_frame_by_frame_with_its_trailers() {
    let (body, polls) = CountedBody::new(frames());
    let response = echo().oneshot(as_("alice", body)).await.unwrap();
    assert_eq!(polls.load(Ordering::SeqCst), 0, "not read so far");

    let mut body = response.into_body();
    assert_eq!(
        (body.size_hint().lower(), body.size_hint().upper()),
        (3, Some(4711))
    );
    for expected in frames() {
        assert!(!body.is_end_stream());
        let frame = body.frame().await.unwrap().unwrap();
        assert_eq!(frame.data_ref(), expected.data_ref());
        assert_eq!(frame.trailers_ref(), expected.trailers_ref());
    }
    assert!(body.is_end_stream());
    assert!(body.frame().await.is_none());
    assert_eq!(polls.load(Ordering::SeqCst), 5);
}

#[tokio::test]
async fn a_refusal_never_reads_the_body() {
    for (word, status) in [
        ("malformed", StatusCode::BAD_REQUEST),
        ("expired", StatusCode::UNAUTHORIZED),
        ("bob", StatusCode::FORBIDDEN),
    ] {
        let (body, polls) = CountedBody::new(frames());
        let response = echo().oneshot(as_(word, body)).await.unwrap();
        assert_eq!(response.status(), status, "{word}");
        assert_eq!(polls.load(Ordering::SeqCst), 0, "{word}");
    }
}

#[tokio::test]
async fn a_guard_decides_before_the_body_is_read_as_json() {
    let handler = async |Json(text): Json<String>| text;
    let app: Router = Router::new()
        .route("/", post(handler))
        .route_layer(GuardLayer::new(role("alice")))
        .route_layer(AuthLayer::new(Oracle::new()));
    for (word, body, status) in [
        ("alice", "\"fine\"", StatusCode::OK),
        ("alice", "nonsense", StatusCode::BAD_REQUEST),
        ("bob", "nonsense", StatusCode::FORBIDDEN),
        ("bob", "\"fine\"", StatusCode::FORBIDDEN),
        ("expired", "nonsense", StatusCode::UNAUTHORIZED),
    ] {
        let headers = [
            ("x-word", word.to_owned()),
            ("content-type", "application/json".to_owned()),
        ];
        let request = request("POST", "/", &headers).map(|_| Body::from(body));
        let answer = app.clone().oneshot(request).await.unwrap();
        assert_eq!(answer.status(), status, "{word} {body}");
    }
}
