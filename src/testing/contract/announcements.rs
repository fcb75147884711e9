//! A change by one node becomes visible to another one behind a near-cache (feature `near-cache`).
//!
//! This part of the contract is for a backend that implements
//! [`WatchChanges`](crate::store::near::WatchChanges). It is not part of
//! [`contract::run`](super::run), because it needs two nodes: two stores that were opened
//! separately on the same data, each behind a [`NearCache`](crate::store::NearCache). All four use
//! the system's clock.
//!
//! ```no_run
//! # #[cfg(feature = "store-redis")] {
//! use std::sync::Arc;
//! use tower_jam::{store::{NearCache, RedisStore, Store}, testing::contract};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let mut nodes: Vec<Arc<dyn Store>> = Vec::new();
//! for _ in 0..2 {
//!     let store = RedisStore::connect("redis://127.0.0.1:6379").await?;
//!     nodes.push(Arc::new(NearCache::new(Arc::new(store))?));
//! }
//! contract::announcements::run(&nodes[0], &nodes[1]).await;
//! # Ok(())
//! # }
//! # }
//! ```

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::time::sleep;

use super::probe::Probe;
use crate::{
    clock::SystemClock,
    store::{CachedRead, Entry, Store, StoreKey, Version, When},
};

/// Runs the checks of this module: `one` writes, `other` reads.
pub async fn run(one: &Arc<dyn Store>, other: &Arc<dyn Store>) {
    an_answer_is_remembered(other).await;
    every_kind_of_write_is_announced(one, other).await;
    the_end_of_a_group_is_announced(one, other).await;
    what_was_absent_is_announced_when_it_comes(one, other).await;
    a_write_is_read_back_at_once_by_its_writer(one).await;
    no_fill_outlives_the_change_that_overtook_it(one, other).await;
}

/// After some reads the answer comes from the cache. Otherwise the checks below would prove
/// nothing.
pub async fn an_answer_is_remembered(other: &Arc<dyn Store>) {
    let probe = Probe::new(other, &SystemClock);
    let key = probe.key("key");
    probe.set(&key, probe.write("value")).await;
    wait_until_cached(other, &key).await;
}

/// A `put` under each condition, a `take` and an `add` on one node become visible to the other.
pub async fn every_kind_of_write_is_announced(one: &Arc<dyn Store>, other: &Arc<dyn Store>) {
    let probe = Probe::new(one, &SystemClock);
    let key = probe.key("key");
    let mut version = probe.set(&key, probe.write("1")).await;
    for round in 0..ROUNDS {
        let written = probe.write((2 + round).to_string());
        let next = written.version;
        let when = match round % 2 {
            0 => When::Always,
            _ => When::Unchanged(version),
        };
        wait_until_cached(other, &key).await;
        assert!(probe.put(&key, written, when).await);
        wait_until_visible(other, &key, Some(next)).await;
        version = next;
    }

    wait_until_cached(other, &key).await;
    let sum = probe.add(&key, 1).await;
    let value = sum.to_string();
    until(other, &key, |entry| {
        entry.is_some_and(|it| it.value == value)
    })
    .await;

    wait_until_cached(other, &key).await;
    assert!(probe.take(&key).await.is_some());
    wait_until_visible(other, &key, None).await;
}

/// [`Store::remove_group`] invalidates each entry that it removes.
pub async fn the_end_of_a_group_is_announced(one: &Arc<dyn Store>, other: &Arc<dyn Store>) {
    let probe = Probe::new(one, &SystemClock);
    let group = probe.key("group");
    let keys = probe.keys("member", 5);
    for key in &keys {
        probe
            .set(key, probe.write("value").in_group(group.clone()))
            .await;
        wait_until_cached(other, key).await;
    }
    assert_eq!(probe.remove_group(&group).await, 5);
    for key in &keys {
        wait_until_visible(other, key, None).await;
    }
}

/// Absence is cached, and the first write invalidates it.
pub async fn what_was_absent_is_announced_when_it_comes(
    one: &Arc<dyn Store>,
    other: &Arc<dyn Store>,
) {
    let probe = Probe::new(one, &SystemClock);
    for key in probe.keys("key", ROUNDS) {
        wait_until_cached(other, &key).await;
        let write = probe.write("value");
        let version = write.version;
        assert!(probe.put(&key, write, When::Absent).await);
        wait_until_visible(other, &key, Some(version)).await;
    }
}

/// A node sees its own write without waiting for an invalidation.
pub async fn a_write_is_read_back_at_once_by_its_writer(one: &Arc<dyn Store>) {
    let probe = Probe::new(one, &SystemClock);
    let key = probe.key("key");
    for round in 0..ROUNDS {
        let version = probe.set(&key, probe.write(round.to_string())).await;
        let seen = read_cached(one, &key)
            .await
            .entry
            .map(|entry| entry.version);
        assert_eq!(seen, Some(version), "round {round}");
    }
}

/// One node writes while the other keeps reading. The last write becomes visible however they
/// interleave.
pub async fn no_fill_outlives_the_change_that_overtook_it(
    one: &Arc<dyn Store>,
    other: &Arc<dyn Store>,
) {
    let probe = Probe::new(one, &SystemClock);
    for key in probe.keys("key", ROUNDS) {
        let (reader, read_key) = (Arc::clone(other), key.clone());
        let reading = tokio::spawn(async move {
            for _ in 0..READS {
                read_cached(&reader, &read_key).await;
                tokio::task::yield_now().await;
            }
        });
        let mut last = probe.set(&key, probe.write("first")).await;
        for number in 0..WRITES {
            last = probe.set(&key, probe.write(number.to_string())).await;
        }
        wait_until_visible(other, &key, Some(last)).await;
        reading.await.expect("the reader does not panic");
        wait_until_visible(other, &key, Some(last)).await;
    }
}

/// Reads until the answer comes from the cache.
async fn wait_until_cached(store: &Arc<dyn Store>, key: &StoreKey) {
    let began = Instant::now();
    while !read_cached(store, key).await.is_remembered {
        assert!(began.elapsed() < CACHE_TIMEOUT, "nothing is cached");
        tokio::task::yield_now().await;
    }
}

/// Reads until the change is visible.
async fn wait_until_visible(store: &Arc<dyn Store>, key: &StoreKey, version: Option<Version>) {
    until(store, key, |entry| entry.map(|it| it.version) == version).await;
}

async fn until(
    store: &Arc<dyn Store>,
    key: &StoreKey,
    is_visible: impl Fn(Option<&Entry>) -> bool,
) {
    let began = Instant::now();
    while !is_visible(read_cached(store, key).await.entry.as_ref()) {
        assert!(
            began.elapsed() < MAX_STALENESS,
            "a change did not become visible in time"
        );
        sleep(Duration::from_micros(200)).await;
    }
}

async fn read_cached(store: &Arc<dyn Store>, key: &StoreKey) -> CachedRead {
    store
        .read_cached(key)
        .await
        .expect("`read_cached` is answered")
}

const ROUNDS: usize = 50;
const READS: usize = 200;
const WRITES: usize = 10;
/// The guarantee of a near-cache. It is below the maximum age, which would hide a missing
/// invalidation.
const MAX_STALENESS: Duration = Duration::from_secs(2);
/// For the first heartbeat of a connection.
const CACHE_TIMEOUT: Duration = Duration::from_secs(10);
