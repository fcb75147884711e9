//! The layers through the public API: their effect on services, bodies, callers and logs, on three
//! stacks.
#![cfg(feature = "full")]
#![allow(clippy::unwrap_used, reason = "in a test it is an assertion")]

#[path = "../support/mod.rs"]
mod support;

mod access;
mod answers;
mod blocking;
mod bodies;
mod engines;
mod events;
mod hostile;
mod metrics;
mod nesting;
mod secrets;
mod services;
mod spans;
mod stacks;
mod world;
