//! Tokens of other issuers: their keys, kept fresh whatever the issuer does, and what of theirs is an access token.
#![cfg(all(feature = "jwks", feature = "axum"))]
#![allow(
    clippy::unwrap_used,
    unreachable_pub,
    reason = "in a test it is an assertion, and modules are private"
)]

#[path = "../support/mod.rs"]
mod support;

mod keys;
mod resource;
