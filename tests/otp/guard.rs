//! `OtpGuard` inside a layer that reads tokens: which callers pass, and the challenge of the
//! others.

use std::{sync::Arc, time::Duration};

use axum::{Json, Router, body::Body, routing::get};
use http::{HeaderName, Request};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;
use tower_jam::{
    Algorithm, AuthUser, Claims, Clock, CredentialSource, Factor, Grant, Identity, Jwt, JwtLayer,
    Key, KeyRing, Otp, OtpGuard, guard::fresh, layer::GuardLayer, otp::OtpSecret,
};

use super::{
    support::ProbeStore,
    world::{App, ISSUER, WRONG},
};

const CHALLENGE: &str = r#"Bearer realm="api", error="insufficient_user_authentication", max_age=300, acr_values="otp""#;
const MINUTE: Duration = Duration::from_secs(60);

struct Shop {
    app: App,
    probe: Arc<ProbeStore>,
    otp: Otp,
    jwt: Jwt<Claims>,
    secret: OtpSecret,
}

struct Answer {
    status: u16,
    challenge: String,
    retry_after: Option<String>,
    body: String,
}

impl Shop {
    async fn open() -> Self {
        let app = App::new();
        let (probe, otp) = app.probed();
        let (secret, _) = app.enrolled(&otp, "alice").await;
        let jwt = jwt(&app, ISSUER);
        Self {
            app,
            probe,
            otp,
            jwt,
            secret,
        }
    }

    /// A token of a user whose second factor, if any, was verified just now.
    async fn token(&self, subject: &str, otp: bool) -> String {
        let grant = Grant::new(subject, Claims::new().with("name", "Alice").unwrap());
        let grant = grant.factor(Factor::Password);
        let grant = if otp {
            grant.factor(Factor::Otp)
        } else {
            grant
        };
        self.jwt.issue(grant).await.unwrap().expose().clone()
    }

    fn routes(&self, guard: OtpGuard) -> Router {
        pay(guard).route_layer(JwtLayer::new(self.jwt.clone()))
    }
}

fn jwt(app: &App, issuer: &str) -> Jwt<Claims> {
    Jwt::builder(KeyRing::new(Key::generate(Algorithm::EdDsa).unwrap()))
        .issuer(issuer)
        .audience("api")
        .ttl(60 * MINUTE)
        .clock(app.clock.clone())
        .build()
        .unwrap()
}

/// Returns the payer, and when the code was given.
fn pay(guard: OtpGuard) -> Router {
    let pay = async |identity: Identity, user: Option<AuthUser<Claims>>| {
        let at = identity.proved_at(&Factor::Otp).map(|at| at.as_millis());
        let name = user.and_then(|user| user.get::<String>("name").unwrap());
        Json(json!({ "who": identity.subject().id(), "name": name, "otp": at }))
    };
    Router::new().route("/pay", get(pay)).route_layer(guard)
}

async fn ask(routes: &Router, headers: &[(&str, &str)]) -> Answer {
    let mut request = Request::get("/pay");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Body::empty()).unwrap();
    let response = routes.clone().oneshot(request).await.unwrap();
    let text = |name: &str| {
        let value = response.headers().get(name);
        value.map(|value| value.to_str().unwrap().to_owned())
    };
    Answer {
        status: response.status().as_u16(),
        challenge: text("www-authenticate").unwrap_or_default(),
        retry_after: text("retry-after"),
        body: {
            let body = response.into_body().collect().await.unwrap().to_bytes();
            String::from_utf8(body.to_vec()).unwrap()
        },
    }
}

#[tokio::test]
async fn a_code_adds_its_factor_to_the_identity_and_a_missing_one_is_challenged() {
    let shop = Shop::open().await;
    let routes = shop.routes(OtpGuard::new(shop.otp.clone()).within(5 * MINUTE));
    let bearer = format!("Bearer {}", shop.token("alice", false).await);
    let bearer = ("authorization", &*bearer);

    let refused = ask(&routes, &[bearer]).await;
    assert_eq!((refused.status, &*refused.challenge), (401, CHALLENGE));
    let code = shop.app.code(&shop.secret);
    let granted = ask(&routes, &[bearer, ("x-otp", &code)]).await;
    assert_eq!(granted.status, 200);
    let payment: Value = serde_json::from_str(&granted.body).unwrap();
    let now = shop.app.clock.now().as_millis();
    assert_eq!(
        payment,
        json!({ "who": "alice", "name": "Alice", "otp": now })
    );

    let again = ask(&routes, &[bearer, ("x-otp", &code)]).await;
    assert_eq!((again.status, &*again.challenge), (401, CHALLENGE));
    let without = ask(&routes, &[bearer]).await;
    assert_eq!(without.status, 401, "a token does not store the proof");
}

/// A wrong code leaves the token valid, so the challenge must not make clients discard it.
#[tokio::test]
async fn wrong_used_malformed_and_unenrolled_have_one_step_up_response_and_a_lock_is_429() {
    let shop = Shop::open().await;
    let routes = shop.routes(OtpGuard::new(shop.otp.clone()));
    let alice = format!("Bearer {}", shop.token("alice", false).await);
    let bob = format!("Bearer {}", shop.token("bob", false).await);
    let code = shop.app.code(&shop.secret);
    assert_eq!(
        ask(&routes, &[("authorization", &alice), ("x-otp", &code)])
            .await
            .status,
        200
    );
    let mut bodies = Vec::new();
    for (bearer, code) in [
        (&alice, &*code),
        (&alice, WRONG),
        (&alice, ""),
        (&alice, "12345 6"),
        (&alice, "+12345"),
        (&alice, &code[1..]),
        (&bob, "123456"),
    ] {
        let refused = ask(&routes, &[("authorization", bearer), ("x-otp", code)]).await;
        assert_eq!(
            (refused.status, &*refused.challenge),
            (401, CHALLENGE),
            "{code}"
        );
        bodies.push(refused.body);
    }
    assert!(bodies.iter().all(|body| *body == bodies[0]));
    let code = shop.app.next_code(&shop.secret);
    let locked = ask(&routes, &[("authorization", &alice), ("x-otp", &code)]).await;
    assert_eq!(locked.status, 429);
    assert_eq!(locked.retry_after.as_deref(), Some("810"));
}

