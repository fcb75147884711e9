//! Entries that the tests of all stores write.

use std::time::Duration;

use tower_jam::{Clock as _, SystemClock, Timestamp, store::Write};

pub(crate) const HOUR: Duration = Duration::from_secs(3600);

pub(crate) fn in_an_hour() -> Timestamp {
    SystemClock.now().after(HOUR)
}

pub(crate) fn write(value: &'static str) -> Write {
    Write::new(value, in_an_hour())
}
