//! The tables `refresh` and `paseto`: pairs whose access tokens are PASETO.

use std::{sync::Arc, time::Duration};

use http::{Request, StatusCode};
use serde_json::{Value, json};
use tower_jam::{
    Claims, Clock, Env, Grant, Jam, MasterSecret, PasetoKey, SystemClock,
    account::{StoreUsers, Users},
    config::Config,
    store::{MemoryStore, Store},
    testing::ManualClock,
    token::paseto::{Local, Public, V3, V4},
};

use crate::world::{instance, status_of};

/// An instance whose pairs use this table, with a user, and its events.
async fn jam(paseto: Value, refresh: Value, clock: &Arc<ManualClock>) -> (Jam, String) {
    let config = instance(json!({ "paseto": paseto, "refresh": refresh }));
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new().with_clock(clock.clone()));
    let users = StoreUsers::new(
        &Env::new("self", Arc::clone(&store), &MasterSecret::generate()).with_clock(clock.clone()),
    );
    let user = users.add("alice", "", ["editor"], Claims::new());
    let alice = user.await.unwrap().unwrap();
    let users: Arc<dyn Users<Claims>> = Arc::new(users);
    let jam = Jam::builder(Config::value(&config).load().unwrap());
    let jam = jam.store(store).users(users).clock(clock.clone());
    (jam.build().await.unwrap(), alice)
}

#[tokio::test]
async fn pairs_of_pasetos_live_refresh_and_end() {
    let keys = [
        (
            "v4",
            "local",
            PasetoKey::<V4, Local>::generate().to_paserk(),
        ),
        (
            "v3",
            "local",
            PasetoKey::<V3, Local>::generate().to_paserk(),
        ),
        (
            "v4",
            "public",
            PasetoKey::<V4, Public>::generate()
                .unwrap()
                .secret_paserk()
                .unwrap(),
        ),
    ];
    for (version, purpose, key) in keys {
        let clock = Arc::new(ManualClock::at(SystemClock.now()));
        let paseto = json!({ "version": version, "purpose": purpose, "key": key.expose() });
        let refresh = json!({ "format": "paseto", "access_ttl": "5m", "grace": "0s" });
        let (jam, alice) = jam(paseto, refresh, &clock).await;
        let pairs = jam.pairs().unwrap();
        let pair = pairs
            .issue(Grant::new(&alice, Claims::new()))
            .await
            .unwrap();
        let access = pair.access_token.expose();
        assert!(
            access.starts_with(&format!("{version}.{purpose}.")),
            "{access}"
        );
        assert_eq!(pair.expires_in, Duration::from_secs(300));
        let bearer =
            |token: &str| Request::get("/").header("authorization", format!("Bearer {token}"));
        let layer = || jam.pairs_layer().unwrap();
        assert_eq!(status_of(layer(), bearer(access)).await, StatusCode::OK);

        let next = pairs
            .refresh(pair.refresh_token.expose(), None)
            .await
            .unwrap();
        assert_ne!(next.refresh_token, pair.refresh_token);
        assert!(next.access_token.expose().starts_with(version));
        assert!(pairs.logout(next.refresh_token.expose()).await.unwrap());
        for ended in [access, next.access_token.expose()] {
            let status = status_of(layer(), bearer(ended)).await;
            assert_eq!(status, StatusCode::UNAUTHORIZED);
            // A layer of tokens alone does not check devices.
            let by_itself = jam.paseto_layer().unwrap();
            assert_eq!(status_of(by_itself, bearer(ended)).await, StatusCode::OK);
        }
        clock.advance(Duration::from_secs(331));
        assert!(jam.paseto_decode(access).await.is_err());
    }
}

/// As for tokens by themselves: the table of the format says where they are read from.
#[tokio::test]
async fn access_tokens_are_read_from_the_source_in_the_table_of_their_format() {
    let clock = Arc::new(ManualClock::at(SystemClock.now()));
    let key = PasetoKey::<V4, Local>::generate().to_paserk();
    for (source, name) in [("cookie", "cookie"), ("header", "x-token")] {
        let mut paseto = json!({ "key": key.expose() });
        paseto[source] = json!(if source == "cookie" { "access" } else { name });
        let (jam, alice) = jam(paseto, json!({ "format": "paseto" }), &clock).await;
        let pairs = jam.pairs().unwrap();
        let pair = pairs
            .issue(Grant::new(&alice, Claims::new()))
            .await
            .unwrap();
        let access = pair.access_token.expose();
        let value = match source {
            "cookie" => format!("access={access}"),
            _ => access.clone(),
        };
        let request = || Request::get("/").header(name, &value);
        let bearer = || Request::get("/").header("authorization", format!("Bearer {access}"));
        let layer = || jam.pairs_layer().unwrap();
        assert_eq!(
            status_of(layer(), request()).await,
            StatusCode::OK,
            "{source}"
        );
        let status = status_of(layer(), bearer()).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{source}");
    }
}
