//! Token pairs: rotation, devices, and revocation of one device or of all.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    unreachable_pub,
    reason = "in a test it is an assertion, modules are private, and a child answers by its output"
)]
#![cfg(all(unix, feature = "full"))]

#[path = "../support/mod.rs"]
mod support;

mod cancelled;
mod life;
mod outage;
mod processes;
mod races;
mod refused;
mod secrets;
mod world;
