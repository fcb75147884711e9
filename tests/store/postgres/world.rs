//! What the tests of this store share.

use std::{sync::Arc, time::Duration};

use tower_jam::{
    ConfigError, StoreError,
    store::{PostgresStore, PostgresStoreBuilder, StoreKey},
};

pub(crate) use crate::entries::{HOUR, hence, write};

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
            .unwrap_or_else(|error| panic!("{}", story(&error))),
    )
}

/// The error with its causes, in one line.
pub(crate) fn story(error: &ConfigError) -> String {
    let mut story = format!("{error} ({error:?})");
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        story.push_str(&format!(": {error}"));
        cause = error.source();
    }
    story
}

pub(crate) fn is_unavailable<T>(answer: &Result<T, StoreError>) -> bool {
    matches!(answer, Err(StoreError::Unavailable(_)))
}

pub(crate) fn is_unknown<T>(answer: &Result<T, StoreError>) -> bool {
    matches!(answer, Err(StoreError::Unknown(_)))
}
