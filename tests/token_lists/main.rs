//! Black and white lists of tokens: what they refuse, and what neither a lost list, a failing store nor a race lets through.
#![cfg(all(feature = "jwt", feature = "testing"))]
#![allow(
    clippy::unwrap_used,
    unreachable_pub,
    reason = "in a test it is an assertion, and modules are private"
)]

#[path = "../support/mod.rs"]
mod support;

mod birth;
mod cancelled;
#[cfg(all(
    unix,
    feature = "store-file",
    feature = "store-redis",
    feature = "store-postgres"
))]
mod everywhere;
mod failures;
#[cfg(feature = "near-cache")]
mod near;
mod races;
mod revoked;
mod settings;
mod spelling;
mod subjects;
mod world;
