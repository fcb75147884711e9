//! The Redis store against real servers: the contract, and what goes wrong between here and there.

#![cfg(all(feature = "store-redis", feature = "testing"))]
#![allow(clippy::unwrap_used, reason = "in a test it is an assertion")]

mod conditions;
mod contents;
mod failover;
mod faults;
mod lost;
mod proxy;
mod starting;
#[path = "../support/mod.rs"]
mod support;
mod world;
