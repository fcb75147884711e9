//! The thread on which futures run for callers that wait.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, mpsc as answers},
    thread::{self, JoinHandle},
};

use tokio::{
    runtime::{Builder, Handle, Runtime},
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    task::{LocalSet, spawn_local},
};

use super::BlockingError;

/// A thread with a runtime on it, for engines and stores whose callers wait. See the [module](super).
///
/// It is a handle: cloning it is cheap, and the thread ends with the last one.
#[derive(Clone)]
pub struct Worker(Arc<Thread>);

struct Thread {
    /// Taken by the end alone: without a sender the thread's loop ends.
    jobs: Option<UnboundedSender<Job>>,
    thread: Option<JoinHandle<()>>,
}

type Job = Box<dyn FnOnce() -> Pin<Box<dyn Future<Output = ()>>> + Send>;

impl Worker {
    /// Starts the thread.
    ///
    /// # Errors
    ///
    /// [`BlockingError::Start`] when the operating system gives none.
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

    /// Runs `work` on the thread, and waits for its end.
    ///
    /// # Errors
    ///
    /// [`BlockingError::InsideRuntime`] and [`BlockingError::Panicked`], and what `work` fails with.
    pub fn run<T, X>(
        &self,
        work: impl AsyncFnOnce() -> Result<T, X> + Send + 'static,
    ) -> Result<T, BlockingError<X>>
    where
        T: Send + 'static,
        X: Send + 'static,
    {
        // On the thread itself too: it would wait for itself.
        if Handle::try_current().is_ok() {
            return Err(BlockingError::InsideRuntime);
        }
        let (answer, answered) = answers::sync_channel(1);
        let job: Job = Box::new(move || {
            Box::pin(async move {
                // The caller is there: it waits below.
                let _ = answer.send(work().await);
            })
        });
        // A task that panics drops its side of the channel.
        let is_sent = self
            .0
            .jobs
            .as_ref()
            .is_some_and(|jobs| jobs.send(job).is_ok());
        match answered.recv() {
            Ok(outcome) if is_sent => outcome.map_err(BlockingError::Engine),
            _ => Err(BlockingError::Panicked),
        }
    }
}

/// Starts each job as it comes, beside those under way, until no handle is left.
fn serve(runtime: &Runtime, mut jobs: UnboundedReceiver<Job>) {
    let tasks = LocalSet::new();
    tasks.block_on(runtime, async move {
        while let Some(job) = jobs.recv().await {
            // Called within its task, so that a panic on the way to the future is the task's, too.
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
        // A future that holds the last handle drops it on the thread, which cannot wait for itself and is about to end.
        if thread.thread().id() != thread::current().id() {
            // It has not panicked: its jobs are tasks, which keep theirs.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").finish_non_exhaustive()
    }
}
