//! Logins that are bound to a key.

use std::sync::Arc;

use axum::Router;
use base64_simd::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tower_jam::{
    Algorithm, Clock, Env, Key, Secret, SystemClock,
    routes::AccountRoutes,
    store::{MemoryStore, Store},
    testing::ManualClock,
    token::Dpop,
};

use super::{
    second::enroll,
    services::{SECRET, ask},
    support::{ProbeStore, provider::seal},
    world::*,
};

/// A client with a key of its own.
struct Client(Key);

impl Client {
    fn new() -> Self {
        Self(Key::generate(Algorithm::Es256).unwrap())
    }

    fn prove(&self, world: &World, method: &str, path: &str, token: Option<&str>) -> String {
        self.prove_with(world, method, path, token, None)
    }

    fn prove_with(
        &self,
        world: &World,
        method: &str,
        path: &str,
        token: Option<&str>,
        nonce: Option<&str>,
    ) -> String {
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
        if let Some(nonce) = nonce {
            claims["nonce"] = nonce.into();
        }
        seal(&self.0, &header, &claims)
    }
}

/// A login with a proof is bound to its key in every later request. A login without one is
/// unchanged.
#[tokio::test]
async fn a_login_with_a_proof_is_bound_to_its_key() {
    let clock = Arc::new(ManualClock::at(SystemClock.now()));
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new().with_clock(clock.clone()));
    let world = world_on(store.clone(), clock.clone()).await;
    let dpop = Dpop::builder(
        &Env::new("self", store, &world.shared.secret).with_clock(clock),
        "https://auth.acme.dev",
    );
    let dpop = dpop.build().unwrap();
    let secret = Secret::new(SECRET.to_owned());
    let routes = AccountRoutes::builder(world.accounts.clone()).dpop(dpop);
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
    assert_eq!(again.status, 401, "a proof is accepted once");

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

    // The refresh token is bound as well.
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

/// A world whose routes verify proofs, and require nonces if `asks`.
async fn watched(asks: bool) -> (Arc<ProbeStore>, World, Router) {
    let clock = Arc::new(ManualClock::at(SystemClock.now()));
    let memory = MemoryStore::new().with_clock(clock.clone());
    let store = Arc::new(ProbeStore::new(memory));
    let world = world_on(store.clone(), clock.clone()).await;
    let dpop = Dpop::builder(
        &Env::new("self", store.clone(), &world.shared.secret).with_clock(clock),
        "https://auth.acme.dev",
    );
    let mut dpop = dpop;
    if asks {
        dpop = dpop.require_nonce();
    }
    let routes = AccountRoutes::builder(world.accounts.clone()).dpop(dpop.build().unwrap());
    let app = world.mount(routes.build());
    (store, world, app)
}

async fn with_proof(app: &Router, path: &str, proof: &str, body: Value) -> Answer {
    post(app, path, &[("dpop", proof)], body).await
}

/// A caller without a refresh token can make any number of proofs. None of them is recorded.
#[tokio::test]
async fn a_proof_with_a_forged_refresh_token_writes_nothing() {
    let (store, world, app) = watched(false).await;
    let client = Client::new();
    let proof = client.prove(&world, "POST", "/refresh", None);
    let before = store.calls();
    let body = json!({ "refresh_token": "x".repeat(86) });
    assert_eq!(with_proof(&app, "/refresh", &proof, body).await.status, 401);
    assert_eq!(store.calls(), before);
}

/// The second step requires the key of the first, and the tokens are bound to it.
#[tokio::test]
async fn a_login_in_two_steps_stays_bound_to_its_key() {
    let (_, world, app) = watched(false).await;
    let phone = enroll(&world, &world.login().await, &[]).await;
    let (client, thief) = (Client::new(), Client::new());
    let first = async |client: &Client| {
        let proof = client.prove(&world, "POST", "/login", None);
        let answer = with_proof(&app, "/login", &proof, login("alice", PASSWORD)).await;
        assert_eq!(answer.json()["error"], "otp_required", "{}", answer.text);
        answer.json()["challenge"].as_str().unwrap().to_owned()
    };
    let challenge = first(&client).await;
    let body = json!({ "challenge": challenge, "code": phone.code(&world) });
    // Neither without a proof nor with a proof of another key; and a failed attempt uses nothing
    // up.
    let without = post(&app, "/login/otp", &[], body.clone()).await;
    assert_eq!(without.status, 401, "{}", without.text);
    let theirs = thief.prove(&world, "POST", "/login/otp", None);
    let stolen = with_proof(&app, "/login/otp", &theirs, body.clone()).await;
    assert_eq!(stolen.status, 401, "{}", stolen.text);
    let ours = client.prove(&world, "POST", "/login/otp", None);
    let answer = with_proof(&app, "/login/otp", &ours, body).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.json()["token_type"], "DPoP");

    // The method that does not verify proofs preserves the key as well.
    let challenge = first(&client).await;
    let code = phone.code(&world);
    let proved = world
        .accounts
        .prove_second(&challenge, &code, &origin())
        .await;
    let (proved, device) = proved.unwrap();
    let pair = world.accounts.finish_login(proved, device).await.unwrap();
    assert_eq!(pair.token_type, "DPoP");
}

/// A client may have to repeat its first proof with a nonce. The same code is then accepted.
#[tokio::test]
async fn a_proof_without_a_nonce_does_not_use_the_code_up() {
    let (_, world, app) = watched(true).await;
    let phone = enroll(&world, &world.login().await, &[]).await;
    let begun = post(&app, "/login", &[], login("alice", PASSWORD)).await;
    let client = Client::new();
    let body = json!({ "challenge": begun.json()["challenge"], "code": phone.code(&world) });
    let proof = client.prove(&world, "POST", "/login/otp", None);
    let challenged = with_proof(&app, "/login/otp", &proof, body.clone()).await;
    assert_eq!(challenged.status, 401);
    let challenge = challenged.headers["www-authenticate"].to_str().unwrap();
    assert!(challenge.contains("use_dpop_nonce"), "{challenge}");
    let nonce = challenged.headers["dpop-nonce"].to_str().unwrap();
    let proof = client.prove_with(&world, "POST", "/login/otp", None, Some(nonce));
    let answer = with_proof(&app, "/login/otp", &proof, body).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.json()["token_type"], "DPoP");
}
