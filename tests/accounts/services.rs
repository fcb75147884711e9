//! What services learn of tokens that they were shown, and logins that are bound to a key.

use std::{sync::Arc, time::Duration};

use base64_simd::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tower_jam::{
    Algorithm, Clock, Key, Secret, SystemClock,
    account::RoutesBuilder,
    store::{MemoryStore, Store},
    testing::ManualClock,
    token::Dpop,
};

use super::{
    support::{ProbeStore, provider::seal},
    world::*,
};

const SECRET: &str = "a-secret-of-the-service-of-enough-length";
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

fn with_service(world: &World) -> axum::Router {
    let secret = Secret::new(SECRET.to_owned());
    let routes = RoutesBuilder::new(world.accounts.clone());
    world.mount(routes.service("billing", &secret).unwrap().build())
}

fn basic(id: &str, secret: &str) -> String {
    format!(
        "Basic {}",
        STANDARD.encode_to_string(format!("{id}:{secret}"))
    )
}

async fn ask(app: &axum::Router, path: &str, token: &str) -> Answer {
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

fn bare(pair: &Pair) -> &str {
    pair.bearer.strip_prefix("Bearer ").unwrap()
}

#[tokio::test]
async fn a_service_learns_what_a_token_is_worth_and_can_end_it() {
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
    let refresh = ask(&app, "/introspect", &one.refresh).await.json();
    assert_eq!(
        (&refresh["active"], &refresh["sid"]),
        (&json!(true), &known["sid"])
    );
    assert!(refresh.get("token_type").is_none());

    // A refresh token that was replaced is good for the grace of it, and then not.
    let next = Pair::of(&post(&app, "/refresh", &[], two.body()).await);
    assert_eq!(
        ask(&app, "/introspect", &two.refresh).await.json()["active"],
        true
    );
    world.clock.advance(Duration::from_secs(11));
    let inactive = json!({ "active": false });
    assert_eq!(
        ask(&app, "/introspect", &two.refresh).await.json(),
        inactive
    );
    assert_eq!(
        ask(&app, "/introspect", &next.refresh).await.json()["active"],
        true
    );

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

    // By either token of a device both are ended, and no other device.
    assert_eq!(ask(&app, "/revoke", bare(&one)).await.status, 200);
    for token in [bare(&one), &one.refresh] {
        assert_eq!(ask(&app, "/introspect", token).await.json(), inactive);
    }
    assert_eq!(
        ask(&app, "/introspect", &next.refresh).await.json()["active"],
        true
    );
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
        "nothing has ended"
    );
    // Without a service there are no such routes.
    assert_eq!(ask(&world.app(), "/introspect", "x").await.status, 404);
    let refused = |id: &str, secret: &str| {
        let routes = RoutesBuilder::new(world.accounts.clone());
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

/// Whether a store that is away says that a token is worth nothing: it does not.
#[tokio::test]
async fn a_store_that_is_away_says_nothing_of_a_token() {
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
    assert_eq!(
        ask(&app, "/introspect", &pair.refresh).await.json()["active"],
        true
    );
}

/// A client with a key of its own.
struct Client(Key);

impl Client {
    fn new() -> Self {
        Self(Key::generate(Algorithm::Es256).unwrap())
    }

    fn prove(&self, world: &World, method: &str, path: &str, token: Option<&str>) -> String {
        let mut jwk = self.0.public_jwk().unwrap();
        for name in ["kid", "alg", "use"] {
            jwk.as_object_mut().unwrap().remove(name);
        }
        let header = json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": jwk });
        let mut claims = json!({
            "jti": URL_SAFE_NO_PAD.encode_to_string(rand::random::<[u8; 16]>()),
            "htm": method, "htu": format!("https://auth.acme.dev{path}"),
            "iat": world.clock.now().as_secs(),
        });
        if let Some(token) = token {
            use aws_lc_rs::digest::{SHA256, digest};
            let hash = digest(&SHA256, token.as_bytes());
            claims["ath"] = URL_SAFE_NO_PAD.encode_to_string(hash).into();
        }
        seal(&self.0, &header, &claims)
    }
}

/// A login with a proof is bound to its key through all that follows; one without is as ever.
#[tokio::test]
async fn a_login_with_a_proof_is_bound_to_its_key() {
    let clock = Arc::new(ManualClock::at(SystemClock.now()));
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new().with_clock(clock.clone()));
    let world = world_on(store.clone(), clock.clone()).await;
    let dpop = Dpop::builder(store, &world.shared.secret, "https://auth.acme.dev");
    let dpop = dpop.clock(clock).build().unwrap();
    let secret = Secret::new(SECRET.to_owned());
    let routes = RoutesBuilder::new(world.accounts.clone()).dpop(dpop);
    let app = world.mount(routes.service("billing", &secret).unwrap().build());
    let (client, thief) = (Client::new(), Client::new());

    let proof = client.prove(&world, "POST", "/login", None);
    let with = |proof: &str| [("dpop".to_owned(), proof.to_owned())];
    let go = async |path: &str, headers: &[(String, String)], body: Value| {
        let headers: Vec<_> = headers
            .iter()
            .map(|(name, value)| (&**name, &**value))
            .collect();
        post(&app, path, &headers, body).await
    };
    let answer = go("/login", &with(&proof), login("alice", PASSWORD)).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.json()["token_type"], "DPoP");
    let access = answer.json()["access_token"].as_str().unwrap().to_owned();
    let refresh = answer.json()["refresh_token"].as_str().unwrap().to_owned();
    let known = ask(&app, "/introspect", &access).await.json();
    assert_eq!(known["token_type"], "DPoP");
    assert_eq!(known["cnf"]["jkt"], client.0.thumbprint());
    let again = go("/login", &with(&proof), login("alice", PASSWORD)).await;
    assert_eq!(again.status, 401, "a proof is good once");

    // The token under either scheme, with and without a proof of its key.
    let list = async |scheme: &str, proof: Option<String>| {
        let authorization = format!("{scheme} {access}");
        let mut headers = vec![("authorization", authorization.as_str())];
        headers.extend(proof.as_deref().map(|proof| ("dpop", proof)));
        send(&app, "GET", "/active_sessions", &headers, String::new())
            .await
            .status
    };
    let path = "/active_sessions";
    let own = || Some(client.prove(&world, "GET", path, Some(&access)));
    assert_eq!(list("DPoP", own()).await, 200);
    assert_eq!(list("Bearer", own()).await, 401);
    assert_eq!(list("DPoP", None).await, 401);
    assert_eq!(
        list(
            "DPoP",
            Some(thief.prove(&world, "GET", path, Some(&access)))
        )
        .await,
        401
    );

    // So is the refresh token.
    let body = json!({ "refresh_token": refresh });
    assert_eq!(go("/refresh", &[], body.clone()).await.status, 401);
    let proof = thief.prove(&world, "POST", "/refresh", None);
    assert_eq!(
        go("/refresh", &with(&proof), body.clone()).await.status,
        401
    );
    let proof = client.prove(&world, "POST", "/refresh", None);
    let answer = go("/refresh", &with(&proof), body).await;
    assert_eq!(
        (answer.status, &answer.json()["token_type"]),
        (200, &json!("DPoP"))
    );

    let unbound = Pair::of(&go("/login", &[], login("alice", PASSWORD)).await);
    let headers = unbound.authorization();
    assert_eq!(
        send(&app, "GET", path, &headers, String::new())
            .await
            .status,
        200
    );
    let two = [
        with(&client.prove(&world, "POST", "/login", None)),
        with("x"),
    ]
    .concat();
    assert_eq!(
        go("/login", &two, login("alice", PASSWORD)).await.status,
        400
    );
}
