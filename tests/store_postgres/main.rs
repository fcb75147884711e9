//! The PostgreSQL store on real servers, which the tests start and kill: the contract, and everything that can go
//! wrong between a program and its database.

#![cfg(all(unix, feature = "store-postgres", feature = "testing"))]
#![allow(clippy::unwrap_used, reason = "in a test it is an assertion")]

#[path = "../support/mod.rs"]
mod support;

mod contract;
mod cut;
mod outages;
mod statements;
mod start;
mod world;
