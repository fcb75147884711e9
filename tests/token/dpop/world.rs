//! A service whose tokens may be bound, a client with a key, and its requests.

use std::sync::Arc;

use base64_simd::URL_SAFE_NO_PAD;
use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::Full;
use serde_json::{Value, json};
use tower::{Layer, ServiceExt, service_fn};
use tower_jam::{
    Algorithm, Authenticate, Claims, Clock, Env, Grant, Jwt, Key, KeyRing, MasterSecret,
    SystemClock,
    layer::AuthLayer,
    store::{MemoryStore, Store},
    testing::ManualClock,
    token::{Dpop, dpop::ProofKey},
};

use super::support::provider::seal;

pub struct World {
    pub clock: Arc<ManualClock>,
    pub secret: MasterSecret,
    pub jwt: Jwt,
}

impl World {
    pub fn new() -> Self {
        let clock = Arc::new(ManualClock::at(SystemClock.now()));
        let ring = KeyRing::new(Key::generate(Algorithm::EdDsa).unwrap());
        let jwt = Jwt::builder(ring)
            .issuer("https://auth.acme.dev")
            .audience("api")
            .clock(clock.clone());
        Self {
            secret: MasterSecret::generate(),
            jwt: jwt.build().unwrap(),
            clock,
        }
    }

    pub fn memory(&self) -> Arc<dyn Store> {
        Arc::new(MemoryStore::new().with_clock(self.clock.clone()))
    }

    pub fn node(&self, store: &Arc<dyn Store>) -> Dpop {
        self.builder(store).build().unwrap()
    }

    pub fn builder(&self, store: &Arc<dyn Store>) -> tower_jam::token::dpop::DpopBuilder {
        self.builder_at(store, self.clock.clone())
    }

    /// The same with another clock.
    pub fn builder_at(
        &self,
        store: &Arc<dyn Store>,
        clock: Arc<dyn Clock>,
    ) -> tower_jam::token::dpop::DpopBuilder {
        let env = Env::new("https://auth.acme.dev", Arc::clone(store), &self.secret);
        Dpop::builder(&env.with_clock(clock), URL)
    }

    pub async fn token(&self, client: &Client) -> String {
        let grant = Grant::new("alice", Claims::new());
        let token = self.jwt.issue(grant).bound_to(&client.proof_key()).await;
        token.unwrap().expose().clone()
    }

    pub async fn unbound(&self) -> String {
        let token = self.jwt.issue(Grant::new("alice", Claims::new())).await;
        token.unwrap().expose().clone()
    }

    /// The claims of a valid proof for `GET /me` with this token.
    pub fn claims(&self, token: &str) -> Value {
        json!({
            "jti": fresh_id(), "htm": "GET", "htu": format!("{URL}/me"),
            "iat": self.clock.now().as_secs(), "ath": hash(token),
        })
    }
}

pub struct Client {
    pub key: Key,
}

impl Client {
    pub fn new() -> Self {
        Self {
            key: Key::generate(Algorithm::Es256).unwrap(),
        }
    }

    pub fn proof_key(&self) -> ProofKey {
        ProofKey::from_thumbprint(self.key.thumbprint()).unwrap()
    }

    /// The public key as clients send it.
    pub fn jwk(&self) -> Value {
        let mut jwk = self.key.public_jwk().unwrap();
        let members = jwk.as_object_mut().unwrap();
        members.retain(|name, _| ["kty", "crv", "x", "y"].contains(&name.as_str()));
        jwk
    }

    pub fn header(&self) -> Value {
        json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": self.jwk() })
    }

    pub fn prove(&self, claims: &Value) -> String {
        seal(&self.key, &self.header(), claims)
    }
}

pub fn hash(token: &str) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, token.as_bytes());
    URL_SAFE_NO_PAD.encode_to_string(digest.as_ref())
}

/// These claims with some of them replaced, or removed if the value is null.
pub fn with(claims: &Value, changes: &Value) -> Value {
    let mut claims = claims.clone();
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    let members = claims.as_object_mut().unwrap();
    members.retain(|_, value| !value.is_null());
    claims
}

pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).map(|value| value.to_str().unwrap());
        value.unwrap_or_default()
    }

    /// The status, and the error code of the challenge.
    pub fn verdict(&self) -> (u16, &str) {
        let challenge = self.header("www-authenticate");
        let code = challenge.split_once("error=\"").map(|(_, rest)| rest);
        let code = code.and_then(|rest| rest.split_once('"'));
        (self.status.as_u16(), code.map_or("", |(code, _)| code))
    }
}

/// Requests `GET /me` of a service behind this engine.
pub async fn ask<A: Authenticate>(engine: A, scheme: &str, token: &str, proofs: &[&str]) -> Answer {
    let inner = service_fn(|_: Request<Full<bytes::Bytes>>| async {
        Ok::<_, std::convert::Infallible>(http::Response::new(Full::<bytes::Bytes>::default()))
    });
    let service = AuthLayer::new(engine).layer(inner);
    let mut request = Request::get("/me?page=2").header(header::HOST, "evil.example");
    if !scheme.is_empty() {
        request = request.header(header::AUTHORIZATION, format!("{scheme} {token}"));
    }
    for proof in proofs {
        request = request.header("dpop", *proof);
    }
    let request = request.body(Full::default()).unwrap();
    let (head, _) = service.oneshot(request).await.unwrap().into_parts();
    Answer {
        status: head.status,
        headers: head.headers,
    }
}

fn fresh_id() -> String {
    Key::generate(Algorithm::Hs256)
        .unwrap()
        .thumbprint()
        .to_owned()
}

pub const URL: &str = "https://api.acme.dev";
