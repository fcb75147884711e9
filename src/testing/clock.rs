//! A clock that tests control.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use crate::clock::{Clock, Timestamp};

/// A clock that moves only when the test moves it.
#[derive(Debug)]
pub struct ManualClock {
    wall: AtomicU64,
    monotonic: AtomicU64,
}

impl ManualClock {
    /// Creates a clock that shows `now`.
    #[must_use]
    pub const fn at(now: Timestamp) -> Self {
        Self {
            wall: AtomicU64::new(now.as_millis()),
            monotonic: AtomicU64::new(0),
        }
    }

    /// Advances both readings by `span`.
    pub fn advance(&self, span: Duration) {
        let millis = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        self.wall.fetch_add(millis, Ordering::SeqCst);
        self.monotonic.fetch_add(millis, Ordering::SeqCst);
    }

    /// Sets the wall clock, possibly backwards, as an operator or NTP does. The monotonic reading
    /// does not change.
    pub fn set(&self, now: Timestamp) {
        self.wall.store(now.as_millis(), Ordering::SeqCst);
    }
}

impl Default for ManualClock {
    /// Creates a clock that shows 2026-01-01T00:00:00Z.
    fn default() -> Self {
        Self::at(Timestamp::from_secs(1_767_225_600))
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.wall.load(Ordering::SeqCst))
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.monotonic.load(Ordering::SeqCst))
    }
}
