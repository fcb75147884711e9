//! What every [`Store`] must do, as checks that a backend runs (feature `testing`).
//!
//! A backend is done when [`run`] passes on it against its real server, not a double. Each check is
//! also a function of its own, named by what it proves, and panics when that does not hold:
//!
//! * [`entries`]: reads, conditional writes and takes by one caller (conditions 1 and 2 of the
//!   [`store`](crate::store) module).
//! * [`keys`]: any key, version and value comes back as it was written.
//! * [`expiry`]: condition 3.
//! * [`groups`]: condition 4, and [`Store::remove_group`].
//! * [`counters`]: condition 5.
//! * `announcements` (feature `near-cache`): what one node changes, another one behind a near-cache sees.
//! * [`races`] and [`group_races`]: conditions 1, 2, 4 and 5 again, with up to 16 tasks at once.
//!
//! Rules for the test that runs it:
//!
//! * The runtime is tokio's with several threads, since on one thread a race seldom happens.
//! * The store and the test share one [`ManualClock`], and only the suite moves it. A backend may turn
//!   an expiry into a relative one by its clock when it writes, and must compare with its clock again
//!   when it reads: the server's own time goes on while the clock here stands or leaps. Whatever a
//!   check expects to be alive has an hour or more to live on the server.
//! * The store need not be empty, because keys are new in every run. Only [`keys`] has some that are
//!   the same in each, and cleans up after itself, so two runs must not share a database at one time.
//!
//! ```
//! use std::sync::Arc;
//! use tower_jam::{store::{MemoryStore, contract}, testing::ManualClock};
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

#![allow(
    clippy::missing_panics_doc,
    reason = "a panic is how every check here says no"
)]

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

/// Runs every check on `store`, which tells the time by `clock`, and panics at the first that fails.
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
