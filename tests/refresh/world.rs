//! One application with token pairs, whose users and events a test can control and read.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use tower_jam::{
    Algorithm, Claims, Clock, Env, Factor, Grant, Jwt, Key, KeyRing, MasterSecret, SystemClock,
    TokenPairs,
    event::{Event, EventKind, Events},
    refresh::TokenPairsBuilder,
    store::Store,
    testing::ManualClock,
};

pub type Pairs = TokenPairs<Claims>;

/// What all nodes of the application share, except the store.
#[derive(Clone)]
pub struct App {
    pub clock: Arc<ManualClock>,
    pub secret: MasterSecret,
    pub key: Arc<Key>,
    pub users: Arc<Mutex<HashMap<String, Grant<Claims>>>>,
    pub events: Arc<Mutex<Vec<Event>>>,
}

impl App {
    pub fn new() -> Self {
        let alice =
            Grant::new("alice", Claims::new().with("name", "Alice").unwrap()).roles(["editor"]);
        Self {
            // Servers use the real time.
            clock: Arc::new(ManualClock::at(SystemClock.now())),
            secret: MasterSecret::generate(),
            key: Arc::new(Key::generate(Algorithm::EdDsa).unwrap()),
            users: Arc::new(Mutex::new([("alice".to_owned(), alice)].into())),
            events: Arc::default(),
        }
    }

    /// A node's engine, with settings of its own.
    pub fn node(
        &self,
        store: &Arc<dyn Store>,
        set: impl FnOnce(TokenPairsBuilder<Claims>) -> TokenPairsBuilder<Claims>,
    ) -> Pairs {
        let key = Key::from_pem(
            Algorithm::EdDsa,
            self.key.to_pkcs8_pem().unwrap().expose().as_bytes(),
        )
        .unwrap();
        let jwt = Jwt::builder(KeyRing::new(key))
            .issuer("https://auth.acme.dev")
            .audience("api")
            .clock(self.clock.clone())
            .build()
            .unwrap();
        let (users, events) = (Arc::clone(&self.users), Arc::clone(&self.events));
        let read = move |subject: String| {
            let user = users.lock().unwrap().get(&subject).cloned();
            async move { Ok(user) }
        };
        let hook = move |event: &Event| events.lock().unwrap().push(event.clone());
        let env = Env::new("https://auth.acme.dev", Arc::clone(store), &self.secret)
            .with_events(Events::to(hook));
        set(TokenPairs::builder(&env, jwt, read)).build().unwrap()
    }

    pub fn alice(&self) -> Grant<Claims> {
        let alice = self.users.lock().unwrap()["alice"].clone();
        alice.factor(Factor::Password)
    }

    /// How often this event occurred.
    pub fn count(&self, kind: EventKind) -> usize {
        let events = self.events.lock().unwrap();
        events.iter().filter(|event| event.kind == kind).count()
    }
}

/// The result of a refresh: the new refresh token, or the status of the rejection.
pub async fn refresh(pairs: &Pairs, token: &str) -> Result<String, u16> {
    match pairs.refresh(token, None).await {
        Ok(pair) => Ok(pair.refresh_token.expose().clone()),
        Err(rejection) => Err(rejection.status().as_u16()),
    }
}
