//! Accounts: their routes, what happens between them, and what is left by whoever vanishes.
#![allow(
    clippy::unwrap_used,
    unreachable_pub,
    reason = "in a test it is an assertion, and modules are private"
)]
#![cfg(unix)]

#[path = "../support/log.rs"]
mod log;
#[path = "../support/mod.rs"]
mod support;

mod admission;
mod bound;
mod capped;
mod change;
mod edges;
mod everywhere;
mod issuers;
mod lengths;
mod routes;
mod second;
mod services;
mod standing;
mod tampered;
mod told;
mod world;
