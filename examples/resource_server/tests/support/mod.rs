//! The support code that this test shares with the library's tests.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "a test uses a part of what is shared"
)]

#[path = "../../../../tests/support/provider.rs"]
pub mod provider;
