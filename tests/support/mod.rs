//! What several test files share: a store that can be inspected, paused and made to fail, and
//! throwaway servers.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "every test file uses a part of it"
)]

#[cfg(feature = "near-cache")]
pub mod hub;
pub mod late;
pub mod log;
#[cfg(feature = "jwks")]
pub mod provider;
pub mod race;
#[cfg(all(
    unix,
    feature = "store-file",
    feature = "store-redis",
    feature = "store-postgres"
))]
pub mod stores;

#[cfg(unix)]
#[allow(unused_imports, reason = "every test file uses a part of it")]
pub use servers::{postgres, process, proxy, redis};

use std::{
    env,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use tokio::time::sleep;
use tower_jam::{
    StoreError,
    store::{Entry, MemoryStore, Store, StoreFuture, StoreKey, When, Write},
};

/// A [`MemoryStore`] that counts its calls and records every value that it is given. On demand it
/// pauses before each call, or fails.
#[derive(Debug)]
pub struct ProbeStore {
    inner: MemoryStore,
    pauses: bool,
    calls: AtomicUsize,
    is_down: AtomicBool,
    /// The call that fails, counted from 1; 0 for none.
    fails_at: AtomicUsize,
    /// Fails after the write was executed, like a lost answer.
    loses_answers: AtomicBool,
    written: Mutex<Vec<Vec<u8>>>,
}

impl ProbeStore {
    pub fn new(inner: MemoryStore) -> Self {
        Self {
            inner,
            pauses: false,
            calls: AtomicUsize::new(0),
            is_down: AtomicBool::new(false),
            fails_at: AtomicUsize::new(0),
            loses_answers: AtomicBool::new(false),
            written: Mutex::new(Vec::new()),
        }
    }

    /// Every call is pending once before it is made, so that a test controls the order.
    pub fn pausing(inner: MemoryStore) -> Self {
        Self {
            pauses: true,
            ..Self::new(inner)
        }
    }

    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    pub fn set_down(&self, is_down: bool) {
        self.is_down.store(is_down, Ordering::SeqCst);
    }

    /// The `n`th call from now on fails, executed or not.
    pub fn fail_at(&self, n: usize, loses_answer: bool) {
        self.loses_answers.store(loses_answer, Ordering::SeqCst);
        let at = if n == 0 { 0 } else { self.calls() + n };
        self.fails_at.store(at, Ordering::SeqCst);
    }

    /// Every value that was ever written.
    pub fn written(&self) -> Vec<Vec<u8>> {
        self.written.lock().unwrap().clone()
    }

    async fn run<T>(
        &self,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        if self.pauses {
            pause().await;
        }
        let number = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        let fails =
            self.is_down.load(Ordering::SeqCst) || number == self.fails_at.load(Ordering::SeqCst);
        if !fails {
            return call.await;
        }
        if self.loses_answers.load(Ordering::SeqCst) {
            call.await?;
            return Err(StoreError::Unknown("the answer was lost".into()));
        }
        Err(StoreError::Unavailable("connection refused".into()))
    }
}

impl Store for ProbeStore {
    fn get<'a>(&'a self, key: &'a StoreKey) -> StoreFuture<'a, Option<Entry>> {
        Box::pin(self.run(async move { self.inner.get(key).await }))
    }

    fn put<'a>(&'a self, key: &'a StoreKey, write: Write, when: When) -> StoreFuture<'a, bool> {
        self.written.lock().unwrap().push(write.value.to_vec());
        // The call is made lazily: a memory store acts when it is called, not when it is awaited.
        Box::pin(self.run(async move { self.inner.put(key, write, when).await }))
    }

    fn take<'a>(&'a self, key: &'a StoreKey) -> StoreFuture<'a, Option<Entry>> {
        Box::pin(self.run(async move { self.inner.take(key).await }))
    }

    fn list<'a>(&'a self, group: &'a StoreKey) -> StoreFuture<'a, Vec<(StoreKey, Entry)>> {
        Box::pin(self.run(async move { self.inner.list(group).await }))
    }
}

/// Is pending once.
pub async fn pause() {
    let mut is_first = true;
    poll_fn(|cx| {
        if std::mem::take(&mut is_first) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(())
    })
    .await;
}

type Steps<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

/// Runs two operations on a pausing store in every order in which their store calls can interleave,
/// and returns the number of orders. `operations` creates a fresh pair, and `check` checks the
/// final state.
pub async fn every_interleaving<W, C>(
    mut world: impl FnMut() -> W,
    mut operations: impl for<'a> FnMut(&'a W) -> [Steps<'a>; 2],
    mut check: C,
) -> usize
where
    C: AsyncFnMut(&W, &str),
{
    let mut orders = 0;
    let mut pending = vec![String::new()];
    while let Some(prefix) = pending.pop() {
        let world = world();
        let (order, alternatives) = {
            let pair = operations(&world);
            run_in_order(pair, &prefix)
        };
        pending.extend(alternatives);
        check(&world, &order).await;
        orders += 1;
    }
    orders
}

/// Polls the pair in the order of `prefix`, and then the first that is not ready. Returns the whole
/// order, and the orders that differ from it in one later choice.
fn run_in_order(mut pair: [Steps<'_>; 2], prefix: &str) -> (String, Vec<String>) {
    let mut cx = Context::from_waker(Waker::noop());
    let mut done = [false; 2];
    let mut order = String::new();
    let mut alternatives = Vec::new();
    while done != [true; 2] {
        let forced = prefix
            .as_bytes()
            .get(order.len())
            .map(|byte| usize::from(byte - b'0'));
        let next = forced.unwrap_or(usize::from(done[0]));
        if forced.is_none() && done == [false; 2] {
            alternatives.push(format!("{order}1"));
        }
        order.push(if next == 0 { '0' } else { '1' });
        if !done[next] {
            done[next] = pair[next].as_mut().poll(&mut cx).is_ready();
        }
    }
    (order, alternatives)
}

/// Polls `future` `polls` times and drops it if it is not ready by then: a cancelled caller.
pub fn abandon_after<T>(polls: usize, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    let mut cx = Context::from_waker(Waker::noop());
    for _ in 0..polls {
        if let Poll::Ready(answer) = future.as_mut().poll(&mut cx) {
            return Some(answer);
        }
    }
    None
}

pub fn shared(store: ProbeStore) -> (Arc<ProbeStore>, Arc<dyn Store>) {
    let store = Arc::new(store);
    (Arc::clone(&store), store)
}

/// Waits until the condition holds, a minute at most.
pub async fn until(mut holds: impl FnMut() -> bool) {
    for _ in 0..60_000 {
        if holds() {
            return;
        }
        sleep(Duration::from_millis(1)).await;
    }
    panic!("the condition did not hold within a minute");
}

/// This binary, to run one of its ignored functions in a process of its own.
pub fn again(function: &str) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args([function, "--exact", "--ignored", "--nocapture", "--quiet"]);
    command
}
