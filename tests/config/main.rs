//! What configurations build, with the servers, providers and clients that they name.
#![allow(
    clippy::unwrap_used,
    unreachable_pub,
    reason = "in a test it is an assertion, and modules are private"
)]
#![cfg(all(unix, feature = "full"))]

#[path = "../support/mod.rs"]
mod support;

#[path = "../account/world.rs"]
#[allow(dead_code, reason = "these tests use a part of it")]
mod account;
#[path = "../oauth/browser.rs"]
#[allow(dead_code, reason = "these tests use a part of it")]
mod browser;
#[path = "../oauth/provider.rs"]
#[allow(dead_code, reason = "these tests use a part of it")]
mod provider;

mod accounts;
mod behaviours;
mod events;
mod facade;
mod files;
mod grpc;
mod instances;
mod jwks;
mod load;
mod pasetos;
mod providers;
mod python;
mod reference;
mod settings;
mod stores;
mod world;
