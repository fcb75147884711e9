//! Rules of the whole project: no secret is shown, and SECURITY.md names tests that exist.
#![cfg(feature = "full")]
#![allow(clippy::unwrap_used, reason = "in a test it is an assertion")]

mod redaction;
mod security;
