//! What this test shares with those of the library.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "a test uses a part of what is shared"
)]

#[path = "../../../../tests/support/provider.rs"]
pub mod provider;
