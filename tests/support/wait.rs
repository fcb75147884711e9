//! Waiting for what happens on its own time.

use std::{
    thread,
    time::{Duration, Instant},
};

/// Blocks this thread until the condition holds.
///
/// # Panics
///
/// After 20 seconds.
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < deadline, "timed out: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}
