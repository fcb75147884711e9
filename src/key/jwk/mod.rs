//! Reads JSON Web Keys (RFC 7517, RFC 7518 section 6, RFC 8037 section 2, RFC 9964).

mod document;
mod members;
mod parts;

#[cfg(feature = "jwe")]
pub(crate) use self::parts::read;
pub(crate) use self::{document::Jwk, parts::parts};
