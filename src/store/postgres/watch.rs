//! Invalidations by other nodes, on a separate connection.
//!
//! A heartbeat must prove that every earlier commit has been reported. The server delivers
//! notifications in the order of their commits, but not before it answers a query: one that was
//! just committed may arrive after the answer to a `SELECT 1`. So a heartbeat sends a notification
//! itself, to a channel that only this connection listens to, and waits for it to arrive. All
//! channels share one queue. A transaction enters it under a lock that is held until its commit is
//! visible, so every earlier commit is before the heartbeat in the queue.
//!
//! A heartbeat holds that lock briefly and consumes a transaction id, but writes nothing to the
//! write-ahead log that needs a disk flush. Four per second and node are a third of a million
//! transaction ids a day.

use std::{
    fmt,
    future::{Future, poll_fn},
    pin::pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use sqlx::postgres::{PgListener, PgNotification, PgPoolOptions};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::timeout,
};

use super::{PostgresStore, shared::PostgresInner};
use crate::{
    error::StoreError,
    secret,
    store::{
        Entry, StoreFuture, StoreKey,
        near::{Invalidator, Watch, WatchChanges},
    },
};

impl WatchChanges for PostgresStore {
    fn watch(&self, news: Invalidator) -> StoreFuture<'_, Box<dyn Watch>> {
        Box::pin(async move {
            let on_change = move |changed: Option<&StoreKey>| match changed {
                Some(key) => news.changed(key),
                None => news.anything_changed(),
            };
            let watch = PostgresWatch::open(Arc::clone(&self.inner), Box::new(on_change)).await?;
            Ok(Box::new(watch) as Box<dyn Watch>)
        })
    }
}

/// The callback for invalidations: the changed key, or `None` if anything may have changed.
pub(super) type OnChange = Box<dyn Fn(Option<&StoreKey>) + Send>;

pub(super) struct PostgresWatch {
    inner: Arc<PostgresInner>,
    requests: mpsc::Sender<HeartbeatReply>,
    task: JoinHandle<()>,
    limit: Duration,
}

type HeartbeatReply = oneshot::Sender<()>;

impl PostgresWatch {
    pub(super) async fn open(
        inner: Arc<PostgresInner>,
        on_change: OnChange,
    ) -> Result<Self, StoreError> {
        let limit = inner.limit.min(LONGEST);
        let task = ListenTask::start(&inner, on_change);
        let task = timeout(limit, task)
            .await
            .map_err(|_| unavailable("the server did not answer in time"))?
            .map_err(unavailable)?;
        let (requests, receiver) = mpsc::channel(1);
        let task = inner.runtime.spawn(task.run(receiver));
        Ok(Self {
            inner,
            requests,
            task,
            limit,
        })
    }
}

impl Watch for PostgresWatch {
    /// Any connection will do. A commit after the watch began sends an invalidation, no matter who
    /// read the key, and an earlier commit is visible.
    fn get<'a>(&'a self, key: &'a StoreKey) -> StoreFuture<'a, Option<Entry>> {
        Box::pin(self.inner.get(key))
    }

    fn heartbeat(&self) -> StoreFuture<'_, ()> {
        Box::pin(async move {
            let (answer, answered) = oneshot::channel();
            let reply = async {
                self.requests.send(answer).await.map_err(|_| ())?;
                answered.await.map_err(|_| ())
            };
            match timeout(self.limit, reply).await {
                Ok(Ok(())) => Ok(()),
                Ok(Err(())) => Err(unavailable("the connection for invalidations was lost")),
                Err(_) => Err(unavailable("the heartbeat was not answered in time")),
            }
        })
    }
}

impl Drop for PostgresWatch {
    /// The task owns the connection.
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl fmt::Debug for PostgresWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresWatch")
            .field("store", &self.inner)
            .finish_non_exhaustive()
    }
}

/// The state of the task.
struct ListenTask {
    listener: PgListener,
    on_change: OnChange,
    /// The channel for the heartbeats of this watch.
    heartbeat_channel: String,
    heartbeats: u64,
}

