//! What the tests share: a store on a server, and keys.

use std::{sync::Arc, time::Duration};

use tower_jam::{
    ConfigError,
    store::{RedisStore, StoreKey},
};

pub(crate) use crate::entries::{HOUR, in_an_hour, write};

pub(crate) async fn store(url: &str) -> RedisStore {
    RedisStore::connect(url).await.unwrap()
}

/// For tests that are not about time: a busy machine may be slow.
pub(crate) async fn patient(url: &str) -> RedisStore {
    let longest = Duration::from_secs(2);
    let builder = RedisStore::builder(url).connect_timeout(longest);
    builder.command_timeout(longest).connect().await.unwrap()
}

pub(crate) async fn shared(url: &str) -> Arc<RedisStore> {
    Arc::new(store(url).await)
}

pub(crate) fn key(number: u64) -> StoreKey {
    StoreKey::new("session", &[&number.to_be_bytes()])
}

pub(crate) fn group() -> StoreKey {
    StoreKey::new("account", &[b"alice"])
}

/// The name of an entry in Redis.
pub(crate) fn name(key: &StoreKey) -> String {
    let digest: String = key
        .digest()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("tower-jam:{}:{digest}", key.namespace())
}

/// The error with its causes and its `Debug` output, in one line.
pub(crate) fn error_chain(error: &ConfigError) -> String {
    let mut error_chain = format!("{error} {error:?}");
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        error_chain.push_str(&format!(": {error} {error:?}"));
        cause = error.source();
    }
    error_chain
}
