//! Black and white lists of tokens: what they refuse, and what neither a lost list, a failing store
//! nor a race lets through.

use crate::support;

mod birth;
mod cancelled;
#[cfg(unix)]
mod everywhere;
mod failures;
mod near;
mod races;
mod revoked;
mod settings;
mod spelling;
mod subjects;
mod world;
