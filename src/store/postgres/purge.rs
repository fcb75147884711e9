//! The removal of expired rows, in batches.

use std::{sync::Arc, time::Duration};

use tokio::{task::JoinHandle, time::sleep};

use super::{fault::Effect, row, shared::PostgresInner};
use crate::{error::StoreError, secret};

/// The purge task. Dropping this stops it.
#[derive(Debug)]
pub(super) struct Purge(JoinHandle<()>);

impl Purge {
    pub(super) fn start(inner: Arc<PostgresInner>, interval: Duration) -> Self {
        let runtime = inner.runtime.clone();
        Self(runtime.spawn(async move {
            loop {
                sleep(jittered(interval)).await;
                match round(&inner).await {
                    Ok(0) => {}
                    Ok(rows) => tracing::debug!(rows, "expired entries were removed"),
                    Err(error) => tracing::debug!(%error, "expired entries could not be removed"),
                }
            }
        }))
    }
}

impl Drop for Purge {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Removes rows that expired in an earlier hour, up to a limit, and returns how many it removed.
pub(super) async fn round(inner: &PostgresInner) -> Result<usize, StoreError> {
    let now = inner.clock.now();
    let query = || {
        let query = inner.sql.purge.query().bind(row::hour(now));
        query.bind(BATCH).bind(row::millis(now))
    };
    let mut removed = 0;
    for _ in 0..BATCHES {
        let batch = inner.run(Effect::Write, query).await?.len();
        removed += batch;
        if batch < usize::try_from(BATCH).unwrap_or(usize::MAX) {
            break;
        }
    }
    Ok(removed)
}

/// Returns half to one and a half of the interval at random, so that nodes which started together
/// do not purge together.
fn jittered(interval: Duration) -> Duration {
    let random = u32::from(u16::from_be_bytes(secret::random()));
    interval / 2 + interval.mul_f64(f64::from(random) / 65_536.0)
}

/// Few enough that no statement approaches its time-out on a slow disk.
pub(super) const BATCH: i64 = 500;

/// Ten thousand rows per minute are more than a busy service writes, and few enough not to load the
/// server.
pub(super) const BATCHES: usize = 20;
