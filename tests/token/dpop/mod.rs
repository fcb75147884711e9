//! Tokens that are bound to keys: what a thief without the key can do, and how often a proof is
//! accepted.

use crate::support;

mod layered;
mod once;
mod pairs;
mod refused;
mod world;
