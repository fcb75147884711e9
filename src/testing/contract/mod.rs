//! The contract of a [`Store`], as checks that a backend's tests run (feature `testing`).
//!
//! A backend is complete when [`run`] passes on it with its real server, not a mock. Each check is
//! also a separate function, named after what it proves. It panics if that does not hold:
//!
//! * [`entries`]: reads, conditional writes and takes by one caller (conditions 1 and 2 of the
//!   [`store`](crate::store) module).
//! * [`keys`]: any key, version and value is read back as it was written.
//! * [`expiry`]: condition 3.
//! * [`groups`]: condition 4, and [`Store::remove_group`].
//! * [`counters`]: condition 5.
//! * `announcements` (feature `near-cache`): a change by one node becomes visible to another one
//!   behind a near-cache.
//! * [`races`] and [`group_races`]: conditions 1, 2, 4 and 5 again, with up to 16 concurrent tasks.
//!
//! Rules for the test that runs them:
//!
//! * It needs tokio's multi-thread runtime, since races rarely happen on one thread.
//! * The store and the test share one [`ManualClock`], and only the suite moves it. When a backend
//!   writes, it may convert an expiry to a relative one with its clock. When it reads, it must
//!   compare with its clock again: the server's own time passes while this clock stands still or
//!   jumps. Every entry that a check expects to be live has an hour or more left on the server.
//! * The store need not be empty, because every run uses new keys. Only [`keys`] uses some that are
//!   the same in each run, and removes them, so two runs must not share a database at the same
//!   time.
//!
//! ```
//! use std::sync::Arc;
//! use tower_jam::{store::MemoryStore, testing::{ManualClock, contract}};
//!
//! # fn main() -> std::io::Result<()> {
//! # tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
//! // In a backend's own tests: #[tokio::test(flavor = "multi_thread")]
//! let clock = Arc::new(ManualClock::default());
//! let store = Arc::new(MemoryStore::new().with_clock(clock.clone()));
//! contract::run(store, &clock).await;
//! # });
//! # Ok(())
//! # }
//! ```

#![allow(clippy::missing_panics_doc, reason = "a check that fails panics")]

#[cfg(feature = "near-cache")]
pub mod announcements;
pub mod counters;
pub mod entries;
pub mod expiry;
pub mod group_races;
pub mod groups;
pub mod keys;
mod probe;
pub mod races;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::{store::Store, testing::ManualClock};

/// Runs every check on `store`, which must use `clock`, and panics at the first failure.
pub async fn run(store: Arc<dyn Store>, clock: &ManualClock) {
    let store = &store;
    entries::run(store, clock).await;
    keys::run(store, clock).await;
    expiry::run(store, clock).await;
    groups::run(store, clock).await;
    counters::run(store, clock).await;
    races::run(store, clock).await;
    group_races::run(store, clock).await;
}
