//! The layers through their public face: what they do to services, bodies, callers and logs.
#![allow(clippy::unwrap_used, reason = "in a test it is an assertion")]

mod access;
mod answers;
mod bodies;
mod engines;
mod hostile;
mod nesting;
mod secrets;
mod services;
#[path = "../support/mod.rs"]
mod support;
mod world;
