//! Authentication for tower (the README becomes this page).
#![forbid(unsafe_code)]

#[cfg(any(test, feature = "testing"))]
pub mod testing;

mod clock;
mod error;
mod secret;
pub mod store;
#[cfg(feature = "jwt")]
pub mod token;

#[cfg(feature = "jwt")]
pub use crate::token::{Algorithm, Key, KeyRing};
pub use crate::{
    clock::{Clock, SystemClock, Timestamp},
    error::{BoxError, ConfigError, IssueError, StoreError},
    secret::{MasterSecret, Secret},
};
