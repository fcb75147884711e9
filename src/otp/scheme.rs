//! How codes are generated: from the time or a counter, with which hash and how many digits.

use std::time::Duration;

use super::{
    code::{Digest, code},
    secret::OtpSecret,
};
use crate::{clock::Timestamp, error::ConfigError, secret::Secret};

/// Time-based codes (RFC 6238). The default is what every authenticator supports: SHA-1, 6 digits,
/// 30 seconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub struct Totp {
    pub(super) digest: Digest,
    pub(super) digits: u8,
    pub(super) period: u32,
}

impl Totp {
    /// Creates the default scheme: SHA-1, 6 digits, 30 seconds.
    pub const fn new() -> Self {
        Self {
            digest: Digest::Sha1,
            digits: DEFAULT_DIGITS,
            period: DEFAULT_PERIOD,
        }
    }

    /// Sets the hash function.
    pub const fn with_digest(mut self, digest: Digest) -> Self {
        self.digest = digest;
        self
    }

    /// Sets the number of digits: 6, 7 or 8.
    ///
    /// # Errors
    ///
    /// For any other number.
    pub fn with_digits(mut self, digits: u8) -> Result<Self, ConfigError> {
        self.digits = checked_digits(digits)?;
        Ok(self)
    }

    /// Sets the period of a code, in whole seconds.
    ///
    /// # Errors
    ///
    /// When it is zero, not a whole number of seconds, or longer than a day.
    pub fn with_period(mut self, period: Duration) -> Result<Self, ConfigError> {
        let seconds = u32::try_from(period.as_secs()).unwrap_or(u32::MAX);
        if period.subsec_nanos() != 0 || !(1..=MAX_PERIOD).contains(&seconds) {
            let reason = "is not a whole number of seconds from one to a day";
            return Err(ConfigError::new("period", reason));
        }
        self.period = seconds;
        Ok(self)
    }

    /// Returns the code that an authenticator with `secret` shows at `at`.
    #[must_use]
    pub fn code(&self, secret: &OtpSecret, at: Timestamp) -> Secret<String> {
        code(secret, self.step(at), self.digest, self.digits)
    }

    /// Returns the number of periods since 1970 (T in RFC 6238 section 4.2).
    pub(super) const fn step(&self, at: Timestamp) -> u64 {
        at.as_secs() / self.period as u64
    }
}

impl Default for Totp {
    fn default() -> Self {
        Self::new()
    }
}

/// Counter-based codes (RFC 4226), for tokens with a button. The default is SHA-1 and 6 digits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub struct Hotp {
    pub(super) digest: Digest,
    pub(super) digits: u8,
}

impl Hotp {
    /// Creates the default scheme: SHA-1, 6 digits.
    pub const fn new() -> Self {
        Self {
            digest: Digest::Sha1,
            digits: DEFAULT_DIGITS,
        }
    }

    /// Sets the hash function.
    pub const fn with_digest(mut self, digest: Digest) -> Self {
        self.digest = digest;
        self
    }

    /// Sets the number of digits: 6, 7 or 8.
    ///
    /// # Errors
    ///
    /// For any other number.
    pub fn with_digits(mut self, digits: u8) -> Result<Self, ConfigError> {
        self.digits = checked_digits(digits)?;
        Ok(self)
    }

    /// Returns the code of an authenticator with `secret` for `counter`, which starts at zero.
    #[must_use]
    pub fn code(&self, secret: &OtpSecret, counter: u64) -> Secret<String> {
        code(secret, counter, self.digest, self.digits)
    }
}

impl Default for Hotp {
    fn default() -> Self {
        Self::new()
    }
}

/// Time-based or counter-based codes. Each enrollment keeps the scheme with which it was created,
/// regardless of the current one of the engine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_enums, reason = "there are two kinds of codes")]
pub enum OtpScheme {
    /// Time-based codes.
    Totp(Totp),
    /// Counter-based codes.
    Hotp(Hotp),
}

impl OtpScheme {
    pub(super) const fn digest(&self) -> Digest {
        match self {
            Self::Totp(totp) => totp.digest,
            Self::Hotp(hotp) => hotp.digest,
        }
    }

    pub(super) const fn digits(&self) -> u8 {
        match self {
            Self::Totp(totp) => totp.digits,
            Self::Hotp(hotp) => hotp.digits,
        }
    }
}

impl From<Totp> for OtpScheme {
    fn from(totp: Totp) -> Self {
        Self::Totp(totp)
    }
}

impl From<Hotp> for OtpScheme {
    fn from(hotp: Hotp) -> Self {
        Self::Hotp(hotp)
    }
}

fn checked_digits(digits: u8) -> Result<u8, ConfigError> {
    match digits {
        6..=8 => Ok(digits),
        _ => Err(ConfigError::new("digits", "is not 6, 7 or 8")),
    }
}

const DEFAULT_DIGITS: u8 = 6;
const DEFAULT_PERIOD: u32 = 30;
const MAX_PERIOD: u32 = 24 * 60 * 60;
