//! The text with which a user continues a login that requires a one-time code.

use std::{fmt, time::Duration};

use crate::secret::Secret;

/// The response of `/login` when a one-time code is required. With it and a code, the second step
/// completes the login. It is a secret, valid only for one login within five minutes.
#[derive(Clone)]
pub struct Challenge(pub(super) Secret<String>);

impl Challenge {
    /// Returns the text to send to the user who logs in. Nobody else may see it.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

impl fmt::Debug for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Challenge(..)")
    }
}

/// How long a challenge is valid: enough to fetch a phone, and short for a text that stands for a
/// password.
pub(crate) const CHALLENGE_LIFE: Duration = Duration::from_secs(5 * 60);
