//! A store that stops answering in the middle of a refresh, and executes the write when it resumes.

use std::{
    sync::{Arc, Mutex},
    task::{Context, Waker},
    time::Duration,
};

use tokio::task::JoinSet;
use tower_jam::{
    StoreError,
    event::EventKind,
    store::{Entry, MemoryStore, RedisStore, Store, StoreFuture, StoreKey, When, Write},
};

use super::{
    support::redis,
    world::{App, refresh},
};

/// A store that stops at a write, as a suspended process does: it executes later what it was sent.
#[derive(Debug)]
struct FreezingStore {
    inner: MemoryStore,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    freezes_at_write: bool,
    is_frozen: bool,
    /// Calls do not time out: they wait.
    is_patient: bool,
    held: Option<(StoreKey, Write, When)>,
}

impl FreezingStore {
    fn freeze_at_the_next_write(&self) {
        self.state.lock().unwrap().freezes_at_write = true;
    }

    async fn thaw(&self) {
        let held = {
            let mut state = self.state.lock().unwrap();
            state.is_frozen = false;
            state.held.take()
        };
        let (key, write, when) = held.expect("a write was sent");
        assert!(self.inner.put(&key, write, when).await.unwrap());
    }

    fn is_frozen(&self) -> bool {
        self.state.lock().unwrap().is_frozen
    }
}

fn silent<T>() -> Result<T, StoreError> {
    Err(StoreError::Unknown("no answer in time".into()))
}

impl Store for FreezingStore {
    fn get<'a>(&'a self, key: &'a StoreKey) -> StoreFuture<'a, Option<Entry>> {
        if self.is_frozen() {
            Box::pin(async { silent() })
        } else {
            self.inner.get(key)
        }
    }

    fn put<'a>(&'a self, key: &'a StoreKey, write: Write, when: When) -> StoreFuture<'a, bool> {
        let mut state = self.state.lock().unwrap();
        if std::mem::take(&mut state.freezes_at_write) {
            state.is_frozen = true;
            state.held = Some((key.clone(), write, when));
            if state.is_patient {
                return Box::pin(std::future::pending());
            }
            return Box::pin(async { silent() });
        }
        if state.is_frozen {
            Box::pin(async { silent() })
        } else {
            self.inner.put(key, write, when)
        }
    }

    fn take<'a>(&'a self, key: &'a StoreKey) -> StoreFuture<'a, Option<Entry>> {
        self.inner.take(key)
    }

    fn list<'a>(&'a self, group: &'a StoreKey) -> StoreFuture<'a, Vec<(StoreKey, Entry)>> {
        self.inner.list(group)
    }
}

#[tokio::test]
async fn an_outage_longer_than_the_window_makes_no_client_a_thief() {
    let app = App::new();
    let freezing = Arc::new(FreezingStore {
        inner: MemoryStore::new().with_clock(app.clock.clone()),
        state: Mutex::default(),
    });
    let store: Arc<dyn Store> = freezing.clone();
    let pairs = app.node(&store, |pairs| pairs);
    let mut reused = 0;
    for (seconds, is_forgiven) in [(5, true), (13, true), (60, true), (299, true), (400, false)] {
        let token = pairs.issue(app.alice()).await.unwrap().refresh_token;
        freezing.freeze_at_the_next_write();
        assert_eq!(refresh(&pairs, token.expose()).await, Err(503));
        app.clock.advance(Duration::from_secs(seconds));
        assert_eq!(refresh(&pairs, token.expose()).await, Err(503));
        freezing.thaw().await;
        let again = refresh(&pairs, token.expose()).await;
        assert_eq!(again.is_ok(), is_forgiven, "{seconds} s: {again:?}");
        let Ok(successor) = again else {
            reused += 1;
            continue;
        };
        // The window continues where it stopped, and ends.
        app.clock.advance(Duration::from_secs(10));
        assert_eq!(refresh(&pairs, token.expose()).await, Ok(successor));
        app.clock.advance(Duration::from_secs(1));
        assert_eq!(
            refresh(&pairs, token.expose()).await,
            Err(401),
            "{seconds} s"
        );
        reused += 1;
    }
    assert_eq!(app.count(EventKind::ReuseDetected), reused);
}

