//! The contract of tower: readiness, permits, errors, other callers, and cancellation.

use std::{
    convert::Infallible,
    error::Error,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use axum::body::Body;
use http::{Request, Response, StatusCode};
use tokio::sync::Notify;
use tower::{
    BoxError, Service, ServiceBuilder, ServiceExt, buffer::BufferLayer,
    limit::ConcurrencyLimitLayer, load_shed::LoadShedLayer, service_fn, timeout::TimeoutLayer,
};
use tower_jam::{
    JwtLayer, SessionLayer,
    guard::role,
    layer::{AuthLayer, GuardLayer},
};

use crate::{
    support::{abandon_after, pause},
    world::{Oracle, World, request},
};

/// As tower-service documents it: readiness belongs to one value, not to its clones.
struct ReadyOnce {
    is_ready: bool,
    calls: Arc<AtomicUsize>,
}

impl ReadyOnce {
    fn new() -> (Self, Arc<AtomicUsize>) {
        let calls = Arc::new(AtomicUsize::new(0));
        let fussy = Self {
            is_ready: false,
            calls: Arc::clone(&calls),
        };
        (fussy, calls)
    }
}

impl Clone for ReadyOnce {
    fn clone(&self) -> Self {
        Self {
            is_ready: false,
            calls: Arc::clone(&self.calls),
        }
    }
}

impl Service<Request<Body>> for ReadyOnce {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.is_ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Body>) -> Self::Future {
        assert!(
            std::mem::take(&mut self.is_ready),
            "called before it was ready"
        );
        self.calls.fetch_add(1, Ordering::SeqCst);
        std::future::ready(Ok(Response::new(Body::empty())))
    }
}

fn as_(word: &str) -> Request<Body> {
    request("POST", "/", &[("x-word", word.to_owned())])
}

#[tokio::test]
async fn only_the_ready_service_is_called() {
    let (fussy, calls) = ReadyOnce::new();
    let auth = AuthLayer::new(Oracle::new());
    let guard = GuardLayer::new(role("alice"));
    let mut service = ServiceBuilder::new()
        .layer(auth.clone())
        .layer(guard.clone())
        .layer(auth)
        .layer(guard)
        .service(fussy);
    let mut expected = 0;
    for word in ["alice", "bob", "alice", "expired", "alice", "alice"] {
        let ready = service.ready().await.unwrap();
        let bystander = ready.clone();
        let answer = ready.call(as_(word)).await.unwrap();
        expected += usize::from(word == "alice");
        assert_eq!(answer.status() == StatusCode::OK, word == "alice", "{word}");
        // The clone made meanwhile works as well, once it is ready.
        assert!(bystander.oneshot(as_("alice")).await.is_ok());
        expected += 1;
    }
    assert_eq!(calls.load(Ordering::SeqCst), expected);
}

#[tokio::test]
async fn a_rejected_request_never_reaches_the_service_and_releases_its_permit() {
    let (fussy, calls) = ReadyOnce::new();
    let mut service = ServiceBuilder::new()
        .layer(AuthLayer::new(Oracle::new()))
        .layer(GuardLayer::new(role("alice")))
        .concurrency_limit(1)
        .service(fussy);
    let other = service.clone();
    for round in 0..50 {
        // One is rejected by the engine, one by the guard.
        for word in ["expired", "bob"] {
            let answer = service
                .ready()
                .await
                .unwrap()
                .call(as_(word))
                .await
                .unwrap();
            assert_ne!(answer.status(), StatusCode::OK);
            let answer = service.clone().oneshot(as_(word)).await.unwrap();
            assert_ne!(answer.status(), StatusCode::OK);
        }
        assert!(is_free(&other), "round {round}");
    }
    assert_eq!(calls.load(Ordering::SeqCst), 0);
    let answer = other.oneshot(as_("alice")).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
}

/// Whether a clone becomes ready at once, which takes a permit and releases it.
fn is_free<S: Service<Request<Body>> + Clone>(service: &S) -> bool {
    let mut cx = Context::from_waker(Waker::noop());
    service.clone().poll_ready(&mut cx).is_ready()
}

