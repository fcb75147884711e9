//! Measurements of requests, which do nothing without the feature `metrics`.

#[cfg(not(feature = "metrics"))]
pub(crate) use self::disabled::{Stopwatch, record_event, record_guard_rejection, record_request};
#[cfg(feature = "metrics")]
pub(crate) use self::enabled::Stopwatch;
#[cfg(feature = "metrics")]
pub(crate) use crate::metrics::{record_event, record_guard_rejection, record_request};

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

    #[cfg_attr(
        not(any(feature = "jwt", feature = "session", feature = "otp")),
        allow(dead_code, reason = "engines emit events")
    )]
    pub(crate) const fn record_event(_: &'static str) {}
}
