//! The task that keeps a connection for announcements, and the lease by which memory may answer.

use std::{
    convert::Infallible,
    sync::{Arc, PoisonError, RwLockReadGuard},
    time::Duration,
};

use tokio::time::{sleep, timeout};

use super::{Announce, Connection, News, Watch, memory::Memory};
use crate::error::StoreError;

/// Runs until it is aborted.
pub(super) async fn keep(
    announcer: Arc<dyn Announce>,
    memory: Arc<Memory>,
    connection: Connection,
) -> Infallible {
    let _closing = Closing(&memory, &connection);
    let mut pause = FIRST_PAUSE;
    let mut is_told = false;
    loop {
        let watching = timeout(PATIENCE, announcer.watch(News(Arc::clone(&memory))));
        let error = match watching.await.unwrap_or_else(|_| Err(late())) {
            Ok(watch) => {
                (pause, is_told) = (FIRST_PAUSE, false);
                let watch: Arc<dyn Watch> = watch.into();
                set(&connection, Some(Arc::clone(&watch)));
                let error = beat(watch.as_ref(), &memory).await;
                // In this order: a read that finds no connection fills nothing, and one that found this one
                // holds a ticket from before.
                set(&connection, None);
                memory.close();
                error
            }
            Err(error) => error,
        };
        if !is_told {
            tracing::warn!(error = %error, cause = ?error, "no announcements: the near-cache is off");
            is_told = true;
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Renews the lease until the connection no longer answers.
async fn beat(watch: &dyn Watch, memory: &Memory) -> StoreError {
    loop {
        let asked_at = memory.monotonic();
        match timeout(PATIENCE, watch.heartbeat()).await {
            Ok(Ok(())) => memory.lease_from(asked_at),
            Ok(Err(error)) => return error,
            Err(_) => return late(),
        }
        sleep(INTERVAL).await;
    }
}

/// Leaves nothing to answer from when the task is aborted or its runtime ends.
struct Closing<'a>(&'a Memory, &'a Connection);

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

/// Four in the second that an answer is good for.
const INTERVAL: Duration = Duration::from_millis(250);
/// Longer is of no use: the lease has ended by then.
const PATIENCE: Duration = Duration::from_secs(1);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
