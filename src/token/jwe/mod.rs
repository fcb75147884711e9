//! Signed tokens that are encrypted (feature `jwe`): JSON Web Encryption, RFC 7516, around a [`Jwt`].
//!
//! A signed token can be read by whoever holds it. [`Jwe`] encrypts it for the one party that has the key: sign, then encrypt
//! (RFC 7519 section 11.2). What is opened is verified as any token of the [`Jwt`] inside, list and all.
//!
//! # Rules
//!
//! * **The key says how** ([`JweAlgorithm`]): `RSA-OAEP-256`, `ECDH-ES` on P-256 or X25519, or `A256KW`, each with `A256GCM`. The header's `alg` and
//!   `enc` are compared with that and choose nothing. `RSA1_5` and the modes with CBC are not offered.
//! * **The form is strict**: five parts in base64url without padding, a header of distinct members, `cty: JWT`. A header with `crit` or `zip`
//!   is refused: what is compressed before it is encrypted tells of itself by its length.
//! * **Encrypted is not signed.** Anybody can encrypt to a public key, so what is inside must be a token that the [`Jwt`] accepts; claims
//!   that stand in a JWE alone are refused.
//! * **The [`Jwt`] itself refuses** a token of five parts, as it always does: whoever wants to accept both says so with
//!   `jwe.or(jwt.read_from(..))`.
//! * **One answer** for whatever does not decrypt: key, tag, or length (RFC 7516 section 11.5).
//! * **8 KiB** is the limit as for every token. Encryption adds a third, and under a thumbprint as the key's id 224 bytes by
//!   `A256KW`, 285 by `ECDH-ES` on X25519 and 349 on P-256, 520 by RSA of 2048 bits and 861 of 4096. So one signed by ML-DSA-87
//!   does not fit.
//!
//! Keys come from PEM ([`JweKey::from_pem`]) and JWK ([`JweKey::from_jwk`]), go back into both, and rotate in a [`KeyRing`], by exact
//! `kid`, as those that sign.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use tower_jam::{Algorithm, Claims, Grant, Jwt, Key, KeyRing};
//! use tower_jam::token::jwe::{Jwe, JweAlgorithm, JweKey};
//!
//! let jwt = Jwt::<Claims>::builder(KeyRing::new(Key::generate(Algorithm::EdDsa)?)).issuer("https://auth.acme.dev").audience("api").build()?;
//! let key = JweKey::generate(JweAlgorithm::EcdhEs)?;
//! let jwe = Jwe::new(jwt.clone(), KeyRing::new(key));
//!
//! let signed = jwt.issue(Grant::new("alice", Claims::new())).await?;
//! let sealed = jwe.seal(signed.expose())?;
//! assert_eq!(jwe.verify(sealed.expose()).await?.identity().unwrap().subject().id(), "alice");
//! assert!(jwt.verify(sealed.expose()).await.is_err(), "it is not a signed token");
//! assert!(jwe.verify(signed.expose()).await.is_err(), "it is not an encrypted one");
//! # Ok(())
//! # }
//! ```

mod agree;
mod compact;
mod header;
mod key;
mod load;
#[cfg(test)]
mod tests;

use std::fmt;

use serde::de::DeserializeOwned;

pub use self::key::{JweAlgorithm, JweKey};
use super::jwt::Jwt;
use crate::{
    authenticate::{Authenticate, Verified},
    error::IssueError,
    key::ring::KeyRing,
    rejection::Rejection,
    request::credential::{Credential, CredentialSource},
    secret::Secret,
};

/// Encrypts the tokens of a [`Jwt`], and verifies what it encrypted. See the [module](self).
///
/// It is a handle: cloning it is cheap.
pub struct Jwe<U> {
    jwt: Jwt<U>,
    keys: KeyRing<JweKey>,
}

impl<U> Jwe<U> {
    /// An engine for tokens of `jwt`, encrypted with the active key of `keys`.
    #[must_use]
    pub const fn new(jwt: Jwt<U>, keys: KeyRing<JweKey>) -> Self {
        Self { jwt, keys }
    }

    /// The keys in use; replacing them here replaces them for every clone of this engine.
    #[must_use]
    pub const fn keys(&self) -> &KeyRing<JweKey> {
        &self.keys
    }

    /// Encrypts a signed token.
    ///
    /// # Errors
    ///
    /// When the result would be longer than 8 KiB, or the cryptographic library fails.
    pub fn seal(&self, signed: &str) -> Result<Secret<String>, IssueError> {
        compact::seal(signed, self.keys.load().active()).map(Secret::new)
    }

    /// Decrypts to the signed token inside, of which nothing is verified yet.
    ///
    /// # Errors
    ///
    /// An invalid [`Rejection`] when it is not in the strict form, or does not decrypt.
    pub fn open(&self, token: &str) -> Result<Secret<String>, Rejection> {
        compact::open(token, &self.keys.load())
    }
}

impl<U: DeserializeOwned + Send + Sync + 'static> Jwe<U> {
    /// Decrypts a token, and verifies the one inside, as the layer does.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open) and [`Jwt::verify`].
    pub async fn verify(&self, token: &str) -> Result<Verified<U>, Rejection> {
        let signed = self.open(token)?;
        self.jwt.verify(signed.expose()).await
    }
}

impl<U: DeserializeOwned + Send + Sync + 'static> Authenticate for Jwe<U> {
    type User = U;

    fn source(&self) -> CredentialSource {
        CredentialSource::bearer()
    }

    fn name(&self, _: Option<&Credential>) -> &'static str {
        "jwe"
    }

    async fn authenticate(&self, presented: Credential) -> Result<Verified<U>, Rejection> {
        self.verify(presented.expose()).await
    }
}

impl<U> Clone for Jwe<U> {
    fn clone(&self) -> Self {
        Self {
            jwt: self.jwt.clone(),
            keys: self.keys.clone(),
        }
    }
}

impl<U> fmt::Debug for Jwe<U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jwe")
            .field("jwt", &self.jwt)
            .field("keys", &self.keys)
            .finish()
    }
}
