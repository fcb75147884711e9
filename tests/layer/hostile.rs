//! No header makes a layer panic or respond with a 5xx.

use axum::{Router, body::Body, routing};
use http::{HeaderName, HeaderValue, Method, Request};
use proptest::{
    collection::vec,
    prelude::*,
    sample::select,
    test_runner::{Config, TestRunner},
};
use tower::ServiceExt;
use tower_jam::{
    AuthUser, Authenticate, Identity,
    guard::role,
    layer::{AuthLayer, GuardLayer},
};

use crate::world::{User, World};

/// Bytes that a header value may contain, obs-text included.
fn bytes(len: std::ops::Range<usize>) -> impl Strategy<Value = Vec<u8>> {
    vec(
        prop_oneof![8 => 0x20..=0x7e_u8, 2 => 0x80..=0xff_u8, 1 => Just(b'\t')],
        len,
    )
}

/// Something similar to what the layers read, with some bytes changed, removed or added.
fn mutated(near: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let change = (any::<prop::sample::Index>(), 0..3_u8, bytes(1..4));
    (select(near), vec(change, 0..4)).prop_map(|(mut value, changes)| {
        for (at, how, new) in changes {
            let at = at.index(value.len() + 1);
            match how {
                0 => value.truncate(at),
                1 if at < value.len() => value[at] = new[0],
                _ => drop(value.splice(at..at, new)),
            }
        }
        value
    })
}

fn texts(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

type Headers = Vec<(&'static str, Vec<u8>)>;

fn headers(world: &World) -> impl Strategy<Value = Headers> + use<> {
    let (_, bearer) = world.bearer();
    let (_, expired) = world.bad_bearer();
    let (_, cookie) = world.cookie();
    let twice = format!("{cookie}; __Host-sid=other");
    let near: [(&str, Vec<Vec<u8>>); 8] = [
        (
            "authorization",
            texts(&[
                &bearer,
                &expired,
                "Basic YTpi",
                "Bearer ",
                "bearer a.b.c",
                "Bearer ..",
                "",
            ]),
        ),
        (
            "cookie",
            texts(&[
                &cookie,
                &twice,
                "__Host-sid=",
                "__Host-sid",
                "; ;=;__Host-sid=\"a\"",
                "a=b",
            ]),
        ),
        (
            "host",
            texts(&[
                "acme.dev",
                "acme.dev:443",
                "[::1]:3000",
                "user@acme.dev",
                ":",
                "",
            ]),
        ),
        (
            "origin",
            texts(&[
                "https://acme.dev",
                "null",
                "https://acme.dev:443",
                "http://[::1]:3000",
                "x://y/z",
                "",
            ]),
        ),
        (
            "sec-fetch-site",
            texts(&["same-origin", "none", "cross-site", "same-site", ""]),
        ),
        (
            "content-type",
            texts(&[
                "application/grpc",
                "application/json",
                "multipart/form-data; boundary=x",
                "",
            ]),
        ),
        (
            "accept",
            texts(&["text/html", "*/*;q=0.5", "application/json", ""]),
        ),
        ("upgrade", texts(&["websocket", "h2c", ""])),
    ];
    let one = select(near.to_vec()).prop_flat_map(|(name, near)| {
        (
            Just(name),
            prop_oneof![3 => select(near.clone()), 4 => mutated(near), 1 => bytes(0..40)],
        )
    });
    vec(one, 0..7)
}

#[test]
fn any_headers_get_200_400_401_or_403() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let world = runtime.block_on(World::new());
    let handler = async |user: Option<AuthUser<User>>, identity: Option<Identity>| {
        assert_eq!(user.is_some(), identity.is_some());
        user.map_or_else(String::new, |user| user.name.clone())
    };
    let routes = || Router::new().route("/", routing::any(handler));
    let layer = || AuthLayer::new(world.jwt.clone().or(world.sessions.clone()));
    let apps = [
        ("required", routes().route_layer(layer())),
        ("optional", routes().route_layer(layer().optional())),
        (
            "guarded",
            routes()
                .route_layer(GuardLayer::new(role("writer")))
                .route_layer(layer().optional()),
        ),
    ];
    let methods = select(vec![
        Method::GET,
        Method::POST,
        Method::HEAD,
        Method::OPTIONS,
        Method::CONNECT,
    ]);
    let targets = select(vec!["/", "http://acme.dev/", "http://[::1]:3000/?a"]);
    let config = Config {
        cases: 3_000,
        failure_persistence: None,
        ..Config::default()
    };
    let seen = std::cell::RefCell::new(std::collections::BTreeMap::<(&str, u16), u32>::new());
    TestRunner::new(config)
        .run(
            &(methods, targets, headers(&world)),
            |(method, target, headers)| {
                for (name, app) in &apps {
                    let mut request = Request::new(Body::empty());
                    *request.method_mut() = method.clone();
                    *request.uri_mut() = target.parse().unwrap();
                    for (name, value) in &headers {
                        let value = HeaderValue::from_bytes(value).unwrap();
                        request
                            .headers_mut()
                            .append(HeaderName::from_static(name), value);
                    }
                    let response = runtime.block_on(app.clone().oneshot(request)).unwrap();
                    let status = response.status().as_u16();
                    prop_assert!(matches!(status, 200 | 400 | 401 | 403), "{name}: {status}");
                    *seen.borrow_mut().entry((name, status)).or_default() += 1;
                }
                Ok(())
            },
        )
        .unwrap();
    // If one of them never occurred, the strategy would be too weak.
    let seen = seen.into_inner();
    for name in ["required", "optional", "guarded"] {
        for status in [200, 400, 401, 403] {
            assert!(
                seen.get(&(name, status)).is_some_and(|times| *times > 9),
                "{seen:?}"
            );
        }
    }
}
