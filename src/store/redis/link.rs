//! One connection to Redis, or one to each primary of a cluster, and the sending of commands over
//! it.

use std::{
    future::Future,
    pin::Pin,
    sync::atomic::{AtomicBool, Ordering},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use fred::{
    clients::{Client, WithOptions},
    error::Error,
    interfaces::{ClientLike, KeysInterface, LuaInterface},
    types::{
        FromValue, Value,
        config::{Config, ConnectionConfig, Options, PerformanceConfig, ReconnectPolicy},
    },
};
use tokio::{runtime::Handle, task::JoinHandle, time::Instant};

use super::{
    fault::{RedisFault, disconnected, of_read, of_write},
    scripts::Script,
};
use crate::error::StoreError;

/// A client of fred with the task that drives it. Dropping it stops both and closes the
/// connections.
pub(super) struct Link {
    pub(super) client: Client,
    task: JoinHandle<Result<(), Error>>,
    command_timeout: Duration,
    is_reconnecting: AtomicBool,
}

impl Link {
    /// Connects, and returns an error at the first failed attempt. Later connections follow
    /// `policy`.
    pub(super) async fn open(
        config: Config,
        performance: PerformanceConfig,
        connection: ConnectionConfig,
        policy: Option<ReconnectPolicy>,
    ) -> Result<Self, Error> {
        let command_timeout = performance.default_command_timeout;
        let client = Client::new(config, Some(performance), Some(connection), policy);
        // In a task, so that a caller who goes away leaves no connection behind: the link is
        // dropped with the task.
        let opening = tokio::spawn(async move {
            let task = client.init().await?;
            Ok(Self {
                client,
                task,
                command_timeout,
                is_reconnecting: AtomicBool::new(false),
            })
        });
        opening.await?
    }

    pub(super) fn deadline(&self) -> Instant {
        Instant::now() + self.command_timeout
    }

    /// Returns whether the connection was up according to its last event.
    pub(super) fn is_connected(&self) -> bool {
        self.client.is_connected() && !self.task.is_finished()
    }

    /// Reads a string. A second attempt makes the name again: this saves an allocation, and is
    /// rare.
    pub(super) async fn get(&self, name: impl Fn() -> Bytes) -> Result<Option<Bytes>, StoreError> {
        if !self.is_connected() {
            return Err(disconnected());
        }
        let deadline = self.deadline();
        match self.client.get(name()).await {
            Err(error) if RedisFault::of(&error) == RedisFault::Redirected => {
                let again = |client: WithOptions<Client>| {
                    let name = name();
                    async move { client.get(name).await }
                };
                // Boxed, since it is rare but large, and would enlarge the future of every read.
                Box::pin(self.read(deadline, again)).await
            }
            answer => answer.map_err(of_read),
        }
    }

    /// Sends a command that only reads.
    pub(super) async fn read<T, F>(
        &self,
        deadline: Instant,
        command: impl Fn(WithOptions<Client>) -> F,
    ) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, Error>>,
    {
        self.call(deadline, command).await?.map_err(of_read)
    }

    /// Sends a command that writes.
    pub(super) async fn write<T, F>(
        &self,
        deadline: Instant,
        command: impl Fn(WithOptions<Client>) -> F,
    ) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let answer = self.call(deadline, command).await?;
        self.settle(deadline, answer).await
    }

    /// Runs a script on one key. A server that does not know the script has not run it, and gets
    /// its full text.
    pub(super) async fn run<T: FromValue>(
        &self,
        deadline: Instant,
        script: &Script,
        name: &Bytes,
        arguments: Vec<Value>,
    ) -> Result<T, StoreError> {
        let by_hash = |client: WithOptions<Client>| {
            let (hash, name) = (script.hash.clone(), name.clone());
            let arguments = arguments.clone();
            async move { client.evalsha(hash, name, arguments).await }
        };
        let in_full = |client: WithOptions<Client>| {
            let (name, arguments) = (name.clone(), arguments.clone());
            async move { client.eval(script.source, name, arguments).await }
        };
        match self.call(deadline, by_hash).await? {
            Err(error) if RedisFault::of(&error) == RedisFault::NoScript => {
                self.write(deadline, in_full).await
            }
            answer => self.settle(deadline, answer).await,
        }
    }

    async fn settle<T>(
        &self,
        deadline: Instant,
        answer: Result<T, Error>,
    ) -> Result<T, StoreError> {
        if let Err(error) = &answer
            && RedisFault::of(error) == RedisFault::ReadOnly
        {
            self.reconnect_to_primary(deadline).await;
        }
        answer.map_err(of_write)
    }

    /// Sends a command until it is no longer redirected. It is sent again only if it is known not
    /// to have run.
    async fn call<T, F>(
        &self,
        deadline: Instant,
        command: impl Fn(WithOptions<Client>) -> F,
    ) -> Result<Result<T, Error>, StoreError>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let mut last = None;
        loop {
            let rest = deadline.saturating_duration_since(Instant::now());
            // fred takes a time-out of zero for no time-out.
            if rest.is_zero() {
                let late = || {
                    StoreError::Unavailable(
                        "the time-out passed before the command was sent".into(),
                    )
                };
                return Err(last.map_or_else(late, of_read));
            }
            if !self.is_connected() {
                return Err(disconnected());
            }
            let options = Options {
                timeout: Some(rest),
                ..Options::default()
            };
            match command(self.client.with_options(&options)).await {
                Err(error) if RedisFault::of(&error) == RedisFault::Redirected => {
                    // After the first redirection fred has looked the slot up. After a second one
                    // the slot itself is being moved.
                    if last.replace(error).is_some() {
                        let pause = Instant::now() + REDIRECT_DELAY;
                        tokio::time::sleep_until(pause.min(deadline)).await;
                    }
                }
                answer => return Ok(answer),
            }
        }
    }

    /// Reconnects, which resolves the host of the URL or asks the Sentinel again. One caller does
    /// this for all.
    async fn reconnect_to_primary(&self, deadline: Instant) {
        if self.is_reconnecting.swap(true, Ordering::AcqRel) {
            return;
        }
        tracing::warn!("the Redis server has become read-only: reconnecting");
        drop(tokio::time::timeout_at(deadline, self.client.force_reconnection()).await);
        self.is_reconnecting.store(false, Ordering::Release);
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A write that continues to its end or its time-out if its caller goes away. Otherwise fred would
/// keep a command that was not sent yet, and send it as soon as the server is back.
pub(super) struct DetachedWrite<T: Send + 'static> {
    work: Option<Pin<Box<dyn Future<Output = T> + Send>>>,
    has_begun: bool,
}

