//! Proves that a token is refused unless everything about it is right: over the engine, over the layer,
//! and in silence about what the caller sent.
#![cfg(all(feature = "jwt", feature = "testing"))]
#![allow(
    clippy::unwrap_used,
    reason = "the helpers of a test panic as the test does"
)]

mod attacks;
mod forge;
mod refused;
