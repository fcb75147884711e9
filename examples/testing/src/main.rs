//! How an application tests itself with `tower_jam::testing`: its own router and the real engines,
//! without a server and without sleeping.
//!
//! `cargo test -p example-testing`

#![allow(clippy::print_stdout, reason = "an example talks to its reader")]
#![allow(clippy::unwrap_used, reason = "in a test it is an assertion")]

use axum::{
    Json, Router,
    routing::{get, post},
};
use tower_jam::{
    AuthUser, Authenticate, Claims, Identity, Jwt, JwtLayer, Session, SessionLayer, Sessions,
    guard::role,
    layer::{AuthLayer, GuardLayer},
};

/// Returns the application. A program takes the engines from its configuration; here, as in the
/// tests, they come from a `TestJam`.
fn app(jwt: Jwt<Claims>, sessions: Sessions<Claims>) -> Router {
    let pages = Router::new()
        .route("/me", get(|user: AuthUser<Claims>| async { Json(user) }))
        .route(
            "/name",
            get(|who: Identity| async move { who.subject().id().to_owned() }),
        )
        .route_layer(AuthLayer::new(jwt.clone().or(sessions.clone())));
    let admin = Router::new()
        .route("/admin", get(|| async { "hello" }))
        .route_layer(GuardLayer::new(role("admin")))
        .route_layer(JwtLayer::new(jwt));
    let logout = Router::new()
        .route(
            "/logout",
            post(|session: Session| async move { session.logout().await }),
        )
        .route_layer(SessionLayer::new(sessions));
    pages.merge(admin).merge(logout)
}

fn main() {
    let jam = tower_jam::testing::TestJam::<Claims>::new();
    let _app = app(jam.jwt().clone(), jam.sessions().clone());
    println!("run the tests: cargo test -p example-testing");
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::{
        Router,
        body::Body,
        http::{Request, StatusCode, header, request::Builder},
    };
    use tower::ServiceExt;
    use tower_jam::{
        Claims, Grant,
        testing::{Failure, Foreign, TestJam, bearer},
    };

    fn world() -> (TestJam, Router) {
        let jam = TestJam::new();
        let app = super::app(jam.jwt().clone(), jam.sessions().clone());
        (jam, app)
    }

    fn alice() -> Grant<Claims> {
        Grant::new("alice", Claims::new())
    }

    async fn status(app: &Router, request: Builder, uri: &str) -> StatusCode {
        let request = request.uri(uri).body(Body::empty()).unwrap();
        app.clone().oneshot(request).await.unwrap().status()
    }

    #[tokio::test]
    async fn a_token_and_a_session_are_accepted_by_the_same_page() {
        let (jam, app) = world();
        assert_eq!(status(&app, jam.bearer(alice()).await, "/name").await, 200);
        assert_eq!(
            status(&app, jam.in_session(alice()).await, "/name").await,
            200
        );
        assert_eq!(status(&app, Request::builder(), "/name").await, 401);
    }

    #[tokio::test]
    async fn a_page_for_administrators_refuses_others() {
        let (jam, app) = world();
        assert_eq!(status(&app, jam.bearer(alice()).await, "/admin").await, 403);
        let admin = alice().roles(["admin"]);
        assert_eq!(status(&app, jam.bearer(admin).await, "/admin").await, 200);
    }

    #[tokio::test]
    async fn an_expired_token_and_those_of_other_issuers_are_rejected() {
        let (jam, app) = world();
        let mut bad = vec![jam.expired_token(alice()).await];
        for foreign in [Foreign::Key, Foreign::Audience, Foreign::Issuer] {
            bad.push(jam.foreign_token(alice(), foreign).await);
        }
        for token in bad {
            assert_eq!(status(&app, bearer(token.expose()), "/me").await, 401);
        }
    }

    #[tokio::test]
    async fn a_session_expires_after_half_an_hour_without_use() {
        let (jam, app) = world();
        let request = jam.in_session(alice()).await;
        let cookie = request.headers_ref().unwrap()[header::COOKIE].clone();
        let again = || Request::builder().header(header::COOKIE, cookie.clone());
        jam.clock().advance(Duration::from_secs(29 * 60));
        assert_eq!(status(&app, again(), "/name").await, 200);
        jam.clock().advance(Duration::from_secs(31 * 60));
        assert_eq!(status(&app, again(), "/name").await, 401);
    }

    #[tokio::test]
    async fn an_unavailable_store_logs_no_user_out() {
        let (jam, app) = world();
        let request = jam.in_session(alice()).await;
        let cookie = request.headers_ref().unwrap()[header::COOKIE].clone();
        let again = || Request::builder().header(header::COOKIE, cookie.clone());
        jam.store().fail(Failure::Away);
        assert_eq!(status(&app, again(), "/name").await, 503);
        jam.store().recover();
        assert_eq!(status(&app, again(), "/name").await, 200);
    }
}
