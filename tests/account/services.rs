//! What services learn about tokens that they introspect.

use std::{sync::Arc, time::Duration};

use base64_simd::STANDARD;
use serde_json::{Value, json};
use tower_jam::{
    Clock, Secret, SystemClock, routes::AccountRoutes, store::MemoryStore, testing::ManualClock,
};

use super::{support::ProbeStore, world::*};

pub const SECRET: &str = "a-secret-of-the-service-of-enough-length";
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

fn with_service(world: &World) -> axum::Router {
    let secret = Secret::new(SECRET.to_owned());
    let routes = AccountRoutes::builder(world.accounts.clone());
    world.mount(routes.service("billing", &secret).unwrap().build())
}

fn basic(id: &str, secret: &str) -> String {
    format!(
        "Basic {}",
        STANDARD.encode_to_string(format!("{id}:{secret}"))
    )
}

pub async fn ask(app: &axum::Router, path: &str, token: &str) -> Answer {
    let authorization = basic("billing", SECRET);
    let headers = [FORM, ("authorization", authorization.as_str())];
    send(
        app,
        "POST",
        path,
        &headers,
        format!("token={token}&token_type_hint=whatever"),
    )
    .await
}

/// Introspects a token with the hint that it is a refresh token.
async fn ask_refresh(app: &axum::Router, token: &str) -> Value {
    let authorization = basic("billing", SECRET);
    let headers = [FORM, ("authorization", authorization.as_str())];
    let body = format!("token={token}&token_type_hint=refresh_token");
    let answer = send(app, "POST", "/introspect", &headers, body).await;
    assert_eq!(answer.status, 200);
    answer.json()
}

fn bare(pair: &Pair) -> &str {
    pair.bearer.strip_prefix("Bearer ").unwrap()
}

#[tokio::test]
async fn a_service_can_introspect_and_revoke_a_token() {
    let world = world().await;
    let app = with_service(&world);
    let (one, two) = (world.login().await, world.login().await);
    let answer = ask(&app, "/introspect", bare(&one)).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.headers["cache-control"], "no-store");
    let known = answer.json();
    let now = world.clock.now().as_secs();
    assert_eq!(known["active"], true);
    assert_eq!(known["token_type"], "Bearer");
    assert_eq!(
        (&known["sub"], &known["iss"]),
        (&json!(world.alice), &json!("https://auth.acme.dev"))
    );
    assert_eq!(known["exp"], now + 900);
    assert!(known["jti"].is_string() && known["sid"].is_string());
    assert_eq!(known["aud"], "api");
    // A service that admits every active token must not see a refresh token as active.
    assert_eq!(
        ask(&app, "/introspect", &one.refresh).await.json(),
        json!({ "active": false })
    );
    let refresh = ask_refresh(&app, &one.refresh).await;
    assert_eq!(
        (&refresh["active"], &refresh["sid"]),
        (&json!(true), &known["sid"])
    );
    assert!(refresh.get("token_type").is_none());

    // A replaced refresh token is valid within its grace, and then no longer.
    let next = Pair::of(&post(&app, "/refresh", &[], two.body()).await);
    assert_eq!(ask_refresh(&app, &two.refresh).await["active"], true);
    world.clock.advance(Duration::from_secs(11));
    let inactive = json!({ "active": false });
    assert_eq!(ask_refresh(&app, &two.refresh).await, inactive);
    assert_eq!(ask_refresh(&app, &next.refresh).await["active"], true);

    for worthless in [
        "",
        "x",
        "a.b.c",
        &format!("{}x", one.refresh),
        &"A".repeat(9_000),
    ] {
        assert_eq!(
            ask(&app, "/introspect", worthless).await.json(),
            inactive,
            "{worthless}"
        );
        assert_eq!(ask(&app, "/revoke", worthless).await.status, 200);
    }

    // Either token of a device revokes both of them, and no other device.
    assert_eq!(ask(&app, "/revoke", bare(&one)).await.status, 200);
    for token in [bare(&one), &one.refresh] {
        assert_eq!(ask(&app, "/introspect", token).await.json(), inactive);
    }
    assert_eq!(ask_refresh(&app, &next.refresh).await["active"], true);
    assert_eq!(ask(&app, "/revoke", &next.refresh).await.status, 200);
    assert_eq!(ask(&app, "/introspect", bare(&next)).await.json(), inactive);
    assert_eq!(
        ask(&app, "/revoke", &next.refresh).await.status,
        200,
        "once more"
    );
    let three = world.login().await;
    world.clock.advance(Duration::from_secs(931));
    assert_eq!(
        ask(&app, "/introspect", bare(&three)).await.json(),
        inactive
    );
}

#[tokio::test]
async fn only_a_known_service_may_ask() {
    let world = world().await;
    let app = with_service(&world);
    let pair = world.login().await;
    let form = format!("token={}", pair.refresh);
    for authorization in [
        String::new(),
        pair.bearer.clone(),
        basic("billing", "another-secret-of-the-service-of-length"),
        basic("other", SECRET),
        basic("billing", ""),
        basic("", ""),
        "Basic !!!".to_owned(),
        format!("Basic {}", STANDARD.encode_to_string("billing")),
        basic("billing", &SECRET[1..]),
    ] {
        for path in ["/introspect", "/revoke"] {
            let headers = [FORM, ("authorization", authorization.as_str())];
            let answer = send(&app, "POST", path, &headers, form.clone()).await;
            assert_eq!(answer.status, 401, "{authorization}");
            assert!(
                answer.headers["www-authenticate"]
                    .to_str()
                    .unwrap()
                    .starts_with("Basic")
            );
            assert!(!answer.text.contains("active"));
        }
    }
    assert_eq!(
        post(&app, "/refresh", &[], pair.body()).await.status,
        200,
        "nothing was revoked"
    );
    // Without a service these routes do not exist.
    assert_eq!(ask(&world.app(), "/introspect", "x").await.status, 404);
    let refused = |id: &str, secret: &str| {
        let routes = AccountRoutes::builder(world.accounts.clone());
        routes.service(id, &Secret::new(secret.to_owned())).is_err()
    };
    assert!(refused("billing", "short") && refused("", SECRET) && refused("a:b", SECRET));
    assert!(refused("billing", &format!("{SECRET} ")));
    let authorization = basic("billing", SECRET);
    let headers = [FORM, ("authorization", authorization.as_str())];
    assert_eq!(
        send(&app, "POST", "/introspect", &headers, "tokens=x".into())
            .await
            .status,
        400
    );
}

/// An unavailable store must not be reported as an invalid token.
#[tokio::test]
async fn an_unavailable_store_does_not_make_a_token_inactive() {
    let clock = Arc::new(ManualClock::at(SystemClock.now()));
    let store = Arc::new(ProbeStore::new(
        MemoryStore::new().with_clock(clock.clone()),
    ));
    let world = world_on(store.clone(), clock).await;
    let app = with_service(&world);
    let pair = world.login().await;
    store.set_down(true);
    for token in [bare(&pair), &pair.refresh] {
        for path in ["/introspect", "/revoke"] {
            assert_eq!(ask(&app, path, token).await.status, 503, "{path}");
        }
    }
    store.set_down(false);
    assert_eq!(ask_refresh(&app, &pair.refresh).await["active"], true);
}
