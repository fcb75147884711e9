//! The clock: the only source of time in this crate.

use std::{
    fmt,
    sync::LazyLock,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};

/// A point in time, in milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(u64);

impl Timestamp {
    /// Later than every other time: the expiry of entries that do not expire.
    pub const NEVER: Self = Self(u64::MAX);

    /// Returns the time `milliseconds` after the Unix epoch.
    #[must_use]
    pub const fn from_millis(milliseconds: u64) -> Self {
        Self(milliseconds)
    }

    /// Returns the time `seconds` after the Unix epoch. Saturates at [`Self::NEVER`], far beyond
    /// the year 9999.
    #[must_use]
    pub const fn from_secs(seconds: u64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    /// Returns the milliseconds since the Unix epoch.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Returns the seconds since the Unix epoch, rounded down.
    #[must_use]
    pub const fn as_secs(self) -> u64 {
        self.0 / 1000
    }

    /// Returns the time `span` later, at most [`Self::NEVER`].
    #[must_use]
    pub fn after(self, span: Duration) -> Self {
        Self(self.0.saturating_add(millis(span)))
    }

    /// Returns the time `span` earlier, at the earliest the Unix epoch.
    #[must_use]
    pub fn before(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(millis(span)))
    }

    /// Returns the duration since `earlier`, or zero if `earlier` is not earlier.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// The tolerated clock skew between two nodes whose times are compared. Clocks that are
/// synchronised by NTP differ by much less. It is also the default leeway for tokens.
pub(crate) const SKEW: Duration = Duration::from_secs(30);

/// A source of time for engines and stores.
///
/// Engines and stores never read the time from the operating system. They use the [`Clock`] they
/// were built with: [`SystemClock`] in production, and in tests a clock that the test advances
/// (feature `testing`), so no test of this crate sleeps.
///
/// There are two readings. [`Clock::now`] returns *when* something happens, and may jump when the
/// machine's time is set. [`Clock::monotonic`] measures *how long* something takes, and never goes
/// back.
///
/// ```
/// use std::time::Duration;
/// use tower_jam::{Clock, SystemClock, Timestamp};
///
/// let issued = SystemClock.now();
/// let expires = issued.after(Duration::from_secs(900));
/// assert!(issued < expires);
/// assert_eq!(expires.since(issued), Duration::from_secs(900));
/// assert!(expires < Timestamp::NEVER);
/// ```
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// Returns the wall-clock time.
    fn now(&self) -> Timestamp;

    /// Returns the time since an arbitrary fixed point. It never goes back.
    fn monotonic(&self) -> Duration;
}

/// The operating system's clocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    /// # Panics
    ///
    /// Never. If the machine's clock is before 1970, the time reads as 1970, so that every token is
    /// rejected as issued in the future rather than accepted.
    fn now(&self) -> Timestamp {
        let since_epoch = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Timestamp(millis(since_epoch))
    }

    fn monotonic(&self) -> Duration {
        STARTED.elapsed()
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

static STARTED: LazyLock<Instant> = LazyLock::new(Instant::now);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates_at_both_ends() {
        let day = Duration::from_secs(86_400);
        assert_eq!(Timestamp::NEVER.after(day), Timestamp::NEVER);
        assert_eq!(
            Timestamp::from_secs(1).before(day),
            Timestamp::from_millis(0)
        );
        assert_eq!(Timestamp::from_secs(u64::MAX), Timestamp::NEVER);
        assert_eq!(
            Timestamp::from_secs(1).since(Timestamp::NEVER),
            Duration::ZERO
        );
    }

    #[test]
    fn the_monotonic_reading_never_goes_back() {
        let first = SystemClock.monotonic();
        assert!(SystemClock.monotonic() >= first);
    }
}
