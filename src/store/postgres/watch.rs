//! Announcements by other nodes, on a connection of their own.
//!
//! A heartbeat must say that everything committed before it has been told. The server hands notifications over in
//! the order of their commits, but not before it answers: one that was committed a moment ago may come after the
//! answer to a `SELECT 1`. So a heartbeat sends a notification itself, to a channel that this connection alone
//! listens to, and waits until that has come round. All channels share one queue, and a transaction enters it
//! under a lock that is held until its commit is visible, so whatever was committed before stands before it there.
//!
//! The beat takes that lock for a moment and uses up a transaction number, but it writes nothing to the log that the
//! disk is waited for. Four a second and node are a third of a million transaction numbers a day.

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

use super::{PostgresStore, shared::Shared};
use crate::{
    error::StoreError,
    secret,
    store::{
        Entry, Key, StoreFuture,
        near::{Announce, News, Watch},
    },
};

impl Announce for PostgresStore {
    fn watch(&self, news: News) -> StoreFuture<'_, Box<dyn Watch>> {
        Box::pin(async move {
            let tell = move |changed: Option<&Key>| match changed {
                Some(key) => news.changed(key),
                None => news.anything_changed(),
            };
            let watch = PostgresWatch::open(Arc::clone(&self.shared), Box::new(tell)).await?;
            Ok(Box::new(watch) as Box<dyn Watch>)
        })
    }
}

/// Where what was heard goes: the key that changed, or that anything may have.
pub(super) type Tell = Box<dyn Fn(Option<&Key>) + Send>;

pub(super) struct PostgresWatch {
    shared: Arc<Shared>,
    beats: mpsc::Sender<Answer>,
    task: JoinHandle<()>,
    limit: Duration,
}

type Answer = oneshot::Sender<()>;

impl PostgresWatch {
    pub(super) async fn open(shared: Arc<Shared>, tell: Tell) -> Result<Self, StoreError> {
        let limit = shared.limit.min(LONGEST);
        let listening = Listening::start(&shared, tell);
        let listening = timeout(limit, listening)
            .await
            .map_err(|_| unavailable("the server did not answer in time"))?
            .map_err(unavailable)?;
        let (beats, asked) = mpsc::channel(1);
        let task = shared.runtime.spawn(listening.run(asked));
        Ok(Self {
            shared,
            beats,
            task,
            limit,
        })
    }
}

impl Watch for PostgresWatch {
    /// Any connection will do: what is committed after the watch began is announced, whoever read it, and what was
    /// committed before is seen.
    fn get<'a>(&'a self, key: &'a Key) -> StoreFuture<'a, Option<Entry>> {
        Box::pin(self.shared.get(key))
    }

    fn heartbeat(&self) -> StoreFuture<'_, ()> {
        Box::pin(async move {
            let (answer, answered) = oneshot::channel();
            let beat = async {
                self.beats.send(answer).await.map_err(|_| ())?;
                answered.await.map_err(|_| ())
            };
            match timeout(self.limit, beat).await {
                Ok(Ok(())) => Ok(()),
                Ok(Err(())) => Err(unavailable("the connection for announcements was lost")),
                Err(_) => Err(unavailable("the heartbeat was not answered in time")),
            }
        })
    }
}

impl Drop for PostgresWatch {
    /// The connection is the task's.
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl fmt::Debug for PostgresWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresWatch")
            .field("store", &self.shared)
            .finish_non_exhaustive()
    }
}

/// What the task works with.
struct Listening {
    listener: PgListener,
    tell: Tell,
    /// The channel of the heartbeats of this watch.
    own: String,
    beats: u64,
}

impl Listening {
    /// A pool of one, which nobody else draws from: sqlx makes its listeners from pools.
    async fn start(shared: &Shared, tell: Tell) -> Result<Self, sqlx::Error> {
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .max_lifetime(None)
            .idle_timeout(None)
            .acquire_timeout(shared.limit)
            .connect_lazy_with(shared.options.clone());
        let mut listener = PgListener::connect_with(&pool).await?;
        // A new connection has missed what was announced since the old one broke, so it takes a new watch.
        listener.eager_reconnect(false);
        let own = format!(
            "tower_jam_beat_{:016x}",
            u64::from_be_bytes(secret::random())
        );
        let channel = shared.names.channel();
        listener
            .listen_all([channel.as_str(), own.as_str()])
            .await?;
        Ok(Self {
            listener,
            tell,
            own,
            beats: 0,
        })
    }

    /// Ends with the connection, so that every heartbeat from then on is an error.
    async fn run(mut self, mut asked: mpsc::Receiver<Answer>) {
        let error = loop {
            let next = match self.next(&mut asked).await {
                Next::Beat(answer) => self.beat().await.map(|()| {
                    let _ = answer.send(());
                }),
                Next::Heard(heard) => self.take(heard).map(|notification| {
                    self.tell(&notification);
                }),
                Next::Nothing => return,
            };
            if let Err(error) = next {
                break error;
            }
        };
        tracing::debug!(%error, "the connection for announcements was lost");
        (self.tell)(None);
    }

    /// A heartbeat that is asked for, or a notification, whichever comes first. Neither is lost for the other:
    /// what is half read stays with the connection.
    async fn next(&mut self, asked: &mut mpsc::Receiver<Answer>) -> Next {
        let mut heard = pin!(self.listener.try_recv());
        poll_fn(|context| {
            if let Poll::Ready(answer) = asked.poll_recv(context) {
                return Poll::Ready(answer.map_or(Next::Nothing, Next::Beat));
            }
            heard.as_mut().poll(context).map(Next::Heard)
        })
        .await
    }

    /// Sends a notification to this connection, and tells everything that comes before it.
    async fn beat(&mut self) -> Result<(), sqlx::Error> {
        self.beats += 1;
        let number = self.beats.to_string();
        sqlx::query("SELECT pg_notify($1, $2)")
            .bind(&self.own)
            .bind(&number)
            .execute(&mut self.listener)
            .await?;
        loop {
            let heard = self.listener.try_recv().await;
            let notification = self.take(heard)?;
            if notification.channel() == self.own && notification.payload() == number {
                return Ok(());
            }
            self.tell(&notification);
        }
    }

    /// `None` is a connection that broke. Asked once more, the listener would make another.
    fn take(&self, heard: Heard) -> Result<PgNotification, sqlx::Error> {
        heard?.ok_or(sqlx::Error::WorkerCrashed)
    }

    fn tell(&self, notification: &PgNotification) {
        if notification.channel() == self.own {
            return;
        }
        (self.tell)(parse(notification.payload()).as_ref());
    }
}

enum Next {
    Beat(Answer),
    Heard(Heard),
    /// The watch is gone.
    Nothing,
}

type Heard = Result<Option<PgNotification>, sqlx::Error>;

/// The key in `session 00ff…`, as the statements write it.
fn parse(payload: &str) -> Option<Key> {
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
    Some(Key::from_stored(namespace, digest))
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

/// A near-cache serves nothing that is older, so a later answer is of no use.
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
