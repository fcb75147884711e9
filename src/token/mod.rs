//! Self-contained tokens, and the keys they are signed with.
//!
//! * [`Key`] is a key bound to one [`Algorithm`]. A token's `alg` is compared with it and never
//!   chooses anything (RFC 8725 section 3.1).
//! * [`KeyRing`] holds the key that signs and those that are still accepted, and is changed while
//!   the server runs.
//!
//! Where keys come from: a shared secret ([`Key::hs256`]), PEM or DER as `openssl` writes it
//! ([`Key::from_pem`], [`Key::from_der`]), a JSON Web Key ([`Key::from_jwk`]), another party's key
//! set ([`KeyRing::from_jwks`]), or nowhere yet ([`Key::generate`]).
//!
//! ```
//! use tower_jam::{Algorithm, Key, KeyRing};
//!
//! let ring = KeyRing::new(Key::generate(Algorithm::Es256)?);
//!
//! // Rotation while serving: the new key signs, tokens of the old one stay good until it is retired.
//! let old = ring.active().kid().to_owned();
//! ring.rotate(Key::generate(Algorithm::EdDsa)?)?;
//! assert_eq!(ring.active().algorithm(), Algorithm::EdDsa);
//! assert!(ring.retire(&old));
//!
//! // What other parties verify with, for /.well-known/jwks.json.
//! assert_eq!(ring.public_jwks()["keys"][0]["alg"], "EdDSA");
//! # Ok::<(), tower_jam::ConfigError>(())
//! ```

mod algorithm;
mod asymmetric;
mod der;
mod jwk;
mod key;
mod material;
mod pem;
mod ring;
mod symmetric;

#[cfg(test)]
mod tests;

pub use self::{
    algorithm::Algorithm,
    key::Key,
    ring::{KeyRing, RingKey},
};
