//! Tokens that are bound to keys: what a thief without the key gets, and how often a proof is good.
#![cfg(all(
    unix,
    feature = "dpop",
    feature = "jwks",
    feature = "refresh",
    feature = "store-redis",
    feature = "testing"
))]
#![allow(
    clippy::unwrap_used,
    unreachable_pub,
    reason = "in a test it is an assertion, and modules are private"
)]

#[path = "../support/mod.rs"]
mod support;

mod layered;
mod once;
mod pairs;
mod refused;
mod world;
