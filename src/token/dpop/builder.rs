//! The settings of the proof verifier, with their defaults and reasons.

use std::{fmt, sync::Arc, time::Duration};

use super::{Dpop, DpopInner, nonce::Nonces, uri::PublicUrl};
use crate::{env::Env, error::ConfigError};

/// Builds a [`Dpop`].
#[must_use]
pub struct DpopBuilder {
    env: Env,
    public_url: String,
    window: Duration,
    requires_nonce: bool,
}

impl DpopBuilder {
    pub(super) fn new(env: &Env, public_url: &str) -> Self {
        Self {
            env: env.clone(),
            public_url: public_url.to_owned(),
            window: DEFAULT_WINDOW,
            requires_nonce: false,
        }
    }

    /// Requires a nonce of this server in each proof. This costs one more request whenever a client
    /// has none. Default: no, as RFC 9449 section 8 leaves it to the server; a party with temporary
    /// access to the key can then make proofs in advance.
    pub const fn require_nonce(mut self) -> Self {
        self.requires_nonce = true;
        self
    }

    /// Sets how far the `iat` of a proof may be from now, in either direction, at most five
    /// minutes. Default: one minute, enough for a clock that is synchronized by NTP and for a slow
    /// network.
    pub const fn window(mut self, window: Duration) -> Self {
        self.window = window;
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// When the public URL is not an absolute https or http URL without user, query and fragment,
    /// or the window is not between one second and five minutes.
    pub fn build(self) -> Result<Dpop, ConfigError> {
        self.validate().map_err(|error| error.in_engine("Dpop"))
    }

    fn validate(self) -> Result<Dpop, ConfigError> {
        if !(SHORTEST_WINDOW..=LONGEST_WINDOW).contains(&self.window) {
            let reason = "is not between a second and five minutes";
            return Err(ConfigError::new("window", reason));
        }
        Ok(Dpop {
            inner: Arc::new(DpopInner {
                url: PublicUrl::new(&self.public_url)?,
                nonces: Nonces::new(&self.env.secret, &self.public_url),
                store: self.env.store,
                clock: self.env.clock,
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
