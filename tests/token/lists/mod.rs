//! Deny and allow lists of tokens: what they reject, and that neither a lost list, a failing store
//! nor a race admits a token.

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
