//! Proves that a token is refused unless everything about it is right: by the engine, and by the layer,
//! and that what the engine mints is what it reads.
#![cfg(all(feature = "jwt", feature = "testing"))]
#![allow(
    clippy::unwrap_used,
    reason = "the helpers of a test panic as the test does"
)]

mod arbitrary;
mod attacks;
mod forge;
mod layered;
mod options;
mod refused;
mod service;
mod users;
