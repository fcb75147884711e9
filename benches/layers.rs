//! What a layer adds to a request on an axum route, in time and allocations.
//!
//! `cargo bench -p tower-jam-benches --bench layers`. Subtract the bare route, which is the
//! baseline.

#![allow(
    clippy::unwrap_used,
    reason = "a benchmark without its set-up says nothing"
)]

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{Router, body::Body, http::Request, routing::get};
use divan::{AllocProfiler, Bencher};
use serde::{Deserialize, Serialize};
use tokio::runtime::Runtime;
use tower::ServiceExt;
use tower_jam::{
    Algorithm, AuthUser, Env, Grant, Jwt, JwtLayer, Key, KeyRing, MasterSecret, SessionLayer,
    Sessions, store::MemoryStore,
};

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

#[derive(Serialize, Deserialize)]
struct User {
    name: String,
}

fn main() {
    divan::main();
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
}

fn run(bencher: Bencher<'_, '_>, app: &Router, header: Option<(&str, &str)>) {
    let runtime = runtime();
    let ask = || {
        let mut request = Request::builder().uri("/");
        if let Some((name, value)) = header {
            request = request.header(name, value);
        }
        request.body(Body::empty()).unwrap()
    };
    let status = runtime
        .block_on(app.clone().oneshot(ask()))
        .unwrap()
        .status();
    assert_eq!(status, 200);
    bencher
        .with_inputs(|| (app.clone(), ask()))
        .bench_local_values(|(app, request)| runtime.block_on(app.oneshot(request)).unwrap());
}

#[divan::bench(sample_size = 200)]
fn bare_route(bencher: Bencher<'_, '_>) {
    run(bencher, &Router::new().route("/", get(|| async {})), None);
}

/// The minimum for a layer of this kind: a boxed future, and two values for the handler.
#[divan::bench(sample_size = 200)]
fn floor_layer(bencher: Bencher<'_, '_>) {
    #[derive(Clone)]
    struct Least<S>(S);

    type Outcome<T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send>>;

    impl<S> tower::Service<Request<Body>> for Least<S>
    where
        S: tower::Service<Request<Body>> + Clone + Send + 'static,
        S::Future: Send,
    {
        type Response = S::Response;
        type Error = S::Error;
        type Future = Outcome<S::Response, S::Error>;

        fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
            self.0.poll_ready(cx)
        }

        fn call(&mut self, mut request: Request<Body>) -> Self::Future {
            let clone = self.0.clone();
            let mut ready = std::mem::replace(&mut self.0, clone);
            Box::pin(async move {
                request.extensions_mut().insert(Arc::new(1_u8));
                request.extensions_mut().insert(Arc::new(2_u16));
                ready.call(request).await
            })
        }
    }

    let handler = |_: axum::Extension<Arc<u8>>| async {};
    run(
        bencher,
        &Router::new()
            .route("/", get(handler))
            .route_layer(tower::layer::layer_fn(Least)),
        None,
    );
}

#[divan::bench(args = [Algorithm::Hs256, Algorithm::EdDsa], sample_size = 200)]
fn jwt_layer(bencher: Bencher<'_, '_>, algorithm: Algorithm) {
    let jwt = Jwt::<User>::builder(KeyRing::new(Key::generate(algorithm).unwrap()));
    let jwt = jwt
        .issuer("https://auth.acme.dev")
        .audience("api")
        .build()
        .unwrap();
    let grant = Grant::new(
        "42",
        User {
            name: "Alice".to_owned(),
        },
    );
    let token = runtime().block_on(async { jwt.issue(grant).await.unwrap() });
    let app = Router::new()
        .route("/", get(|_: AuthUser<User>| async {}))
        .route_layer(JwtLayer::new(jwt));
    run(
        bencher,
        &app,
        Some(("authorization", &format!("Bearer {}", token.expose()))),
    );
}

#[divan::bench(sample_size = 200)]
fn session_layer(bencher: Bencher<'_, '_>) {
    let store = Arc::new(MemoryStore::new());
    let sessions = Sessions::<User>::builder(&Env::new("self", store, &MasterSecret::generate()))
        .build()
        .unwrap();
    let grant = Grant::new(
        "42",
        User {
            name: "Alice".to_owned(),
        },
    );
    let session = runtime().block_on(async { sessions.create(grant).await.unwrap() });
    let app = Router::new()
        .route("/", get(|_: AuthUser<User>| async {}))
        .route_layer(SessionLayer::new(sessions));
    run(
        bencher,
        &app,
        Some(("cookie", &format!("__Host-sid={}", session.token.expose()))),
    );
}
