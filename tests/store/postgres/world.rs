//! What the tests of this store share.

use std::{sync::Arc, time::Duration};

use tower_jam::{
    ConfigError, StoreError,
    store::{PostgresStore, PostgresStoreBuilder, StoreKey},
};

pub(crate) use crate::entries::{HOUR, in_an_hour, write};

/// What a busy machine may add to a time limit.
pub(crate) const SLACK: Duration = Duration::from_secs(1);

pub(crate) fn key(name: &str) -> StoreKey {
    StoreKey::new("entry", &[name.as_bytes()])
}

pub(crate) async fn connect(builder: PostgresStoreBuilder) -> Arc<PostgresStore> {
    Arc::new(
        builder
            .connect()
            .await
            .unwrap_or_else(|error| panic!("{}", error_chain(&error))),
    )
}

/// The error with its causes, in one line.
pub(crate) fn error_chain(error: &ConfigError) -> String {
    let mut error_chain = format!("{error} ({error:?})");
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        error_chain.push_str(&format!(": {error}"));
        cause = error.source();
    }
    error_chain
}

pub(crate) fn is_unavailable<T>(answer: &Result<T, StoreError>) -> bool {
    matches!(answer, Err(StoreError::Unavailable(_)))
}

pub(crate) fn is_unknown<T>(answer: &Result<T, StoreError>) -> bool {
    matches!(answer, Err(StoreError::Unknown(_)))
}
