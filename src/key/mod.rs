//! Keys that sign and verify: algorithms, PEM, DER and JWK, and the rings that rotate them.

pub(crate) mod algorithm;
pub(crate) mod asymmetric;
mod der;
pub(crate) mod encoding;
pub(crate) mod header;
pub(crate) mod jwk;
#[cfg(feature = "jwt-simple")]
pub mod jwt_simple;
#[cfg(feature = "config")]
pub(crate) mod load;
pub(crate) mod low_order;
pub(crate) mod material;
pub(crate) mod pem;
mod private;
pub(crate) mod ring;
mod rsa;
mod signer;
pub(crate) mod signing;
pub(crate) mod symmetric;
mod verifier;

pub use self::{
    algorithm::Algorithm,
    ring::{KeyRing, RingKey},
    signing::Key,
};
