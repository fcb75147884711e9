//! What the engines of one application share: the issuer, the store, the master secret, the clock
//! and the receiver of events.
//!
//! Build one [`Env`] at startup and pass it to every builder. Engines that work together, such as
//! sessions and one-time codes, then have the same issuer and the same clock.
//!
//! ```
//! use std::sync::Arc;
//!
//! use tower_jam::{Env, MasterSecret, store::MemoryStore};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let secret = MasterSecret::generate(); // in production: at least 32 random bytes from a file
//! let env = Env::new("https://auth.acme.dev", Arc::new(MemoryStore::new()), &secret);
//! assert_eq!(env.issuer(), "https://auth.acme.dev");
//! # #[cfg(feature = "session")]
//! let sessions = tower_jam::Sessions::<()>::builder(&env).build()?;
//! # Ok(())
//! # }
//! ```

use std::{fmt, sync::Arc};

use crate::{
    clock::{Clock, SystemClock},
    event::Events,
    secret::MasterSecret,
    store::Store,
};

/// What the engines of one application share. See the [module](self).
#[must_use]
#[derive(Clone)]
pub struct Env {
    pub(crate) issuer: String,
    pub(crate) store: Arc<dyn Store>,
    #[cfg_attr(
        not(any(
            feature = "session",
            feature = "otp",
            feature = "refresh",
            feature = "dpop"
        )),
        allow(dead_code, reason = "lists of tokens need no key")
    )]
    pub(crate) secret: MasterSecret,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) events: Events,
}

impl Env {
    /// Creates an environment with the operating system's clock, whose events go to `tracing` only.
    ///
    /// `issuer` identifies the application, usually as an https URL. Every key derived from
    /// `secret` depends on it, so two issuers on one store and one secret share nothing.
    pub fn new(issuer: impl Into<String>, store: Arc<dyn Store>, secret: &MasterSecret) -> Self {
        Self {
            issuer: issuer.into(),
            store,
            secret: secret.clone(),
            clock: Arc::new(SystemClock),
            events: Events::default(),
        }
    }

    /// Sets the source of time. Give the store the same clock.
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Sets the receiver of events.
    pub fn with_events(mut self, events: Events) -> Self {
        self.events = events;
        self
    }

    /// Returns the issuer.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Returns the store.
    #[must_use]
    pub const fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Returns the clock.
    #[must_use]
    pub const fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }
}

/// Shows only the issuer.
impl fmt::Debug for Env {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Env")
            .field("issuer", &self.issuer)
            .finish_non_exhaustive()
    }
}
