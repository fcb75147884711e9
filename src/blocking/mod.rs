//! The engines for programs without async (feature `blocking`).
//!
//! A [`Blocking`] holds an engine and a [`Worker`], a thread with a small runtime on which the
//! futures of the engine run. Its methods block until they complete, so call them from plain
//! threads; any number may do so at once.
//!
//! # Rules
//!
//! * **No runtime is needed**, and none is used if there is one.
//! * **Inside a tokio runtime** a call fails with [`BlockingError::InsideRuntime`] and does
//!   nothing: it would block a thread that other tasks need. This includes `spawn_blocking`, since
//!   tokio does not distinguish it. Code with a runtime can await the engine itself.
//! * **The thread is owned.** It ends when the last handle of its worker is dropped; the drop waits
//!   for it.
//! * **A panic** in a future is the error of that call, [`BlockingError::Panicked`]. Concurrent and
//!   later calls are not affected.
//! * **Operations without a method here** are available with [`run`](Blocking::run), which passes
//!   the engine to an async closure.
//!
//! Connect a store on the worker, since its connections live on the runtime that opened them:
//! `worker.run(async || RedisStore::connect(url).await)`. Engines that share a store share its
//! worker.
//!
//! # Example
//!
//! ```
//! # #[cfg(feature = "session")]
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::sync::Arc;
//! use tower_jam::{Env, Grant, MasterSecret, Sessions, blocking::Worker, store::MemoryStore};
//!
//! let worker = Worker::start()?;
//! let store = Arc::new(MemoryStore::new());
//! let env = Env::new("https://acme.dev", store, &MasterSecret::generate());
//! let sessions = worker.with(Sessions::<String>::builder(&env).build()?);
//!
//! let session = sessions.create(Grant::new("42", "Alice".to_owned()))?;
//! let (_, data) = sessions.get(session.token.expose())?.expect("it was just created");
//! assert_eq!(data.user.as_deref(), Some("Alice"));
//!
//! // An operation without a method of its own:
//! let ended = sessions.run(async |sessions| sessions.revoke_others("42", "none").await)?;
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

/// An engine with blocking methods. See the [module](self).
///
/// It is a handle: cloning it is cheap, and all clones share the thread.
#[derive(Clone)]
pub struct Blocking<E> {
    engine: E,
    worker: Worker,
}

impl<E: Clone + Send + 'static> Blocking<E> {
    /// Starts a thread of its own for the engine.
    ///
    /// # Errors
    ///
    /// [`BlockingError::Start`] when the thread cannot be started.
    pub fn new(engine: E) -> Result<Self, BlockingError> {
        Ok(Worker::start()?.with(engine))
    }

    /// Returns the engine.
    pub const fn engine(&self) -> &E {
        &self.engine
    }

    /// Runs `work` with the engine on the thread of the worker, and blocks until it completes.
    ///
    /// # Errors
    ///
    /// [`BlockingError::InsideRuntime`] and [`BlockingError::Panicked`], and the error of `work`.
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
    /// Runs an engine on the thread of this worker.
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
