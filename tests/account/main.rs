//! Accounts: logins, passwords, the throttle, users, and the routes.
#![allow(
    clippy::unwrap_used,
    unreachable_pub,
    reason = "in a test it is an assertion, and modules are private"
)]
#![cfg(all(unix, feature = "full"))]

#[path = "../support/mod.rs"]
mod support;

mod admission;
mod attempts;
mod bound;
mod capped;
mod change;
mod edges;
mod everywhere;
mod issuers;
mod lengths;
mod passwords;
mod routes;
mod second;
mod services;
mod silence;
mod standing;
mod tampered;
mod throttle;
mod users;
mod world;
