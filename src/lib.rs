//! Authentication for tower (the README becomes this page).
#![forbid(unsafe_code)]

#[cfg(any(test, feature = "testing"))]
pub mod testing;

mod clock;
mod error;
mod secret;
pub mod store;

pub use crate::{
    clock::{Clock, SystemClock, Timestamp},
    error::{BoxError, ConfigError, IssueError, StoreError},
    secret::{MasterSecret, Secret},
};
