//! Encrypts signed tokens (feature `jwe`): JSON Web Encryption, RFC 7516, around a [`Jwt`].
//!
//! Anyone who holds a signed token can read it. [`Jwe`] encrypts it for the one party that has the
//! key: sign, then encrypt (RFC 7519 section 11.2). A decrypted token is verified like any token of
//! the inner [`Jwt`], including its list.
//!
//! # Rules
//!
//! * **The key determines the algorithm** ([`JweAlgorithm`]): `RSA-OAEP-256`, `ECDH-ES` on P-256 or
//!   X25519, or `A256KW`, each with `A256GCM`. The header's `alg` and `enc` must match it and
//!   select nothing. `RSA1_5` and the CBC modes are not supported.
//! * **The format is strict**: five parts in base64url without padding, a header with distinct
//!   members, `cty: JWT`. A header with `crit` or `zip` is rejected: when data is compressed before
//!   encryption, its length reveals part of the content.
//! * **Encryption does not authenticate.** Anyone can encrypt to a public key, so the content must
//!   be a token that the [`Jwt`] accepts. Claims that are only in the JWE are rejected.
//! * **The [`Jwt`] itself rejects** a token with five parts. To accept both kinds, use
//!   `jwe.or(jwt.read_from(..))`.
//! * **One error** for every decryption failure: key, tag, or length (RFC 7516 section 11.5).
//! * **8 KiB** is the limit, as for every token. Encryption adds a third, and, with a thumbprint as
//!   the key id, 224 bytes for `A256KW`, 285 for `ECDH-ES` on X25519, 349 on P-256, 520 for RSA
//!   with 2048 bits and 861 with 4096. A token signed with ML-DSA-87 therefore does not fit.
//!
//! Keys are read from PEM ([`JweKey::from_pem`]) and JWK ([`JweKey::from_jwk`]), can be exported to
//! both, and rotate in a [`KeyRing`] with an exact `kid`, like signing keys.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use tower_jam::{Algorithm, Claims, Grant, Jwt, Key, KeyRing};
//! use tower_jam::token::jwe::{Jwe, JweAlgorithm, JweKey};
//!
//! let ring = KeyRing::new(Key::generate(Algorithm::EdDsa)?);
//! let jwt = Jwt::<Claims>::builder(ring).issuer("https://auth.acme.dev").audience("api").build()?;
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
mod algorithm;
mod compact;
mod content;
mod header;
mod key;
mod load;
mod material;
#[cfg(test)]
mod tests;

use std::fmt;

use serde::de::DeserializeOwned;

pub use self::{algorithm::JweAlgorithm, key::JweKey};
use super::jwt::Jwt;
use crate::{
    authenticate::{Authenticate, Verified},
    error::IssueError,
    key::ring::KeyRing,
    rejection::Rejection,
    request::credential::{Credential, CredentialSource},
    secret::Secret,
};

/// Encrypts the tokens of a [`Jwt`], and verifies encrypted tokens. See the [module](self).
///
/// It is a handle: cloning it is cheap.
pub struct Jwe<U> {
    jwt: Jwt<U>,
    keys: KeyRing<JweKey>,
}

impl<U> Jwe<U> {
    /// Creates an engine for the tokens of `jwt`, encrypted with the active key of `keys`.
    #[must_use]
    pub const fn new(jwt: Jwt<U>, keys: KeyRing<JweKey>) -> Self {
        Self { jwt, keys }
    }

    /// Returns the keys in use. Changes to this ring affect every clone of this engine.
    #[must_use]
    pub const fn keys(&self) -> &KeyRing<JweKey> {
        &self.keys
    }

    /// Encrypts a signed token.
    ///
    /// # Errors
    ///
    /// If the result would be longer than 8 KiB, or the cryptographic library fails.
    pub fn seal(&self, signed: &str) -> Result<Secret<String>, IssueError> {
        compact::seal(signed, self.keys.load().active()).map(Secret::new)
    }

    /// Decrypts to the inner signed token, which is not verified yet.
    ///
    /// # Errors
    ///
    /// [`RejectionKind::Invalid`](crate::RejectionKind::Invalid) if the token is not in the strict
    /// format or does not decrypt.
    pub fn open(&self, token: &str) -> Result<Secret<String>, Rejection> {
        compact::open(token, &self.keys.load())
    }
}

impl<U: DeserializeOwned + Send + Sync + 'static> Jwe<U> {
    /// Decrypts a token and verifies the inner one, as the layer does.
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