impl<T: Send> DetachedWrite<T> {
    pub(super) fn new(work: impl Future<Output = T> + Send + 'static) -> Self {
        Self {
            work: Some(Box::pin(work)),
            has_begun: false,
        }
    }
}

impl<T: Send> Future for DetachedWrite<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        self.has_begun = true;
        let Some(work) = &mut self.work else {
            return Poll::Pending;
        };
        let answer = work.as_mut().poll(cx);
        if answer.is_ready() {
            self.work = None;
        }
        answer
    }
}

impl<T: Send> Drop for DetachedWrite<T> {
    fn drop(&mut self) {
        if let Some(work) = self.work.take()
            && self.has_begun
            && let Ok(runtime) = Handle::try_current()
        {
            runtime.spawn(async move { drop(work.await) });
        }
    }
}

/// Awaits all of `work`, with bounded concurrency, and returns the answers in order.
pub(super) async fn gather<F: Future>(work: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let mut work = work.into_iter();
    let mut answers = Vec::new();
    loop {
        let mut batch: Vec<_> = work.by_ref().take(CONCURRENCY).map(Box::pin).collect();
        if batch.is_empty() {
            return answers;
        }
        let mut done: Vec<_> = batch.iter().map(|_| None).collect();
        std::future::poll_fn(|cx| {
            for (future, answer) in batch.iter_mut().zip(&mut done) {
                if answer.is_none()
                    && let Poll::Ready(ready) = future.as_mut().poll(cx)
                {
                    *answer = Some(ready);
                }
            }
            if done.iter().all(Option::is_some) {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
        answers.extend(done.into_iter().flatten());
    }
}

/// The delay before a redirected command is sent again.
const REDIRECT_DELAY: Duration = Duration::from_millis(20);

/// Enough to fill a connection, few enough to poll together.
const CONCURRENCY: usize = 64;
