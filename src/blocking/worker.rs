//! The thread on which the futures of blocking calls run.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, mpsc as results},
    thread::{self, JoinHandle},
};

use tokio::{
    runtime::{Builder, Handle, Runtime},
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    task::{LocalSet, spawn_local},
};

use super::BlockingError;

/// A thread with a runtime, for the blocking calls of engines and stores. See the [module](super).
///
/// It is a handle: cloning it is cheap, and the thread ends with the last clone.
#[derive(Clone)]
pub struct Worker(Arc<Thread>);

struct Thread {
    /// Taken only when the thread ends: its loop ends when there is no sender.
    jobs: Option<UnboundedSender<Job>>,
    thread: Option<JoinHandle<()>>,
}

type Job = Box<dyn FnOnce() -> Pin<Box<dyn Future<Output = ()>>> + Send>;

impl Worker {
    /// Starts the thread.
    ///
    /// # Errors
    ///
    /// [`BlockingError::Start`] when the thread or its runtime cannot be started.
    pub fn start() -> Result<Self, BlockingError> {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(BlockingError::Start)?;
        let (jobs, received) = unbounded_channel();
        let thread = thread::Builder::new()
            .name("tower-jam".to_owned())
            .spawn(move || serve(&runtime, received))
            .map_err(BlockingError::Start)?;
        Ok(Self(Arc::new(Thread {
            jobs: Some(jobs),
            thread: Some(thread),
        })))
    }

    /// Runs `work` on the thread, and blocks until it completes.
    ///
    /// # Errors
    ///
    /// [`BlockingError::InsideRuntime`] and [`BlockingError::Panicked`], and the error of `work`.
    pub fn run<T, X>(
        &self,
        work: impl AsyncFnOnce() -> Result<T, X> + Send + 'static,
    ) -> Result<T, BlockingError<X>>
    where
        T: Send + 'static,
        X: Send + 'static,
    {
        // On the worker thread too, which would wait for itself.
        if Handle::try_current().is_ok() {
            return Err(BlockingError::InsideRuntime);
        }
        let (result, received_result) = results::sync_channel(1);
        let job: Job = Box::new(move || {
            Box::pin(async move {
                // The receiver exists: the caller waits for it below.
                let _ = result.send(work().await);
            })
        });
        // A task that panics drops its end of the channel.
        let is_sent = self
            .0
            .jobs
            .as_ref()
            .is_some_and(|jobs| jobs.send(job).is_ok());
        match received_result.recv() {
            Ok(outcome) if is_sent => outcome.map_err(BlockingError::Engine),
            _ => Err(BlockingError::Panicked),
        }
    }
}

/// Starts each job when it arrives, concurrently with the others, until no handle is left.
fn serve(runtime: &Runtime, mut jobs: UnboundedReceiver<Job>) {
    let tasks = LocalSet::new();
    tasks.block_on(runtime, async move {
        while let Some(job) = jobs.recv().await {
            // Called inside its task, so that a panic while the future is created is that of the
            // task.
            spawn_local(async move { job().await });
        }
    });
}

impl Drop for Thread {
    fn drop(&mut self) {
        self.jobs = None;
        let Some(thread) = self.thread.take() else {
            return;
        };
        // A future that holds the last handle drops it on the thread, which cannot wait for itself
        // and is about to end.
        if thread.thread().id() != thread::current().id() {
            // It has not panicked: its jobs are tasks, and tokio catches their panics.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").finish_non_exhaustive()
    }
}
