//! Checks that a token is rejected unless everything about it is correct, by the engine and by the
//! layer, and that the engine reads what it issues.

mod arbitrary;
mod attacks;
pub(crate) mod forge;
mod layered;
mod options;
mod refused;
mod service;
mod silence;
mod users;
