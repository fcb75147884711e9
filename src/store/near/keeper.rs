//! The task that holds the connection for invalidations, and the lease that permits cached answers.

use std::{
    convert::Infallible,
    sync::{Arc, PoisonError, RwLockReadGuard},
    time::Duration,
};

use tokio::time::{sleep, timeout};

use super::{Connection, Invalidator, Watch, WatchChanges, memory::NearEntries};
use crate::error::StoreError;

/// Runs until it is aborted.
pub(super) async fn run(
    source: Arc<dyn WatchChanges>,
    entries: Arc<NearEntries>,
    connection: Connection,
) -> Infallible {
    let _closing = Closing(&entries, &connection);
    let mut backoff = FIRST_BACKOFF;
    let mut is_logged = false;
    loop {
        let watching = timeout(TIMEOUT, source.watch(Invalidator(Arc::clone(&entries))));
        let error = match watching.await.unwrap_or_else(|_| Err(late())) {
            Ok(watch) => {
                (backoff, is_logged) = (FIRST_BACKOFF, false);
                let watch: Arc<dyn Watch> = watch.into();
                set(&connection, Some(Arc::clone(&watch)));
                let error = send_heartbeats(watch.as_ref(), &entries).await;
                // The order matters: a read that finds no connection caches nothing, and a read
                // that found this one has a ticket from before.
                set(&connection, None);
                entries.close();
                error
            }
            Err(error) => error,
        };
        if !is_logged {
            tracing::warn!(error = %error, cause = ?error, "no invalidations: the near-cache is off");
            is_logged = true;
        }
        sleep(backoff).await;
        backoff = (backoff * 2).min(LONGEST_BACKOFF);
    }
}

/// Renews the lease until the connection stops answering.
async fn send_heartbeats(watch: &dyn Watch, entries: &NearEntries) -> StoreError {
    loop {
        let asked_at = entries.monotonic();
        match timeout(TIMEOUT, watch.heartbeat()).await {
            Ok(Ok(())) => entries.renew_lease(asked_at),
            Ok(Err(error)) => return error,
            Err(_) => return late(),
        }
        sleep(INTERVAL).await;
    }
}

/// Closes the cache when the task is aborted or its runtime shuts down.
struct Closing<'a>(&'a NearEntries, &'a Connection);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        set(self.1, None);
        self.0.close();
    }
}

fn set(connection: &Connection, watch: Option<Arc<dyn Watch>>) {
    *connection.write().unwrap_or_else(PoisonError::into_inner) = watch;
}

pub(super) fn read(connection: &Connection) -> RwLockReadGuard<'_, Option<Arc<dyn Watch>>> {
    connection.read().unwrap_or_else(PoisonError::into_inner)
}

fn late() -> StoreError {
    StoreError::Unavailable("no answer in time".into())
}

/// Four heartbeats within the second of a lease.
const INTERVAL: Duration = Duration::from_millis(250);
/// Waiting longer would be useless: the lease has expired by then.
const TIMEOUT: Duration = Duration::from_secs(1);
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const LONGEST_BACKOFF: Duration = Duration::from_secs(2);
