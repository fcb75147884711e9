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
//! use tower_jam::blocking::{Blocking, Worker};
//! use tower_jam::{Env, Grant, MasterSecret, Sessions, store::MemoryStore};
//!
//! let worker = Worker::start()?;
//! let store = Arc::new(MemoryStore::new());
//! let env = Env::new("https://acme.dev", store, &MasterSecret::generate());
//! let sessions = Blocking::on(&worker, Sessions::<String>::builder(&env).build()?);
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

mod engines;
mod error;
mod worker;

pub use self::{engines::Blocking, error::BlockingError, worker::Worker};
