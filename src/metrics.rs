//! Counters and histograms, through the facade [`metrics`](https://docs.rs/metrics) (feature
//! `metrics`).
//!
//! The application installs a recorder, such as one for Prometheus; without one nothing is
//! recorded. Labels have few values: none contains a user, a route, a key or anything that a caller
//! sent.
//!
//! | name | kind | labels | what |
//! |---|---|---|---|
//! | [`REQUESTS`] | counter | `engine`, `outcome`, `reason` | requests that a layer decided |
//! | [`CHECK_SECONDS`] | histogram | `engine`, `outcome` | from arrival to decision |
//! | [`STORE_CALLS`] | counter | `verb`, `outcome` | calls of a [`Metered`] store |
//! | [`STORE_SECONDS`] | histogram | `verb` | duration of these calls |
//! | [`EVENTS`] | counter | `code` | [events](crate::event) by code |
//!
//! * `engine` is the [name](crate::Authenticate::name) of the engine that decided: `jwt`, `jwe`,
//!   `paseto`, `sessions`, `otp`, `pairs`, `issuers`, `dpop`, `any` if a request to `a.or(b)` had
//!   no credential for either, `custom` for an engine of the application without a name; `guard`
//!   for a guard that rejected, and `none` if no engine was called.
//! * `outcome` of a request is `authenticated`, `anonymous` or `refused`; `reason` is the
//!   [code](crate::RejectionKind::code) of the rejection, or `none`.
//! * `verb` is a method of [`Store`](crate::store::Store). `outcome` of a call is `ok`, even if a
//!   condition did not hold, or `unavailable`, `full`, `unknown`, `contended`, `corrupt`. A call
//!   that was cancelled by its caller is counted in neither.
//!
//! Recommended alert: any [`EVENTS`] with the code `reuse_detected`, `state_lost` or `otp_locked`.
//!
//! [`Metered`]: crate::store::Metered

use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_histogram, histogram};

/// Requests that a layer has authenticated or rejected.
pub const REQUESTS: &str = "tower_jam_requests_total";
/// The time that a layer took to decide, in seconds.
pub const CHECK_SECONDS: &str = "tower_jam_check_duration_seconds";
/// Calls of a metered store.
pub const STORE_CALLS: &str = "tower_jam_store_calls_total";
/// The duration of a call of a metered store, in seconds.
pub const STORE_SECONDS: &str = "tower_jam_store_call_duration_seconds";
/// Events by code.
pub const EVENTS: &str = "tower_jam_events_total";

/// Registers a description of each metric with the recorder. Call it once, after the recorder is
/// installed.
pub fn describe() {
    describe_counter!(
        REQUESTS,
        "Requests that a layer has authenticated or rejected"
    );
    describe_histogram!(
        CHECK_SECONDS,
        Unit::Seconds,
        "Time to the decision of a layer"
    );
    describe_counter!(STORE_CALLS, "Store calls");
    describe_histogram!(STORE_SECONDS, Unit::Seconds, "Duration of a store call");
    describe_counter!(EVENTS, "Authentication events");
}

pub(crate) fn record_request(
    engine: &'static str,
    outcome: &'static str,
    reason: &'static str,
    took: Duration,
) {
    counter!(REQUESTS, "engine" => engine, "outcome" => outcome, "reason" => reason).increment(1);
    histogram!(CHECK_SECONDS, "engine" => engine, "outcome" => outcome).record(took);
}

pub(crate) fn record_guard_rejection(reason: &'static str) {
    counter!(REQUESTS, "engine" => "guard", "outcome" => "refused", "reason" => reason)
        .increment(1);
}

pub(crate) fn record_store_call(verb: &'static str, outcome: &'static str, took: Duration) {
    counter!(STORE_CALLS, "verb" => verb, "outcome" => outcome).increment(1);
    histogram!(STORE_SECONDS, "verb" => verb).record(took);
}

#[cfg(any(feature = "jwt", feature = "session", feature = "otp"))]
pub(crate) fn record_event(code: &'static str) {
    counter!(EVENTS, "code" => code).increment(1);
}
