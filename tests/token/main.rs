//! Tokens: what each format rejects, the lists that revoke, proofs of a key, and the keys of other
//! issuers.
#![cfg(feature = "full")]
#![allow(
    clippy::unwrap_used,
    unreachable_pub,
    reason = "in a test it is an assertion, and modules are private"
)]

#[path = "../support/mod.rs"]
mod support;

mod cache;
mod differential;
#[cfg(unix)]
mod dpop;
mod issuers;
mod jwe;
mod jwt;
mod jwt_simple;
mod lists;
mod paseto;
mod vectors;
