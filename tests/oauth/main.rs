//! Logins with a provider that runs in the test, on the loopback interface.
#![allow(
    clippy::unwrap_used,
    unreachable_pub,
    reason = "in a test it is an assertion, and modules are private"
)]
#![cfg(all(unix, feature = "full"))]

#[path = "../support/mod.rs"]
mod support;

mod browser;
mod certified;
mod device;
mod events;
mod faults;
mod id_tokens;
mod login;
mod provider;
mod routes;
mod secrets;
mod site;
mod states;
mod tokens;
mod world;
