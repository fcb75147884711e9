//! Proves that a token is refused unless everything about it is right: by the engine, and by the
//! layer, and that what the engine mints is what it reads.

mod arbitrary;
mod attacks;
pub(crate) mod forge;
mod layered;
mod options;
mod refused;
mod service;
mod silence;
mod users;
