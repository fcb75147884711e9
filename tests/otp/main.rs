//! One-time codes: single use, locks, races, a failing store, cancelled callers, and the guard of a
//! route.
#![cfg(feature = "full")]
#![allow(
    clippy::unwrap_used,
    unreachable_pub,
    reason = "in a test it is an assertion, and modules are private"
)]

#[path = "../support/mod.rs"]
mod support;

mod cancelled;
mod failures;
mod guard;
mod life;
#[cfg(unix)]
mod races;
mod remembered;
mod rotation;
mod secrets;
mod settings;
mod silence;
mod vectors;
mod world;
