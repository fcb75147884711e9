//! The Redis store against real servers: the contract, and what goes wrong between here and there.

use crate::support;

mod conditions;
mod contents;
mod failover;
mod faults;
mod lost;
mod proxy;
mod starting;
mod world;
