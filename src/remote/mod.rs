//! Requests to other parties: issuers, their metadata and their key sets.
//!
//! [`Jwks`] is the key set of an issuer. Start with [`jwks`].

pub(crate) mod discovery;
pub(crate) mod fetch;
pub mod jwks;

pub use self::jwks::{Jwks, JwksBuilder};
