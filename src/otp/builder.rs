//! The settings of the OTP engine, with their defaults and reasons.

use std::{fmt, time::Duration};

use super::{
    encoding::OtpRecordKeys,
    engine::Otp,
    inner::OtpInner,
    record::OtpPolicy,
    scheme::{OtpScheme, Totp},
    secret::{DEFAULT_BYTES, MAXIMUM_BYTES, MINIMUM_BYTES},
    uri::MAX_SERVICE_BYTES,
};
use crate::{env::Env, error::ConfigError};

/// Builds an [`Otp`].
#[must_use]
pub struct OtpBuilder {
    env: Env,
    service: String,
    scheme: OtpScheme,
    secret_bits: usize,
    policy: OtpPolicy,
    fresh: Duration,
}

impl OtpBuilder {
    pub(super) fn new(env: &Env, service: String) -> Self {
        Self {
            env: env.clone(),
            service,
            scheme: OtpScheme::Totp(Totp::new()),
            secret_bits: 8 * DEFAULT_BYTES,
            policy: OtpPolicy {
                window: 1,
                look_ahead: DEFAULT_LOOK_AHEAD,
                resync: DEFAULT_RESYNC,
                max_failures: DEFAULT_FAILURES,
                lock: DEFAULT_LOCK,
                pending: DEFAULT_PENDING,
            },
            fresh: DEFAULT_FRESH,
        }
    }

    /// Sets how the codes of new enrollments are generated; existing ones keep theirs. Default:
    /// [`Totp::new`], which every authenticator supports.
    pub fn scheme(mut self, scheme: impl Into<OtpScheme>) -> Self {
        self.scheme = scheme.into();
        self
    }

    /// Sets the length of generated secrets, 128 to 1024 bits in whole bytes. Default: 160 (RFC
    /// 4226 section 4, R6).
    pub const fn secret_bits(mut self, bits: usize) -> Self {
        self.secret_bits = bits;
        self
    }

    /// Sets how many periods a clock may be off, before and after: 0 to 5. Default: 1, as RFC 6238
    /// section 5.2 recommends. Each further period makes guessing easier.
    pub const fn window(mut self, periods: u8) -> Self {
        self.policy.window = periods as u64;
        self
    }

    /// Sets how many codes of a counter may have been generated and not used: 0 to 20. Default: 5.
    pub const fn look_ahead(mut self, codes: u8) -> Self {
        self.policy.look_ahead = codes as u64;
        self
    }

    /// Sets how many codes [`resynchronize`](Otp::resynchronize) searches, up to 1000. Default:
    /// 100.
    pub const fn resync_window(mut self, codes: u16) -> Self {
        self.policy.resync = codes as u64;
        self
    }

    /// Sets how many wrong codes in a row lock the user, 1 to 10. Default: 5, which gives a guesser
    /// of six digits a chance of 1 in 66,000 before the lock.
    pub const fn max_failures(mut self, failures: u8) -> Self {
        self.policy.max_failures = failures;
        self
    }

    /// Sets the duration of the lock. Default: 15 minutes.
    pub const fn lock_duration(mut self, lock: Duration) -> Self {
        self.policy.lock = lock;
        self
    }

    /// Sets how long an enrollment waits for its first code. Default: 15 minutes.
    pub const fn pending_ttl(mut self, pending: Duration) -> Self {
        self.policy.pending = pending;
        self
    }

    /// Sets how long a code counts as fresh, for changes of the enrollment and as the default of
    /// [`OtpGuard`](crate::OtpGuard). Default: 5 minutes.
    pub const fn fresh(mut self, fresh: Duration) -> Self {
        self.fresh = fresh;
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// When one is out of range, the issuer is empty, or the name of the service is empty, contains
    /// a colon or has more than 64 bytes.
    pub fn build(self) -> Result<Otp, ConfigError> {
        self.validate().map_err(|error| error.in_engine("Otp"))
    }

    fn validate(self) -> Result<Otp, ConfigError> {
        let OtpPolicy {
            window,
            look_ahead,
            resync,
            max_failures,
            lock,
            pending,
        } = self.policy;
        let bits = 8 * MINIMUM_BYTES..=8 * MAXIMUM_BYTES;
        let is_name = !self.service.is_empty() && self.service.len() <= MAX_SERVICE_BYTES;
        let minute = Duration::from_secs(60);
        let day = 24 * 60 * minute;
        let checks = [
            (
                is_name && !self.service.contains(':'),
                "service",
                "is not 1 to 64 bytes without a colon",
            ),
            (!self.env.issuer.is_empty(), "issuer", "is empty"),
            (
                bits.contains(&self.secret_bits) && self.secret_bits.is_multiple_of(8),
                "secret_bits",
                "is not 128 to 1024 in whole bytes",
            ),
            (window <= 5, "window", "is more than 5 periods"),
            (look_ahead <= 20, "look_ahead", "is more than 20 codes"),
            (resync <= 1000, "resync_window", "is more than 1000 codes"),
            (
                (1..=10).contains(&max_failures),
                "max_failures",
                "is not 1 to 10",
            ),
            (
                (minute..=day).contains(&lock),
                "lock_duration",
                "is not a minute to a day",
            ),
            (
                (minute..=day).contains(&pending),
                "pending_ttl",
                "is not a minute to a day",
            ),
            (!self.fresh.is_zero(), "fresh", "is zero"),
        ];
        if let Some((_, setting, reason)) = checks.into_iter().find(|(is_valid, ..)| !is_valid) {
            return Err(ConfigError::new(setting, reason));
        }
        Ok(Otp::new(OtpInner {
            store: self.env.store,
            clock: self.env.clock,
            keys: OtpRecordKeys::new(&self.env.secret, &self.env.issuer),
            service: self.service,
            issuer: self.env.issuer,
            scheme: self.scheme,
            secret_bytes: self.secret_bits / 8,
            policy: self.policy,
            fresh: self.fresh,
            events: self.env.events,
        }))
    }
}

impl fmt::Debug for OtpBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OtpBuilder")
            .field("scheme", &self.scheme)
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

const DEFAULT_LOOK_AHEAD: u64 = 5;
const DEFAULT_RESYNC: u64 = 100;
const DEFAULT_FAILURES: u8 = 5;
const DEFAULT_LOCK: Duration = Duration::from_secs(15 * 60);
/// Long enough to fetch a phone.
const DEFAULT_PENDING: Duration = Duration::from_secs(15 * 60);
const DEFAULT_FRESH: Duration = Duration::from_secs(5 * 60);
