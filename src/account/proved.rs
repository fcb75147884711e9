//! A user who has proved who it is, on the way to a login.

use std::fmt;

use crate::{event::EventSource, grant::Grant, refresh, session, token::dpop::ProofKey};

/// A user who has proved the first factor, on the way to a login.
pub struct Proved<U> {
    pub(super) grant: Grant<U>,
    /// The account that the token of the known device will be for.
    pub(super) device_account: String,
    /// The account that the token of a remembered device will be for, if the user gave a code.
    pub(super) remembered_account: Option<String>,
    /// If set, nothing is issued before a one-time code is given.
    pub(super) needs_second_step: bool,
    pub(super) epochs: Epochs,
    /// The origin of the request, for events.
    pub(super) source: EventSource,
    /// The key that the tokens are bound to.
    pub(super) key: Option<ProofKey>,
}

/// The revocation epochs of a user when the login began. A login fails if one of them has changed.
#[derive(Clone, Copy)]
pub(super) struct Epochs {
    pub(super) pairs: refresh::DeviceEpoch,
    pub(super) sessions: Option<session::SessionEpoch>,
}

impl<U> Proved<U> {
    /// Binds the tokens of this login to `key`: they are useless without a proof of it (RFC 9449).
    #[must_use]
    pub fn bound_to(mut self, key: ProofKey) -> Self {
        self.key = Some(key);
        self
    }
}

impl<U> fmt::Debug for Proved<U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proved").finish_non_exhaustive()
    }
}
