//! Converts keys to and from the types of the crate jwt-simple (feature `jwt-simple`).
//!
//! For programs that have keys in those types, or pass them to code that does. There is `TryFrom`
//! in both directions, by reference, for key pairs, public keys and shared secrets of every
//! algorithm that both crates support.
//!
//! | algorithms | types of jwt-simple |
//! |---|---|
//! | HS256, HS384, HS512 | `HS256Key`, … |
//! | RS256 to PS512 | `RS256KeyPair`, `RS256PublicKey`, … |
//! | ES256, ES384, ES256K | `ES256KeyPair`, `ES256PublicKey`, …, `ES256kKeyPair` |
//! | EdDSA | `Ed25519KeyPair`, `Ed25519PublicKey` |
//! | ML-DSA-44, 65, 87 | `MLDSA44KeyPair`, `MLDSA44PublicKey`, … |
//!
//! # Rules
//!
//! * **The type determines the algorithm.** A [`Key`] for another algorithm is rejected, and so is
//!   a public key where a key pair is required. A key pair converts to its public half where a
//!   public key is required.
//! * **The id is preserved.** A key of jwt-simple without an id gets its thumbprint as its id, like
//!   any other key.
//! * **The receiving side validates the key.** jwt-simple accepts RSA keys up to 4096 bits with the
//!   exponent 65537. [`Key`] accepts no shared secret that is shorter than the hash or looks like a
//!   key of another kind.
//! * **The metadata of jwt-simple is dropped**: certificates, certificate thumbprints, and salts.
//! * Intermediate copies are wiped. jwt-simple is responsible for its own copies.
//!
//! ```
//! use jwt_simple::prelude::{ES256KeyPair, ES256PublicKey};
//! use tower_jam::{Algorithm, Key};
//!
//! let theirs = ES256KeyPair::generate().with_key_id("2026-01");
//! let ours = Key::try_from(&theirs)?;
//! assert_eq!((ours.algorithm(), ours.kid()), (Algorithm::Es256, "2026-01"));
//!
//! let public = ES256PublicKey::try_from(&ours)?;
//! assert_eq!(public.to_pem()?, theirs.public_key().to_pem()?);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use jwt_simple::{prelude as simple, prelude::MACLike as _};
use zeroize::Zeroizing;

use super::{algorithm::Algorithm, signing::Key};
use crate::error::ConfigError;

/// Conversions of key pairs and public keys, through a JWK.
macro_rules! pairs {
    ($($algorithm:ident: $pair:ident, $public:ident;)*) => {$(
        impl TryFrom<&simple::$pair> for Key {
            type Error = ConfigError;

            fn try_from(theirs: &simple::$pair) -> Result<Self, ConfigError> {
                Self::from_jwk_as(Algorithm::$algorithm, &Zeroizing::new(theirs.to_jwk()))
            }
        }

        impl TryFrom<&simple::$public> for Key {
            type Error = ConfigError;

            fn try_from(theirs: &simple::$public) -> Result<Self, ConfigError> {
                Self::from_jwk_as(Algorithm::$algorithm, &theirs.to_jwk())
            }
        }

        impl TryFrom<&Key> for simple::$pair {
            type Error = ConfigError;

            fn try_from(ours: &Key) -> Result<Self, ConfigError> {
                ensure_algorithm(ours, Algorithm::$algorithm)?;
                let jwk = ours.to_private_jwk().ok_or_else(no_private_half)?;
                Self::from_jwk(jwk.expose()).map_err(|error| not_taken().with_source(error))
            }
        }

        impl TryFrom<&Key> for simple::$public {
            type Error = ConfigError;

            fn try_from(ours: &Key) -> Result<Self, ConfigError> {
                ensure_algorithm(ours, Algorithm::$algorithm)?;
                let jwk = ours.public_jwk().ok_or_else(not_taken)?;
                Self::from_jwk(&jwk.to_string()).map_err(|error| not_taken().with_source(error))
            }
        }
    )*};
}

pairs! {
    Rs256: RS256KeyPair, RS256PublicKey;
    Rs384: RS384KeyPair, RS384PublicKey;
    Rs512: RS512KeyPair, RS512PublicKey;
    Ps256: PS256KeyPair, PS256PublicKey;
    Ps384: PS384KeyPair, PS384PublicKey;
    Ps512: PS512KeyPair, PS512PublicKey;
    Es256: ES256KeyPair, ES256PublicKey;
    Es384: ES384KeyPair, ES384PublicKey;
    Es256k: ES256kKeyPair, ES256kPublicKey;
    EdDsa: Ed25519KeyPair, Ed25519PublicKey;
    MlDsa44: MLDSA44KeyPair, MLDSA44PublicKey;
    MlDsa65: MLDSA65KeyPair, MLDSA65PublicKey;
    MlDsa87: MLDSA87KeyPair, MLDSA87PublicKey;
}

/// Conversions of shared secrets, byte for byte.
macro_rules! secrets {
    ($($algorithm:ident: $key:ident, $read:ident;)*) => {$(
        impl TryFrom<&simple::$key> for Key {
            type Error = ConfigError;

            fn try_from(theirs: &simple::$key) -> Result<Self, ConfigError> {
                let key = Self::$read(Zeroizing::new(theirs.to_bytes()))?;
                match theirs.key_id() {
                    Some(kid) => key.with_kid(kid),
                    None => Ok(key),
                }
            }
        }

        impl TryFrom<&Key> for simple::$key {
            type Error = ConfigError;

            fn try_from(ours: &Key) -> Result<Self, ConfigError> {
                ensure_algorithm(ours, Algorithm::$algorithm)?;
                let secret = ours.shared_secret().ok_or_else(one_way)?;
                Ok(Self::from_bytes(secret).with_key_id(ours.kid()))
            }
        }
    )*};
}

secrets! {
    Hs256: HS256Key, hs256;
    Hs384: HS384Key, hs384;
    Hs512: HS512Key, hs512;
}

fn ensure_algorithm(key: &Key, algorithm: Algorithm) -> Result<(), ConfigError> {
    if key.algorithm() == algorithm {
        return Ok(());
    }
    let reason = format!(
        "the key is for {}, but the target type is for {algorithm}",
        key.algorithm()
    );
    Err(ConfigError::new("alg", reason))
}

fn no_private_half() -> ConfigError {
    ConfigError::new("private_key", "the key has no private half")
}

fn one_way() -> ConfigError {
    let reason = "the secret may only sign or only verify, but in jwt-simple it does both";
    ConfigError::new("secret_key", reason)
}

fn not_taken() -> ConfigError {
    ConfigError::new("jwk", "jwt-simple does not accept this key")
}
