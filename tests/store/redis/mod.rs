//! The Redis store with real servers: the contract, and failures of the network and the servers.

use crate::support;

mod conditions;
mod contents;
mod failover;
mod faults;
mod lost;
mod proxy;
mod starting;
mod world;
