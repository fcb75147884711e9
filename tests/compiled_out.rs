//! Tables and stores whose feature is not compiled in: each is refused with the feature's name.
//!
//! Run as `cargo test -p tower-jam --features account,config,store-file --test compiled_out`. With
//! all features, it is empty.
#![cfg(all(
    feature = "account",
    feature = "config",
    feature = "store-file",
    not(any(
        feature = "paseto",
        feature = "oauth2",
        feature = "near-cache",
        feature = "store-redis",
        feature = "store-postgres"
    ))
))]
#![allow(clippy::unwrap_used, reason = "in a test it is an assertion")]

use serde_json::json;
use tower_jam::{Claims, Jam, config::Config};

#[tokio::test]
async fn a_missing_feature_is_named() {
    let cases = [
        (
            json!({ "paseto": {} }),
            "setting `paseto`: needs the feature `paseto` of tower-jam",
        ),
        (
            json!({ "paseto": { "key": "k4.local.x", "version": "v4" }, "session": {} }),
            "setting `paseto`: needs the feature `paseto` of tower-jam",
        ),
        (
            json!({ "jwt": {}, "refresh": { "format": "paseto" } }),
            "setting `refresh.format`: needs the feature `paseto` of tower-jam",
        ),
        (
            json!({ "oauth2": { "providers": { "github": { "client_id": "x" } } } }),
            "setting `oauth2`: needs the feature `oauth2` of tower-jam",
        ),
        (
            json!({ "oauth2": {} }),
            "setting `oauth2`: needs the feature `oauth2` of tower-jam",
        ),
        (
            json!({ "store": { "type": "redis", "url": "redis://localhost" } }),
            "setting `store.type`: needs the feature `store-redis` of tower-jam",
        ),
        (
            json!({ "store": { "type": "postgres", "url": "postgres://localhost" } }),
            "setting `store.type`: needs the feature `store-postgres` of tower-jam",
        ),
        (
            json!({ "store": { "type": "redis", "url": "redis://localhost", "near_cache": {} } }),
            "setting `store.type`: needs the feature `store-redis` of tower-jam",
        ),
        (
            json!({ "store": { "type": "file", "path": "x.redb", "near_cache": {} } }),
            "setting `store.near_cache`: needs the feature `near-cache` of tower-jam",
        ),
        // An unknown setting of a table is reported before the missing feature.
        (
            json!({ "paseto": { "kye": "x" } }),
            "setting `paseto.kye`: unknown setting; did you mean `key`?",
        ),
        (
            json!({ "store": { "type": "memory", "path": "x" } }),
            "setting `store.path`: conflicts with `type`, which is memory",
        ),
    ];
    for (tables, words) in cases {
        let refused = match Config::value(&tables).load() {
            Ok(config) => Jam::<Claims>::builder(config).build().await.unwrap_err(),
            Err(error) => error,
        };
        assert_eq!(refused.to_string(), words);
        assert!(!std::path::Path::new("x.redb").exists());
    }
}

/// Everything that is compiled in is built all the same.
#[tokio::test]
async fn the_rest_is_built() {
    let config = json!({ "session": {}, "passwords": {}, "otp": { "service": "Acme" } });
    let config = Config::value(&config).load().unwrap();
    let jam: Jam = Jam::builder(config).build().await.unwrap();
    assert!(jam.sessions().is_ok() && jam.passwords().is_ok() && jam.otp().is_ok());
}
