//! Expired rows leave the table, a batch at a time.

use std::{sync::Arc, time::Duration};

use tokio::{task::JoinHandle, time::sleep};

use super::{fault::Effect, row, shared::Shared};
use crate::{error::StoreError, secret};

/// The task that purges. It ends with this.
#[derive(Debug)]
pub(super) struct Purge(JoinHandle<()>);

impl Purge {
    pub(super) fn start(shared: Arc<Shared>, interval: Duration) -> Self {
        let runtime = shared.runtime.clone();
        Self(runtime.spawn(async move {
            loop {
                sleep(spread(interval)).await;
                match round(&shared).await {
                    Ok(0) => {}
                    Ok(rows) => tracing::debug!(rows, "expired entries were removed"),
                    Err(error) => tracing::debug!(%error, "expired entries stay for now"),
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

/// Removes what expired in an earlier hour, up to a bound, and says how many rows that were.
pub(super) async fn round(shared: &Shared) -> Result<usize, StoreError> {
    let now = shared.clock.now();
    let query = || {
        let query = shared.sql.purge.query().bind(row::hour(now));
        query.bind(BATCH).bind(row::millis(now))
    };
    let mut removed = 0;
    for _ in 0..BATCHES {
        let batch = shared.run(Effect::Write, query).await?.len();
        removed += batch;
        if batch < usize::try_from(BATCH).unwrap_or(usize::MAX) {
            break;
        }
    }
    Ok(removed)
}

/// Between a half and one and a half of the interval, so that nodes which started together do not purge together.
fn spread(interval: Duration) -> Duration {
    let random = u32::from(u16::from_be_bytes(secret::random()));
    interval / 2 + interval.mul_f64(f64::from(random) / 65_536.0)
}

/// Few enough that no statement comes near its time-out on a slow disk.
pub(super) const BATCH: i64 = 500;

/// Ten thousand rows a minute is more than a busy service writes, and leaves the server to its work.
pub(super) const BATCHES: usize = 20;
