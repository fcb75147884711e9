//! What is counted and timed, through the facade [`metrics`](https://docs.rs/metrics) (feature `metrics`).
//!
//! The application installs a recorder, such as one for Prometheus; without one nothing is kept. Labels have few values: none
//! names a user, a route, a key or anything a caller sent.
//!
//! | name | kind | labels | what |
//! |---|---|---|---|
//! | [`REQUESTS`] | counter | `engine`, `outcome`, `reason` | requests that a layer has decided |
//! | [`CHECK_SECONDS`] | histogram | `engine`, `outcome` | from the request's arrival at a layer to its decision |
//! | [`STORE_CALLS`] | counter | `verb`, `outcome` | calls of a [`Metered`](crate::store::Metered) store |
//! | [`STORE_SECONDS`] | histogram | `verb` | how long they took |
//! | [`EVENTS`] | counter | `code` | [events](crate::event) by their code |
//!
//! * `engine` is the [name](crate::Authenticate::name) of the engine that was asked: `jwt`, `jwe`, `paseto`, `sessions`, `otp`, `pairs`, `issuers`,
//!   `dpop`, `any` where a request of `a.or(b)` brought nothing to either, `custom` for one of yours without a name; `guard` for a guard
//!   that refused, and `none` where no engine was asked.
//! * `outcome` of a request is `authenticated`, `anonymous` or `refused`; `reason` is the [code](crate::RejectionKind::code) of
//!   the refusal, or `none`.
//! * `verb` is a method of [`Store`](crate::store::Store); `outcome` of a call is `ok`, also where a condition did not hold, or `unavailable`, `full`,
//!   `unknown`, `contended`, `corrupt`. A call whose caller went away is in neither.
//!
//! An alert that is worth having: any [`EVENTS`] with the code `reuse_detected`, `state_lost` or `otp_locked`.

use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_histogram, histogram};

/// Requests that a layer has decided.
pub const REQUESTS: &str = "tower_jam_requests_total";
/// How long a layer took to decide, in seconds.
pub const CHECK_SECONDS: &str = "tower_jam_check_duration_seconds";
/// Calls of a metered store.
pub const STORE_CALLS: &str = "tower_jam_store_calls_total";
/// How long a call of a metered store took, in seconds.
pub const STORE_SECONDS: &str = "tower_jam_store_call_duration_seconds";
/// Events by their code.
pub const EVENTS: &str = "tower_jam_events_total";

/// Tells the recorder what each name means. To be called once, after it was installed.
pub fn describe() {
    describe_counter!(REQUESTS, "Requests that a layer has decided");
    describe_histogram!(CHECK_SECONDS, Unit::Seconds, "Time to a layer's decision");
    describe_counter!(STORE_CALLS, "Calls of the store");
    describe_histogram!(STORE_SECONDS, Unit::Seconds, "Time of a call of the store");
    describe_counter!(EVENTS, "Authentication events");
}

pub(crate) fn checked(
    engine: &'static str,
    outcome: &'static str,
    reason: &'static str,
    took: Duration,
) {
    counter!(REQUESTS, "engine" => engine, "outcome" => outcome, "reason" => reason).increment(1);
    histogram!(CHECK_SECONDS, "engine" => engine, "outcome" => outcome).record(took);
}

pub(crate) fn guarded(reason: &'static str) {
    counter!(REQUESTS, "engine" => "guard", "outcome" => "refused", "reason" => reason)
        .increment(1);
}

pub(crate) fn called(verb: &'static str, outcome: &'static str, took: Duration) {
    counter!(STORE_CALLS, "verb" => verb, "outcome" => outcome).increment(1);
    histogram!(STORE_SECONDS, "verb" => verb).record(took);
}

#[cfg(any(feature = "jwt", feature = "session", feature = "otp"))]
pub(crate) fn told(code: &'static str) {
    counter!(EVENTS, "code" => code).increment(1);
}
