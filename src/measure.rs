//! Measurements of requests, which do nothing without the feature `metrics`.

#[cfg(all(
    not(feature = "metrics"),
    any(feature = "jwt", feature = "session", feature = "otp")
))]
pub(crate) use self::disabled::record_event;
#[cfg(not(feature = "metrics"))]
pub(crate) use self::disabled::{Stopwatch, record_guard_rejection, record_request};
#[cfg(feature = "metrics")]
pub(crate) use self::enabled::Stopwatch;
#[cfg(all(
    feature = "metrics",
    any(feature = "jwt", feature = "session", feature = "otp")
))]
pub(crate) use crate::metrics::record_event;
#[cfg(feature = "metrics")]
pub(crate) use crate::metrics::{record_guard_rejection, record_request};

#[cfg(feature = "metrics")]
mod enabled {
    use std::time::{Duration, Instant};

    /// The time since the start of a request.
    pub(crate) struct Stopwatch(Instant);

    impl Stopwatch {
        pub(crate) fn start() -> Self {
            Self(Instant::now())
        }

        pub(crate) fn elapsed(&self) -> Duration {
            self.0.elapsed()
        }
    }
}

#[cfg(not(feature = "metrics"))]
mod disabled {
    use std::time::Duration;

    /// Measures nothing.
    pub(crate) struct Stopwatch;

    impl Stopwatch {
        pub(crate) const fn start() -> Self {
            Self
        }

        #[allow(clippy::unused_self, reason = "as with metrics")]
        pub(crate) const fn elapsed(&self) -> Duration {
            Duration::ZERO
        }
    }

    pub(crate) const fn record_request(
        _: &'static str,
        _: &'static str,
        _: &'static str,
        _: Duration,
    ) {
    }

    pub(crate) const fn record_guard_rejection(_: &'static str) {}

    #[cfg(any(feature = "jwt", feature = "session", feature = "otp"))]
    pub(crate) const fn record_event(_: &'static str) {}
}