/// The client disconnects while the write waits, so no caller sees it fail. The time of waiting
/// does not count toward the window, and no more than that.
#[tokio::test]
async fn a_client_that_disconnects_in_an_outage_is_not_a_thief() {
    let app = App::new();
    let freezing = Arc::new(FreezingStore {
        inner: MemoryStore::new().with_clock(app.clock.clone()),
        state: Mutex::default(),
    });
    freezing.state.lock().unwrap().is_patient = true;
    let store: Arc<dyn Store> = freezing.clone();
    let pairs = app.node(&store, |pairs| pairs);
    for (idle, is_forgiven) in [(9, true), (11, false)] {
        let token = pairs.issue(app.alice()).await.unwrap().refresh_token;
        freezing.freeze_at_the_next_write();
        let mut hung_up = Box::pin(refresh(&pairs, token.expose()));
        let mut context = Context::from_waker(Waker::noop());
        assert!(hung_up.as_mut().poll(&mut context).is_pending());
        app.clock.advance(Duration::from_secs(13));
        drop(hung_up);
        freezing.thaw().await;
        app.clock.advance(Duration::from_secs(idle));
        let again = refresh(&pairs, token.expose()).await;
        assert_eq!(again.is_ok(), is_forgiven, "{idle} s: {again:?}");
    }
    assert_eq!(app.count(EventKind::ReuseDetected), 1);
}

/// A node that received no request while the store was unavailable does not know of the outage, and
/// grants no extra time.
#[tokio::test]
async fn a_node_that_saw_no_outage_grants_no_extra_time() {
    let app = App::new();
    let memory = MemoryStore::new().with_clock(app.clock.clone());
    let store: Arc<dyn Store> = Arc::new(memory);
    let pairs = app.node(&store, |pairs| pairs);
    let token = pairs.issue(app.alice()).await.unwrap().refresh_token;
    refresh(&pairs, token.expose()).await.unwrap();
    app.clock.advance(Duration::from_secs(11));
    assert_eq!(refresh(&pairs, token.expose()).await, Err(401));
    assert_eq!(app.count(EventKind::ReuseDetected), 1);
}

/// Redis is suspended for three times as long as the window while many clients refresh, and all of
/// them stay logged in.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_suspended_redis_logs_no_client_out() {
    let app = App::new();
    let server = redis::Server::start();
    let connect = RedisStore::builder(&server.url()).clock(app.clock.clone());
    let store: Arc<dyn Store> = Arc::new(connect.connect().await.unwrap());
    let window = Duration::from_secs(1);
    let pairs = app.node(&store, |pairs| pairs.grace(window).max_devices(100));
    let mut tokens = Vec::new();
    for _ in 0..64 {
        let pair = pairs.issue(app.alice()).await.unwrap();
        tokens.push(pair.refresh_token.expose().clone());
    }
    let barrier = Arc::new(tokio::sync::Barrier::new(tokens.len() + 1));
    let mut clients = JoinSet::new();
    for token in tokens {
        let (pairs, barrier) = (pairs.clone(), barrier.clone());
        clients.spawn(async move {
            barrier.wait().await;
            loop {
                match refresh(&pairs, &token).await {
                    Err(503) => tokio::time::sleep(Duration::from_millis(50)).await,
                    answer => return answer,
                }
            }
        });
    }
    barrier.wait().await;
    server.signal("STOP");
    for _ in 0..30 {
        tokio::time::sleep(window / 10).await;
        app.clock.advance(window / 10);
    }
    server.signal("CONT");
    while let Some(answer) = clients.join_next().await {
        assert!(answer.unwrap().is_ok());
    }
    assert_eq!(app.count(EventKind::ReuseDetected), 0);
}