impl ListenTask {
    /// Uses a separate pool of one connection, because sqlx makes listeners from pools.
    async fn start(inner: &PostgresInner, on_change: OnChange) -> Result<Self, sqlx::Error> {
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .max_lifetime(None)
            .idle_timeout(None)
            .acquire_timeout(inner.limit)
            .connect_lazy_with(inner.options.clone());
        let mut listener = PgListener::connect_with(&pool).await?;
        // A new connection would have missed the invalidations since the old one broke, so a new
        // watch is needed.
        listener.eager_reconnect(false);
        let heartbeat_channel = format!(
            "tower_jam_beat_{:016x}",
            u64::from_be_bytes(secret::random())
        );
        let channel = inner.names.channel();
        listener
            .listen_all([channel.as_str(), heartbeat_channel.as_str()])
            .await?;
        Ok(Self {
            listener,
            on_change,
            heartbeat_channel,
            heartbeats: 0,
        })
    }

    /// Stops with the connection, so that every later heartbeat is an error.
    async fn run(mut self, mut requests: mpsc::Receiver<HeartbeatReply>) {
        let error = loop {
            let next = match self.next(&mut requests).await {
                WatchEvent::Heartbeat(answer) => self.heartbeat().await.map(|()| {
                    let _ = answer.send(());
                }),
                WatchEvent::Notification(received) => self.check(received).map(|notification| {
                    self.report(&notification);
                }),
                WatchEvent::Closed => return,
            };
            if let Err(error) = next {
                break error;
            }
        };
        tracing::debug!(%error, "the connection for invalidations was lost");
        (self.on_change)(None);
    }

    /// Waits for a request for a heartbeat or a notification. Neither loses the other:
    /// a partially read notification stays with the connection.
    async fn next(&mut self, requests: &mut mpsc::Receiver<HeartbeatReply>) -> WatchEvent {
        let mut received = pin!(self.listener.try_recv());
        poll_fn(|context| {
            if let Poll::Ready(answer) = requests.poll_recv(context) {
                return Poll::Ready(answer.map_or(WatchEvent::Closed, WatchEvent::Heartbeat));
            }
            received
                .as_mut()
                .poll(context)
                .map(WatchEvent::Notification)
        })
        .await
    }

    /// Sends a notification to this connection, and reports every notification that arrives before
    /// it.
    async fn heartbeat(&mut self) -> Result<(), sqlx::Error> {
        self.heartbeats += 1;
        let number = self.heartbeats.to_string();
        sqlx::query("SELECT pg_notify($1, $2)")
            .bind(&self.heartbeat_channel)
            .bind(&number)
            .execute(&mut self.listener)
            .await?;
        loop {
            let received = self.listener.try_recv().await;
            let notification = self.check(received)?;
            if notification.channel() == self.heartbeat_channel && notification.payload() == number
            {
                return Ok(());
            }
            self.report(&notification);
        }
    }

    /// `None` means that the connection broke. At the next call the listener would open another
    /// one.
    fn check(&self, received: Received) -> Result<PgNotification, sqlx::Error> {
        received?.ok_or(sqlx::Error::WorkerCrashed)
    }

    fn report(&self, notification: &PgNotification) {
        if notification.channel() == self.heartbeat_channel {
            return;
        }
        (self.on_change)(parse(notification.payload()).as_ref());
    }
}

enum WatchEvent {
    Heartbeat(HeartbeatReply),
    Notification(Received),
    /// The watch was dropped.
    Closed,
}

type Received = Result<Option<PgNotification>, sqlx::Error>;

/// Parses the key of a payload such as `session 00ff…`, which the statements write.
fn parse(payload: &str) -> Option<StoreKey> {
    let (namespace, hex) = payload.split_once(' ')?;
    let digits = hex.as_bytes();
    if digits.len() != 64 {
        return None;
    }
    let mut digest = [0; 32];
    for (byte, pair) in digest.iter_mut().zip(digits.chunks_exact(2)) {
        let [high, low] = pair else { return None };
        *byte = nibble(*high)? << 4 | nibble(*low)?;
    }
    Some(StoreKey::from_stored(namespace, digest))
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

fn unavailable(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> StoreError {
    StoreError::Unavailable(cause.into())
}

/// A near-cache uses no answer older than this, so a later one would be useless.
const LONGEST: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_statements_write_is_a_key() {
        let hex = "00ff".repeat(16);
        let key = parse(&format!("token-list {hex}")).unwrap();
        assert_eq!(key.namespace(), "token-list");
        assert_eq!(key.digest()[..2], [0, 255]);
        let wrong = [
            String::new(),
            hex.clone(),
            format!("session {}", &hex[1..]),
            format!("session {hex}0"),
            format!("session {}", "00FF".repeat(16)),
            format!("session {}", "é".repeat(32)),
        ];
        for payload in wrong {
            assert!(parse(&payload).is_none(), "{payload}");
        }
    }
}
