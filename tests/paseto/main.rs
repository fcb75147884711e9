//! Proves of PASETO tokens what `tests/tokens` proves of JWTs: each is refused unless everything about it is right, by the
//! engine and by the layer; and that keys rotate, lists call back and pairs refresh as they do there.
#![cfg(all(feature = "paseto", feature = "refresh", feature = "testing"))]
#![allow(
    clippy::unwrap_used,
    unreachable_pub,
    reason = "the helpers of a test panic as the test does, and are for it alone"
)]

mod attacks;
mod interop;
mod life;
mod refused;
mod world;
