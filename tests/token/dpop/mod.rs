//! Tokens that are bound to keys: what a thief without the key gets, and how often a proof is good.

use crate::support;

mod layered;
mod once;
mod pairs;
mod refused;
mod world;
