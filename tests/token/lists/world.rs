//! One application whose tokens are listed.

use std::{sync::Arc, time::Duration};

use tower_jam::{
    Algorithm, Claims, Clock, Env, Grant, Jwt, Key, KeyRing, MasterSecret, SystemClock, TokenList,
    store,
    store::{MemoryStore, Store},
    testing::ManualClock,
    token::{JwtBuilder, revocation::TokenListBuilder},
};

pub const ISSUER: &str = "https://auth.acme.dev";

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    Black,
    White,
}

pub const BOTH: [Mode; 2] = [Mode::Black, Mode::White];

/// What all nodes share, except the store.
#[derive(Clone)]
pub struct App {
    pub clock: Arc<ManualClock>,
    pub ring: KeyRing,
}

impl App {
    pub fn new() -> Self {
        Self {
            // Servers use the real time.
            clock: Arc::new(ManualClock::at(SystemClock.now())),
            ring: KeyRing::new(Key::generate(Algorithm::Es256).unwrap()),
        }
    }

    pub fn memory(&self) -> MemoryStore {
        MemoryStore::new().with_clock(self.clock.clone())
    }

    pub fn store(&self) -> Arc<dyn Store> {
        Arc::new(self.memory())
    }

    pub fn list(&self, mode: Mode, store: &Arc<dyn Store>) -> TokenListBuilder {
        self.list_of(mode, store, ISSUER, self.clock.clone())
    }

    /// A list of another issuer, or with another clock.
    pub fn list_of(
        &self,
        mode: Mode,
        store: &Arc<dyn Store>,
        issuer: &str,
        clock: Arc<dyn Clock>,
    ) -> TokenListBuilder {
        let secret = MasterSecret::generate();
        let env = Env::new(issuer, Arc::clone(store), &secret).with_clock(clock);
        match mode {
            Mode::Black => TokenList::deny(&env),
            Mode::White => TokenList::allow(&env),
        }
    }

    pub fn engine(&self) -> JwtBuilder<Claims> {
        let engine = Jwt::builder(self.ring.clone()).issuer(ISSUER);
        engine.audience("api").clock(self.clock.clone())
    }

    /// A node's engine with a list in `store`.
    pub fn node(&self, mode: Mode, store: &Arc<dyn Store>) -> Jwt {
        let list = self.list(mode, store).build().unwrap();
        self.engine().list(list).build().unwrap()
    }

    /// A node on a store of its own.
    pub fn alone(&self, mode: Mode) -> Jwt {
        self.node(mode, &self.store())
    }

    pub fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }
}

pub async fn issue(jwt: &Jwt, subject: &str) -> String {
    let token = jwt.issue(Grant::new(subject, Claims::new())).await;
    token.unwrap().expose().clone()
}

/// `good`, or the reason of the rejection.
pub async fn verdict(jwt: &Jwt, token: &str) -> String {
    match jwt.verify(token).await {
        Ok(_) => "good".to_owned(),
        Err(rejection) => format!("{} {}", rejection.status().as_u16(), rejection.reason()),
    }
}

pub async fn is_good(jwt: &Jwt, token: &str) -> bool {
    match verdict(jwt, token).await {
        verdict if verdict == "good" => true,
        verdict => {
            assert!(verdict.starts_with("401 "), "{verdict}");
            false
        }
    }
}

/// The `iat` of a token, which is not verified here.
pub fn issued_at(token: &str) -> u64 {
    claims(token)["iat"].as_u64().unwrap()
}

pub fn claims(token: &str) -> serde_json::Value {
    let payload = token.split('.').nth(1).unwrap();
    let payload = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(payload);
    serde_json::from_slice(&payload.unwrap()).unwrap()
}

/// A key of the list, as an attacker with access to the store can compute it.
pub fn key(mode: Mode, kind: &str, name: &str) -> store::StoreKey {
    let mode = match mode {
        Mode::Black => "black",
        Mode::White => "white",
    };
    let parts = [mode, kind, ISSUER, name].map(str::as_bytes);
    store::StoreKey::new("token-list", &parts)
}
