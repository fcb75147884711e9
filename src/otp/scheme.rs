//! How codes are made: by the time or by a counter, with which hash, of how many digits.

use std::time::Duration;

use super::{code, secret::OtpSecret};
use crate::{clock::Timestamp, error::ConfigError, secret::Secret};

/// The hash of the HMAC.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[allow(clippy::exhaustive_enums, reason = "RFC 6238 names these three")]
pub enum Digest {
    /// HMAC-SHA-1, which every authenticator knows. What breaks SHA-1 does not break its HMAC.
    #[default]
    Sha1,
    /// HMAC-SHA-256. Some authenticators take it and go on with SHA-1 in silence.
    Sha256,
    /// HMAC-SHA-512, with the same caveat.
    Sha512,
}

/// Codes by the time (RFC 6238). The default is what every authenticator knows: SHA-1, 6 digits, 30 seconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub struct Totp {
    pub(super) digest: Digest,
    pub(super) digits: u8,
    pub(super) period: u32,
}

impl Totp {
    /// SHA-1, 6 digits, 30 seconds.
    pub const fn new() -> Self {
        Self {
            digest: Digest::Sha1,
            digits: DEFAULT_DIGITS,
            period: DEFAULT_PERIOD,
        }
    }

    /// Makes codes with another hash.
    pub const fn with_digest(mut self, digest: Digest) -> Self {
        self.digest = digest;
        self
    }

    /// Makes codes of 6, 7 or 8 digits.
    ///
    /// # Errors
    ///
    /// For any other number.
    pub fn with_digits(mut self, digits: u8) -> Result<Self, ConfigError> {
        self.digits = checked_digits(digits)?;
        Ok(self)
    }

    /// Makes a new code after each `period`, in whole seconds.
    ///
    /// # Errors
    ///
    /// When it is zero, no whole number of seconds, or more than a day.
    pub fn with_period(mut self, period: Duration) -> Result<Self, ConfigError> {
        let seconds = u32::try_from(period.as_secs()).unwrap_or(u32::MAX);
        if period.subsec_nanos() != 0 || !(1..=MAX_PERIOD).contains(&seconds) {
            let reason = "is not a whole number of seconds from one to a day";
            return Err(ConfigError::new("period", reason));
        }
        self.period = seconds;
        Ok(self)
    }

    /// The code that an authenticator with `secret` shows at `at`.
    #[must_use]
    pub fn code(&self, secret: &OtpSecret, at: Timestamp) -> Secret<String> {
        code::code(secret, self.step(at), self.digest, self.digits)
    }

    /// How many periods have passed since 1970 (T of RFC 6238 section 4.2).
    pub(super) const fn step(&self, at: Timestamp) -> u64 {
        at.as_secs() / self.period as u64
    }
}

impl Default for Totp {
    fn default() -> Self {
        Self::new()
    }
}

/// Codes by a counter (RFC 4226), for tokens with a button. The default is SHA-1 and 6 digits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub struct Hotp {
    pub(super) digest: Digest,
    pub(super) digits: u8,
}

impl Hotp {
    /// SHA-1, 6 digits.
    pub const fn new() -> Self {
        Self {
            digest: Digest::Sha1,
            digits: DEFAULT_DIGITS,
        }
    }

    /// Makes codes with another hash.
    pub const fn with_digest(mut self, digest: Digest) -> Self {
        self.digest = digest;
        self
    }

    /// Makes codes of 6, 7 or 8 digits.
    ///
    /// # Errors
    ///
    /// For any other number.
    pub fn with_digits(mut self, digits: u8) -> Result<Self, ConfigError> {
        self.digits = checked_digits(digits)?;
        Ok(self)
    }

    /// The code number `counter`, counted from zero, of an authenticator with `secret`.
    #[must_use]
    pub fn code(&self, secret: &OtpSecret, counter: u64) -> Secret<String> {
        code::code(secret, counter, self.digest, self.digits)
    }
}

impl Default for Hotp {
    fn default() -> Self {
        Self::new()
    }
}

/// By the time or by a counter. Each enrolment keeps the one it was made with, whatever the engine's is now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_enums, reason = "there are two kinds of codes")]
pub enum Scheme {
    /// By the time.
    Totp(Totp),
    /// By a counter.
    Hotp(Hotp),
}

impl Scheme {
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

impl From<Totp> for Scheme {
    fn from(totp: Totp) -> Self {
        Self::Totp(totp)
    }
}

impl From<Hotp> for Scheme {
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
