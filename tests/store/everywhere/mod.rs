//! What holds on every store: the contract, the races of sessions, and how soon one node hears of
//! another.

use crate::support;

mod contract;
mod revocation;
mod sessions;
