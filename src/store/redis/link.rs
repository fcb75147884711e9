//! One connection to Redis, or one to each primary of a cluster, and how a command is sent on it.

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
    fault::{Fault, disconnected, of_read, of_write},
    scripts::Script,
};
use crate::error::StoreError;

/// A client of fred with the task that drives it. Dropping it ends both, and the connections.
pub(super) struct Link {
    pub(super) client: Client,
    task: JoinHandle<Result<(), Error>>,
    command_timeout: Duration,
    is_reconnecting: AtomicBool,
}

impl Link {
    /// Connects, and fails at the first attempt that does. Afterwards it is for `policy` to reconnect.
    pub(super) async fn open(
        config: Config,
        performance: PerformanceConfig,
        connection: ConnectionConfig,
        policy: Option<ReconnectPolicy>,
    ) -> Result<Self, Error> {
        let command_timeout = performance.default_command_timeout;
        let client = Client::new(config, Some(performance), Some(connection), policy);
        // In a task, so that a caller who goes away leaves no connection behind: the link is dropped with it.
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

    /// Whether the last that was heard is that the connection stands.
    pub(super) fn is_connected(&self) -> bool {
        self.client.is_connected() && !self.task.is_finished()
    }

    /// Reads a string. The name is not shared with a second attempt, which costs an allocation and is rare.
    pub(super) async fn get(&self, name: impl Fn() -> Bytes) -> Result<Option<Bytes>, StoreError> {
        if !self.is_connected() {
            return Err(disconnected());
        }
        let deadline = self.deadline();
        match self.client.get(name()).await {
            Err(error) if Fault::of(&error) == Fault::Redirected => {
                let again = |client: WithOptions<Client>| {
                    let name = name();
                    async move { client.get(name).await }
                };
                // Rare, and large: it would make every read's future so.
                Box::pin(self.read(deadline, again)).await
            }
            answer => answer.map_err(of_read),
        }
    }

    /// Sends a command that changes nothing.
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

    /// Sends a command that changes something.
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

    /// Runs a script on one key. Where the server does not know it, it did not run, and is sent as a whole.
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
            Err(error) if Fault::of(&error) == Fault::NoScript => {
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
            && Fault::of(error) == Fault::ReadOnly
        {
            self.look_for_another_primary(deadline).await;
        }
        answer.map_err(of_write)
    }

    /// Sends a command until it was not redirected any more. It is known not to have run when it is sent again.
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
            // A time-out of zero would be none at all.
            if rest.is_zero() {
                let late =
                    || StoreError::Unavailable("the time-out passed before it was sent".into());
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
                Err(error) if Fault::of(&error) == Fault::Redirected => {
                    // Once fred has asked where the slot is; after that the slot itself is on the move.
                    if last.replace(error).is_some() {
                        let pause = Instant::now() + ON_THE_MOVE;
                        tokio::time::sleep_until(pause.min(deadline)).await;
                    }
                }
                answer => return Ok(answer),
            }
        }
    }

    /// Connects anew, so that the name in the URL or the Sentinel is asked again. One caller does it for all.
    async fn look_for_another_primary(&self, deadline: Instant) {
        if self.is_reconnecting.swap(true, Ordering::AcqRel) {
            return;
        }
        tracing::warn!("Redis has become read-only here: connecting anew");
        drop(tokio::time::timeout_at(deadline, self.client.force_reconnection()).await);
        self.is_reconnecting.store(false, Ordering::Release);
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A change that goes on when its caller goes away, to its end or its time-out. fred would otherwise keep a command
/// that was not sent yet, and send it whenever the server is back.
pub(super) struct Change<T: Send + 'static> {
    work: Option<Pin<Box<dyn Future<Output = T> + Send>>>,
    is_begun: bool,
}

impl<T: Send> Change<T> {
    pub(super) fn new(work: impl Future<Output = T> + Send + 'static) -> Self {
        Self {
            work: Some(Box::pin(work)),
            is_begun: false,
        }
    }
}

impl<T: Send> Future for Change<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        self.is_begun = true;
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

impl<T: Send> Drop for Change<T> {
    fn drop(&mut self) {
        if let Some(work) = self.work.take()
            && self.is_begun
            && let Ok(runtime) = Handle::try_current()
        {
            runtime.spawn(async move { drop(work.await) });
        }
    }
}

/// Awaits all of `work`, so many at a time, and returns the answers in order.
pub(super) async fn gather<F: Future>(work: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let mut work = work.into_iter();
    let mut answers = Vec::new();
    loop {
        let mut batch: Vec<_> = work.by_ref().take(AT_ONCE).map(Box::pin).collect();
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
            match done.iter().all(Option::is_some) {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        })
        .await;
        answers.extend(done.into_iter().flatten());
    }
}

/// How long to wait before a command is sent again.
const ON_THE_MOVE: Duration = Duration::from_millis(20);

/// Enough to fill a connection, few enough to be polled together.
const AT_ONCE: usize = 64;
