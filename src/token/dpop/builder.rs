//! The settings of the verifier of proofs, with their defaults and reasons.

use std::{fmt, sync::Arc, time::Duration};

use super::{Dpop, DpopInner, nonce::Nonces, uri::PublicUrl};
use crate::{
    clock::{Clock, SystemClock},
    error::ConfigError,
    secret::MasterSecret,
    store::Store,
};

/// Builds a [`Dpop`].
#[must_use]
pub struct DpopBuilder {
    store: Arc<dyn Store>,
    secret: MasterSecret,
    public_url: String,
    clock: Arc<dyn Clock>,
    window: Duration,
    requires_nonce: bool,
}

impl DpopBuilder {
    pub(super) fn new(store: Arc<dyn Store>, secret: &MasterSecret, public_url: &str) -> Self {
        Self {
            store,
            secret: secret.clone(),
            public_url: public_url.to_owned(),
            clock: Arc::new(SystemClock),
            window: DEFAULT_WINDOW,
            requires_nonce: false,
        }
    }

    /// Asks each proof for a nonce of this server, at the price of one more request whenever a client has none. Default: no, as
    /// RFC 9449 section 8 leaves it to the server; proofs can then be made in advance by whoever borrows the key.
    pub const fn require_nonce(mut self) -> Self {
        self.requires_nonce = true;
        self
    }

    /// How far the `iat` of a proof may be from now, in either direction, at most five minutes. Default: one minute, in which
    /// a clock that is kept by NTP and a slow network have room.
    pub const fn window(mut self, window: Duration) -> Self {
        self.window = window;
        self
    }

    /// The source of time. Default: the operating system.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// When the public URL is not an absolute one of https or http without user, query and fragment, or the window is not
    /// between a second and five minutes.
    pub fn build(self) -> Result<Dpop, ConfigError> {
        if !(SHORTEST_WINDOW..=LONGEST_WINDOW).contains(&self.window) {
            let reason = "is not between a second and five minutes";
            return Err(ConfigError::new("window", reason));
        }
        Ok(Dpop {
            inner: Arc::new(DpopInner {
                url: PublicUrl::new(&self.public_url)?,
                nonces: Nonces::new(&self.secret, &self.public_url),
                store: self.store,
                clock: self.clock,
                window: self.window,
                requires_nonce: self.requires_nonce,
            }),
        })
    }
}

impl fmt::Debug for DpopBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DpopBuilder")
            .field("window", &self.window)
            .field("requires_nonce", &self.requires_nonce)
            .finish_non_exhaustive()
    }
}

const DEFAULT_WINDOW: Duration = Duration::from_secs(60);
const SHORTEST_WINDOW: Duration = Duration::from_secs(1);
const LONGEST_WINDOW: Duration = Duration::from_secs(5 * 60);
