//! The only source of time.
//!
//! Engines and stores never ask the operating system what time it is; they ask the [`Clock`] they
//! were built with. In production that is [`SystemClock`], in tests one that the test moves (feature
//! `testing`), so nothing in this crate's tests sleeps.
//!
//! Two readings exist because they answer two questions. [`Clock::now`] says *when* something
//! happened and may jump when the machine's time is set. [`Clock::monotonic`] says *how long*
//! something has taken and never goes back.
//!
//! ```
//! use std::time::Duration;
//! use tower_jam::{Clock, SystemClock, Timestamp};
//!
//! let issued = SystemClock.now();
//! let expires = issued.after(Duration::from_secs(900));
//! assert!(issued < expires);
//! assert_eq!(expires.since(issued), Duration::from_secs(900));
//! assert!(expires < Timestamp::NEVER);
//! ```

use std::{
    fmt,
    sync::LazyLock,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};

/// A moment, in milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(u64);

impl Timestamp {
    /// Later than every other moment: the expiry of what does not expire.
    pub const NEVER: Self = Self(u64::MAX);

    /// The moment `milliseconds` after the Unix epoch.
    #[must_use]
    pub const fn from_millis(milliseconds: u64) -> Self {
        Self(milliseconds)
    }

    /// The moment `seconds` after the Unix epoch; far beyond year 9999 it becomes [`Self::NEVER`].
    #[must_use]
    pub const fn from_secs(seconds: u64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    /// Milliseconds since the Unix epoch.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Whole seconds since the Unix epoch, rounded down.
    #[must_use]
    pub const fn as_secs(self) -> u64 {
        self.0 / 1000
    }

    /// The moment `span` later, at most [`Self::NEVER`].
    #[must_use]
    pub fn after(self, span: Duration) -> Self {
        Self(self.0.saturating_add(millis(span)))
    }

    /// The moment `span` earlier, at the earliest the Unix epoch.
    #[must_use]
    pub fn before(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(millis(span)))
    }

    /// How long after `earlier` this moment is; zero when it is not after it.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// How far the clocks of two nodes may be apart, where the times of both are compared. Clocks that are kept by NTP
/// differ by much less. It is the default leeway for tokens, too.
pub(crate) const SKEW: Duration = Duration::from_secs(30);

/// Tells the time to engines and stores.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// The wall clock.
    fn now(&self) -> Timestamp;

    /// Time passed since an arbitrary fixed point, never going back.
    fn monotonic(&self) -> Duration;
}

/// The operating system's clocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    /// # Panics
    ///
    /// Never: a machine whose clock stands before 1970 reads as 1970, so that every token is refused
    /// as issued in the future rather than accepted.
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
