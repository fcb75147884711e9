//! Sessions: through the layer with cookies, and concurrent operations.
#![cfg(feature = "full")]
#![allow(
    clippy::unwrap_used,
    unreachable_pub,
    reason = "in a test it is an assertion, and modules are private"
)]

#[path = "../support/mod.rs"]
mod support;

mod races;
mod sessions;
