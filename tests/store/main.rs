//! Stores: the contract on each of them, the near-cache, and failures between a program and its
//! store.
#![cfg(all(unix, feature = "full"))]
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    unreachable_pub,
    reason = "in a test it is an assertion, modules are private, and a figure is printed"
)]

#[path = "../support/mod.rs"]
mod support;

mod entries;
mod everywhere;
mod file;
mod near_cache;
mod postgres;
mod redis;
