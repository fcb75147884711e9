//! Two instances in one file, with one store: the entries of one do not exist for the other.

use std::time::Duration;

use serde_json::{Value, json};
use tower_jam::{Clock, Jam, SystemClock, config::Config, store::StoreKey};

use crate::{
    support::{postgres, redis},
    world::{alice, instance},
};

async fn assert_separate(store: Value) {
    let table = instance(json!({ "store": store }));
    let document =
        json!({ "jam": table, "site": table, "auth": { "admin": table }, "auth_admin": table });
    let mut all: Vec<Jam> = Vec::new();
    for name in ["jam", "site", "auth.admin", "auth_admin"] {
        let config = Config::value(&document).table(name).load().unwrap();
        all.push(Jam::builder(config).build().await.unwrap());
    }
    for one in &all {
        let session = one.session_create(alice()).await.unwrap();
        let counter = StoreKey::new("example", &[b"apart"]);
        let later = SystemClock.now().after(Duration::from_secs(60));
        one.store().add(&counter, 1, later).await.unwrap();
        for other in &all {
            let is_same = std::ptr::eq(one, other);
            let found = other.session_get(session.token.expose()).await.unwrap();
            assert_eq!(found.is_some(), is_same, "{store}");
            assert_eq!(
                other.store().get(&counter).await.unwrap().is_some(),
                is_same,
                "{store}"
            );
        }
        one.store().take(&counter).await.unwrap();
    }
    // Each revokes only its own.
    for one in &all {
        assert_eq!(one.session_clear("alice").await.unwrap(), 1, "{store}");
    }
    // State is shared only if the file says so.
    let mut shared = document;
    shared["jam"]["store"]["prefix"] = json!("both");
    shared["site"]["store"]["prefix"] = json!("both");
    let mut nodes = Vec::new();
    for name in ["jam", "site"] {
        let config = Config::value(&shared).table(name).load().unwrap();
        nodes.push(
            Jam::<tower_jam::Claims>::builder(config)
                .build()
                .await
                .unwrap(),
        );
    }
    let session = nodes[0].session_create(alice()).await.unwrap();
    let found = nodes[1].session_get(session.token.expose()).await.unwrap();
    assert!(found.is_some(), "{store}");
}

#[tokio::test]
async fn instances_are_apart_on_redis() {
    let url = redis::Server::shared().database();
    assert_separate(json!({ "type": "redis", "url": url })).await;
}

#[tokio::test]
async fn instances_are_apart_on_postgres() {
    let url = postgres::Server::shared().database().await;
    assert_separate(json!({ "type": "postgres", "url": url })).await;
}
