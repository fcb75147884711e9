//! What holds on every store: the contract, the races of sessions, and how soon one node hears of another.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    unreachable_pub,
    reason = "in a test it is an assertion, modules are private, and a figure is printed"
)]
#![cfg(unix)]

#[path = "../support/mod.rs"]
mod support;

mod contract;
mod revocation;
mod sessions;
