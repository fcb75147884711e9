//! What holds on every store: the contract, the races of sessions, and the delay of an invalidation
//! between nodes.

use crate::support;

mod contract;
mod revocation;
mod sessions;
