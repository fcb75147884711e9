//! An authenticator app for tests.

use std::{fmt, sync::Arc};

use crate::{
    clock::Clock,
    otp::{OtpSecret, Totp},
    secret::Secret,
};

/// The authenticator app of an enrolled subject. It shows the codes for the time of its clock.
pub struct Authenticator {
    secret: OtpSecret,
    scheme: Totp,
    clock: Arc<dyn Clock>,
}

impl Authenticator {
    /// Creates an authenticator with `secret`.
    #[must_use]
    pub const fn new(secret: OtpSecret, scheme: Totp, clock: Arc<dyn Clock>) -> Self {
        Self {
            secret,
            scheme,
            clock,
        }
    }

    /// Returns the current code. A code works once; advance the clock by a period to get the next
    /// one.
    #[must_use]
    pub fn code(&self) -> Secret<String> {
        self.scheme.code(&self.secret, self.clock.now())
    }
}

impl fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authenticator").finish_non_exhaustive()
    }
}