#[tokio::test]
async fn a_request_in_flight_holds_the_permit_and_the_next_one_waits() {
    let gate = Arc::new(Notify::new());
    let opened = Arc::clone(&gate);
    let service = ServiceBuilder::new()
        .layer(AuthLayer::new(Oracle::new()))
        .layer(GuardLayer::new(role("alice")))
        .concurrency_limit(1)
        .service(service_fn(move |_: Request<Body>| {
            let gate = Arc::clone(&gate);
            async move {
                gate.notified().await;
                Ok::<_, Infallible>(Response::new(Body::empty()))
            }
        }));
    let mut first = Box::pin(service.clone().oneshot(as_("alice")));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(first.as_mut().poll(&mut cx).is_pending());
    let mut second = Box::pin(service.clone().oneshot(as_("alice")));
    assert!(second.as_mut().poll(&mut cx).is_pending());
    assert!(!is_free(&service));

    opened.notify_one();
    assert!(first.as_mut().poll(&mut cx).is_ready());
    drop(first);
    assert!(
        second.as_mut().poll(&mut cx).is_pending(),
        "in flight by now"
    );
    opened.notify_one();
    assert!(second.as_mut().poll(&mut cx).is_ready());
    drop(second);
    assert!(is_free(&service));
}

#[tokio::test]
async fn a_service_that_is_not_ready_is_waited_for_and_its_failure_passed_on() {
    #[derive(Clone)]
    struct Slow(Arc<AtomicBool>);

    impl Service<Request<Body>> for Slow {
        type Response = Response<Body>;
        type Error = Broken;
        type Future = std::future::Ready<Result<Self::Response, Broken>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Broken>> {
            if self.0.load(Ordering::SeqCst) {
                Poll::Ready(Err(Broken(1)))
            } else {
                Poll::Pending
            }
        }

        fn call(&mut self, _: Request<Body>) -> Self::Future {
            unreachable!("it never becomes ready")
        }
    }

    let is_broken = Arc::new(AtomicBool::new(false));
    let mut service = ServiceBuilder::new()
        .layer(AuthLayer::new(Oracle::new()))
        .layer(GuardLayer::new(role("alice")))
        .service(Slow(Arc::clone(&is_broken)));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(service.poll_ready(&mut cx).is_pending());
    is_broken.store(true, Ordering::SeqCst);
    let Poll::Ready(Err(error)) = service.poll_ready(&mut cx) else {
        panic!("the failure must be passed on");
    };
    assert_eq!(error, Broken(1));
}

#[derive(Debug, PartialEq)]
struct Broken(u32);

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "broken {}", self.0)
    }
}

impl Error for Broken {}

#[tokio::test]
async fn an_error_of_the_service_keeps_its_type_and_value() {
    let layers = || {
        ServiceBuilder::new()
            .layer(AuthLayer::new(Oracle::new()))
            .layer(GuardLayer::new(role("alice")))
    };
    let broken =
        layers().service_fn(|_: Request<Body>| async { Err::<Response<Body>, _>(Broken(7)) });
    let answer: Result<_, Broken> = broken.oneshot(as_("alice")).await;
    assert_eq!(answer.unwrap_err(), Broken(7));

    let boxed = layers()
        .service_fn(|_: Request<Body>| async { Err::<Response<Body>, BoxError>(Broken(8).into()) });
    let answer: Result<_, BoxError> = boxed.oneshot(as_("alice")).await;
    assert_eq!(answer.unwrap_err().downcast_ref(), Some(&Broken(8)));
}

#[tokio::test]
async fn a_timeout_inside_or_outside_is_reported_as_a_timeout() {
    let never = |_: Request<Body>| std::future::pending::<Result<Response<Body>, Infallible>>();
    let auth = AuthLayer::new(Oracle::new());
    let guard = GuardLayer::new(role("alice"));
    let inside = ServiceBuilder::new()
        .layer(auth.clone())
        .layer(guard.clone())
        .timeout(Duration::ZERO)
        .service_fn(never);
    let error: BoxError = inside.clone().oneshot(as_("alice")).await.unwrap_err();
    assert!(error.is::<tower::timeout::error::Elapsed>(), "{error}");
    let refused = inside.oneshot(as_("expired")).await.unwrap();
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);

    let outside = ServiceBuilder::new()
        .timeout(Duration::ZERO)
        .layer(auth)
        .layer(guard)
        .service_fn(never);
    let error: BoxError = outside.oneshot(as_("alice")).await.unwrap_err();
    assert!(error.is::<tower::timeout::error::Elapsed>(), "{error}");
}

