//! What a user's telephone shows.

use std::{fmt, sync::Arc};

use crate::{
    clock::Clock,
    otp::{OtpSecret, Totp},
    secret::Secret,
};

/// The authenticator of an enrolled subject: the codes by the time of its clock.
pub struct Authenticator {
    secret: OtpSecret,
    scheme: Totp,
    clock: Arc<dyn Clock>,
}

impl Authenticator {
    /// An authenticator that was given `secret`.
    #[must_use]
    pub const fn new(secret: OtpSecret, scheme: Totp, clock: Arc<dyn Clock>) -> Self {
        Self {
            secret,
            scheme,
            clock,
        }
    }

    /// The code that it shows now. A code works once: move the clock on by a period for the next.
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
