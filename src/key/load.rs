//! Reads JSON Web Keys of configurations.

use super::{algorithm::Algorithm, jwk::Jwk, signing::Key};
use crate::error::ConfigError;

/// Reads a JSON Web Key for the algorithm that it states or, if it states none, for `usual`.
pub(crate) fn from_jwk_or(usual: Option<Algorithm>, json: &str) -> Result<Key, ConfigError> {
    let jwk = Jwk::parse("jwk", json)?;
    let algorithm = jwk.algorithm()?.or(usual);
    let missing = || jwk.refuse("it has no `alg`, and none is set");
    Key::of_jwk(algorithm.ok_or_else(missing)?, &jwk)
}

/// Returns whether this is a JSON Web Key of any type.
pub(crate) fn is_jwk(json: &str) -> bool {
    Jwk::parse("jwk", json).is_ok_and(|jwk| jwk.has("kty"))
}

/// Returns whether this is a JSON Web Key with private members, usable or not.
pub(crate) fn is_private_jwk(json: &str) -> bool {
    Jwk::parse("jwk", json).is_ok_and(|jwk| jwk.has_private_members())
}