#[tokio::test]
async fn a_proof_is_accepted_until_it_expires_and_is_never_younger_than_the_login() {
    let shop = Shop::open().await;
    let routes = shop.routes(OtpGuard::new(shop.otp.clone()).within(5 * MINUTE));
    let bearer = format!("Bearer {}", shop.token("alice", true).await);
    let headers = [("authorization", &*bearer)];
    let calls = shop.probe.calls();
    assert_eq!(ask(&routes, &headers).await.status, 200);
    shop.app.clock.advance(Duration::from_secs(299));
    assert_eq!(ask(&routes, &headers).await.status, 200);
    assert_eq!(
        shop.probe.calls(),
        calls,
        "a fresh proof needs no store call"
    );
    shop.app.clock.advance(Duration::from_secs(2));
    let refused = ask(&routes, &headers).await;
    assert_eq!((refused.status, &*refused.challenge), (401, CHALLENGE));
}

#[tokio::test]
async fn layers_that_are_stacked_wrongly_are_500() {
    let shop = Shop::open().await;
    let guard = || OtpGuard::new(shop.otp.clone());
    let code = shop.app.code(&shop.secret);
    for headers in [&[][..], &[("x-otp", &*code)]] {
        assert_eq!(ask(&pay(guard()), headers).await.status, 500);
    }
    // An identity of another issuer is another person, whatever its id is.
    let elsewhere = jwt(&shop.app, "https://elsewhere");
    let grant = Grant::new("alice", Claims::new()).factor(Factor::Otp);
    let token = elsewhere.issue(grant).await.unwrap();
    let routes = pay(guard()).route_layer(JwtLayer::new(elsewhere));
    let bearer = format!("Bearer {}", token.expose());
    for headers in [
        &[("authorization", &*bearer)][..],
        &[("authorization", &*bearer), ("x-otp", &*code)],
    ] {
        assert_eq!(ask(&routes, headers).await.status, 500);
    }
}

/// A caller without a credential behind an optional layer is asked for one, and gets no internal
/// error.
#[tokio::test]
async fn an_anonymous_caller_behind_an_optional_layer_is_asked_to_log_in() {
    let shop = Shop::open().await;
    let outer = jwt(&shop.app, ISSUER);
    let routes = pay(OtpGuard::new(shop.otp.clone())).route_layer(JwtLayer::new(outer).optional());
    let code = shop.app.code(&shop.secret);
    let calls = shop.probe.calls();
    for headers in [&[][..], &[("x-otp", &*code)]] {
        let refused = ask(&routes, headers).await;
        assert_eq!(
            (refused.status, &*refused.challenge),
            (401, "Bearer realm=\"api\"")
        );
    }
    assert_eq!(shop.probe.calls(), calls);
}

#[tokio::test]
async fn the_header_can_be_another_one_and_there_is_one_of_it() {
    let shop = Shop::open().await;
    let source = CredentialSource::header(HeaderName::from_static("x-second-factor"));
    let routes = shop.routes(OtpGuard::new(shop.otp.clone()).read_from(source));
    let bearer = format!("Bearer {}", shop.token("alice", false).await);
    let bearer = ("authorization", &*bearer);
    let code = shop.app.code(&shop.secret);
    assert_eq!(ask(&routes, &[bearer, ("x-otp", &code)]).await.status, 401);
    let twice = [
        bearer,
        ("x-second-factor", &*code),
        ("x-second-factor", &*code),
    ];
    assert_eq!(ask(&routes, &twice).await.status, 400);
    assert_eq!(
        ask(&routes, &[bearer, ("x-second-factor", &code)])
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn an_unavailable_store_is_503_and_the_code_stays_valid() {
    let shop = Shop::open().await;
    let routes = shop.routes(OtpGuard::new(shop.otp.clone()));
    let bearer = format!("Bearer {}", shop.token("alice", false).await);
    let code = shop.app.code(&shop.secret);
    let headers = [("authorization", &*bearer), ("x-otp", &*code)];
    for call in 1..=2 {
        shop.probe.fail_at(call, false);
        assert_eq!(ask(&routes, &headers).await.status, 503);
    }
    assert_eq!(ask(&routes, &headers).await.status, 200);
}

#[tokio::test]
async fn a_guard_inside_sees_the_code_that_was_just_given() {
    let shop = Shop::open().await;
    let routes = Router::new()
        .route("/pay", get(async || ()))
        .route_layer(GuardLayer::new(fresh(Factor::Otp, MINUTE)))
        .route_layer(OtpGuard::new(shop.otp.clone()))
        .route_layer(JwtLayer::new(shop.jwt.clone()));
    let bearer = format!("Bearer {}", shop.token("alice", true).await);
    let bearer = ("authorization", &*bearer);
    shop.app.clock.advance(2 * MINUTE);
    let refused = ask(&routes, &[bearer]).await;
    assert!(
        refused.challenge.contains("max_age=60, "),
        "two minutes exceed one"
    );
    let code = shop.app.code(&shop.secret);
    assert_eq!(ask(&routes, &[bearer, ("x-otp", &code)]).await.status, 200);
}
