//! The engines for programs without async (feature `blocking`).
//!
//! A [`Blocking`] holds an engine and a [`Worker`]: one thread with a small runtime on it, where the engine's futures run. Its
//! methods wait for them, so they are called from plain threads, any number at once.
//!
//! # Rules
//!
//! * **No runtime is needed**, and none is looked for.
//! * **Inside a tokio runtime** a call is an error, [`BlockingError::InsideRuntime`], and nothing is done: waiting there would stop
//!   the very thread that others wait for. That counts `spawn_blocking` in, since tokio does not tell it apart; code with a
//!   runtime has the engine itself.
//! * **The thread is owned.** It ends when the last handle of its worker is dropped, which waits for that.
//! * **A panic** in a future is the error of its own call, [`BlockingError::Panicked`]. Other calls and later ones work.
//! * **Whatever has no method here** goes through [`run`](Blocking::run): it hands the engine to an async closure.
//!
//! A store with connections is connected on the worker, since they live on the runtime that made them:
//! `worker.run(async || RedisStore::connect(url).await)`. Engines that share a store share its worker.
//!
//! # Example
//!
//! ```
//! # #[cfg(feature = "session")]
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::sync::Arc;
//! use tower_jam::{Grant, MasterSecret, Sessions, blocking::Worker, store::MemoryStore};
//!
//! let worker = Worker::start()?;
//! let store = Arc::new(MemoryStore::new());
//! let sessions = worker.with(Sessions::<String>::builder(store, &MasterSecret::generate()).build()?);
//!
//! let session = sessions.create(Grant::new("42", "Alice".to_owned()))?;
//! let (_, data) = sessions.get(session.token.expose())?.expect("it was just created");
//! assert_eq!(data.user.as_deref(), Some("Alice"));
//!
//! // What has no method of its own:
//! let ended = sessions.run(async |sessions| sessions.clear_others("42", "none").await)?;
//! assert_eq!(ended, 1);
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "session"))]
//! # fn main() {}
//! ```

#[cfg(any(feature = "jwt", feature = "session", feature = "otp"))]
mod engines;
mod error;
mod worker;

use std::fmt;

pub use self::{error::BlockingError, worker::Worker};

/// An engine whose methods wait. See the [module](self).
///
/// It is a handle: cloning it is cheap, and all clones share the thread.
#[derive(Clone)]
pub struct Blocking<E> {
    engine: E,
    worker: Worker,
}

impl<E: Clone + Send + 'static> Blocking<E> {
    /// The engine on a thread of its own.
    ///
    /// # Errors
    ///
    /// [`BlockingError::Start`] when the operating system gives no thread.
    pub fn new(engine: E) -> Result<Self, BlockingError> {
        Ok(Worker::start()?.with(engine))
    }

    /// The engine itself.
    pub const fn engine(&self) -> &E {
        &self.engine
    }

    /// Hands the engine to `work`, on the worker's thread, and waits for its end.
    ///
    /// # Errors
    ///
    /// [`BlockingError::InsideRuntime`] and [`BlockingError::Panicked`], and what `work` fails with.
    pub fn run<T, X>(
        &self,
        work: impl AsyncFnOnce(E) -> Result<T, X> + Send + 'static,
    ) -> Result<T, BlockingError<X>>
    where
        T: Send + 'static,
        X: Send + 'static,
    {
        let engine = self.engine.clone();
        self.worker.run(async move || work(engine).await)
    }
}

impl Worker {
    /// Puts an engine on this worker's thread.
    pub fn with<E>(&self, engine: E) -> Blocking<E> {
        Blocking {
            engine,
            worker: self.clone(),
        }
    }
}

impl<E: fmt::Debug> fmt::Debug for Blocking<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Blocking").field(&self.engine).finish()
    }
}