#[tokio::test]
async fn each_neighbour_works_on_either_side() {
    let layers = || {
        ServiceBuilder::new()
            .layer(AuthLayer::new(Oracle::new()))
            .layer(GuardLayer::new(role("alice")))
    };
    macro_rules! on_either_side {
        ($($neighbour:expr),* $(,)?) => {$(
            serves(stringify!($neighbour), ServiceBuilder::new().layer($neighbour).layer(layers()).service(ReadyOnce::new().0)).await;
            serves(stringify!($neighbour), layers().layer($neighbour).service(ReadyOnce::new().0)).await;
        )*};
    }
    let patience = Duration::from_secs(60);
    on_either_side!(
        ConcurrencyLimitLayer::new(1),
        TimeoutLayer::new(patience),
        LoadShedLayer::new(),
        BufferLayer::new(1),
    );
    // All of them around and below, as a real server stacks them.
    let all = ServiceBuilder::new()
        .buffer(4)
        .load_shed()
        .concurrency_limit(1)
        .timeout(patience)
        .layer(layers())
        .buffer(4)
        .load_shed()
        .concurrency_limit(1)
        .timeout(patience)
        .service(ReadyOnce::new().0);
    serves("all", all).await;
}

async fn serves<S>(neighbour: &str, mut service: S)
where
    S: Service<Request<Body>, Response = Response<Body>> + Clone,
    S::Error: Into<BoxError> + fmt::Debug,
{
    for _ in 0..3 {
        for (word, status) in [
            ("alice", StatusCode::OK),
            ("bob", StatusCode::FORBIDDEN),
            ("expired", StatusCode::UNAUTHORIZED),
        ] {
            let answer = service
                .ready()
                .await
                .unwrap()
                .call(as_(word))
                .await
                .unwrap();
            assert_eq!(answer.status(), status, "{neighbour}: {word}");
            let answer = service.clone().oneshot(as_(word)).await.unwrap();
            assert_eq!(answer.status(), status, "{neighbour}: {word}");
        }
    }
}

/// A caller may be cancelled at every await: while the store is read, while the handler runs, while
/// the last use is recorded. The next caller finds the service unchanged.
#[tokio::test]
async fn a_cancelled_caller_releases_the_permit_and_keeps_the_session() {
    let world = World::pausing().await;
    let mut service = ServiceBuilder::new()
        .layer(SessionLayer::new(world.sessions.clone()))
        .layer(GuardLayer::new(role("writer")))
        .concurrency_limit(1)
        .service(service_fn(|_: Request<Body>| async {
            pause().await;
            pause().await;
            Ok::<_, Infallible>(Response::new(Body::empty()))
        }));
    let other = service.clone();
    let mut needed = None;
    for polls in 0..20 {
        // So late that each request records the use of the session.
        world.clock.advance(Duration::from_secs(600));
        let ready = service.ready().await.unwrap();
        let answer = abandon_after(polls, ready.call(request("POST", "/", &[world.cookie()])));
        if answer.is_some() {
            needed.get_or_insert(polls);
        }
        assert!(is_free(&other), "{polls} polls");
        let answer = other
            .clone()
            .oneshot(request("GET", "/", &[world.cookie()]))
            .await;
        assert_eq!(answer.unwrap().status(), StatusCode::OK, "{polls} polls");
    }
    let needed = needed.expect("twenty polls are enough");
    assert!(needed > 4, "it was cancelled at only {needed} awaits");

    // A token is verified without an await, so the only await is in the handler.
    let service = ServiceBuilder::new()
        .layer(JwtLayer::new(world.jwt.clone()))
        .concurrency_limit(1)
        .service(service_fn(|_: Request<Body>| async {
            pause().await;
            Ok::<_, Infallible>(Response::new(Body::empty()))
        }));
    for polls in 0..4 {
        abandon_after(
            polls,
            service
                .clone()
                .oneshot(request("GET", "/", &[world.bearer()])),
        );
        assert!(is_free(&service), "{polls} polls");
    }
}
