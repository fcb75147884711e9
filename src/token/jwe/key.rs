//! The key type for encrypting tokens, bound to one algorithm.

use std::{fmt, sync::Arc};

use aws_lc_rs::{
    encoding::{AsBigEndian as _, Curve25519SeedBin},
    hmac::HMAC_SHA256,
};
use serde_json::Value;
use zeroize::Zeroizing;

use super::{
    agree::EcdhCurve,
    algorithm::JweAlgorithm,
    content::{ContentKey, WrappedKey, exact},
    header::JweHeader,
    load::{self, LoadedKey},
    material::JweMaterial,
};
use crate::{
    error::{ConfigError, IssueError},
    key::{
        encoding,
        ring::{RingKey, sealed::SealedKey},
        signing::Key,
        symmetric,
    },
    secret,
    secret::Secret,
};

/// A key that encrypts tokens, and with its private half decrypts them.
///
/// Never use it for any other purpose, especially not for signing. Its id is its RFC 7638
/// thumbprint, unless the JWK has a `kid` or [`with_kid`](Self::with_kid) sets one.
#[derive(Clone)]
pub struct JweKey {
    algorithm: JweAlgorithm,
    /// The same key as a validated signing key, which has the id and the exports.
    key: Key,
    material: Arc<JweMaterial>,
}

impl JweKey {
    /// Creates a key from a shared secret of 32 random bytes, for [`JweAlgorithm::A256Kw`].
    ///
    /// # Errors
    ///
    /// If the secret has another length, is one repeated byte, or is a key in text or DER.
    pub fn a256kw(secret: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        let bytes = secret.as_ref();
        let secret = exact(bytes).ok_or_else(|| {
            let reason = format!("{} bytes, but A256KW requires 32 random bytes", bytes.len());
            ConfigError::new("secret_key", reason)
        })?;
        let algorithm = JweAlgorithm::A256Kw;
        let parts = symmetric::parts("secret_key", algorithm.name(), HMAC_SHA256, bytes)?;
        let key = Key::new(algorithm.signing_algorithm(), parts);
        Ok(Self::new(algorithm, key, JweMaterial::Shared(secret)))
    }

    /// Reads the only private or public key in a PEM text (RFC 7468). Accepts what
    /// [`Key::from_pem`] accepts.
    ///
    /// # Errors
    ///
    /// As [`Key::from_pem`].
    pub fn from_pem(algorithm: JweAlgorithm, pem: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        load::from_pem(algorithm, pem.as_ref()).map(Self::of)
    }

    /// Reads a private or public JSON Web Key (RFC 7517). The algorithm is that of `alg`, which may
    /// be absent in an EC or OKP key.
    ///
    /// `use` and `key_ops` are respected. A private key only encrypts if its `key_ops` lists an
    /// operation of the public half and none that decrypts. The decrypting operations are `decrypt`
    /// or `unwrapKey` for RSA, and `deriveKey` or `deriveBits` for EC and OKP. A shared secret
    /// needs both `wrapKey` and `unwrapKey`.
    ///
    /// # Errors
    ///
    /// If any member is malformed, as for [`Key::from_jwk`], if `use` is not `enc`, if `alg` or
    /// `key_ops` is for something else, in particular signing, and if the algorithm is not stated.
    pub fn from_jwk(json: &str) -> Result<Self, ConfigError> {
        load::from_jwk(json).map(Self::of)
    }

    fn of((algorithm, key, material): LoadedKey) -> Self {
        Self::new(algorithm, key, material)
    }

    fn new(algorithm: JweAlgorithm, key: Key, material: JweMaterial) -> Self {
        Self {
            algorithm,
            key,
            material: Arc::new(material),
        }
    }

    /// Generates a new key. RSA keys have 2048 bits.
    ///
    /// # Errors
    ///
    /// If the cryptographic library fails, for lack of randomness or memory.
    pub fn generate(algorithm: JweAlgorithm) -> Result<Self, ConfigError> {
        if algorithm == JweAlgorithm::A256Kw {
            let secret = Secret::new(secret::random::<32>());
            return Self::a256kw(secret.expose());
        }
        let key = Key::generate(algorithm.signing_algorithm())?;
        let material = load::material_of(algorithm, &key)?;
        Ok(Self::new(algorithm, key, material))
    }

    /// Sets the key's id, the value of `kid`.
    ///
    /// # Errors
    ///
    /// As [`Key::with_kid`].
    pub fn with_kid(self, kid: impl Into<String>) -> Result<Self, ConfigError> {
        let key = self.key.with_kid(kid)?;
        Ok(Self { key, ..self })
    }

    /// Returns the algorithm that this key is bound to.
    #[must_use]
    pub const fn algorithm(&self) -> JweAlgorithm {
        self.algorithm
    }

    /// Returns the key's id.
    #[must_use]
    pub fn kid(&self) -> &str {
        self.key.kid()
    }

    /// Returns whether the key can decrypt.
    #[must_use]
    pub fn can_decrypt(&self) -> bool {
        self.material.can_decrypt()
    }

    /// Returns the public half as a JSON Web Key, with which others can encrypt. Returns `None` for
    /// a shared secret.
    #[must_use]
    pub fn public_jwk(&self) -> Option<Value> {
        let mut public = self.key.public_jwk()?;
        public["alg"] = self.algorithm.name().into();
        public["use"] = "enc".into();
        Some(public)
    }

    /// Returns the whole key as a JSON Web Key, for storage. [`from_jwk`](Self::from_jwk) reads it.
    /// Returns `None` if the key cannot decrypt.
    #[must_use]
    pub fn to_private_jwk(&self) -> Option<Secret<String>> {
        let name = self.algorithm.name();
        match &*self.material {
            JweMaterial::Ec(point, private) if point.curve == EcdhCurve::X25519 => {
                let seed: Curve25519SeedBin<'_> = private.as_ref()?.as_be_bytes().ok()?;
                let d = Zeroizing::new(encoding::encode(seed.as_ref()));
                self.key.jwk_with(&vec![("d", d)], name, "enc", false)
            }
            _ => self.key.private_jwk_for(name, "enc"),
        }
    }

    /// Returns the private key as PKCS#8 in PEM, for storage. Returns `None` for a shared secret,
    /// for X25519, and if there is no private half.
    #[must_use]
    pub fn to_pkcs8_pem(&self) -> Option<Secret<String>> {
        self.key.to_pkcs8_pem()
    }

    /// Creates a content key that the holder of this key can recover.
    pub(super) fn wrap_content_key(&self) -> Result<WrappedKey, IssueError> {
        self.material.wrap_content_key()
    }

    /// Recovers the content key. Returns `None` for every failure, so that the reason stays hidden
    /// (RFC 7516 section 11.5).
    pub(super) fn unwrap_content_key(
        &self,
        header: &JweHeader<'_>,
        encrypted: &[u8],
    ) -> Option<ContentKey> {
        self.material.unwrap_content_key(header, encrypted)
    }
}

impl RingKey for JweKey {
    fn kid(&self) -> &str {
        self.kid()
    }

    fn is_same(&self, other: &Self) -> bool {
        self.algorithm == other.algorithm && self.key.is_same(&other.key)
    }
}

impl SealedKey for JweKey {}

impl fmt::Debug for JweKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JweKey")
            .field("algorithm", &self.algorithm)
            .field("kid", &self.kid())
            .field("can_decrypt", &self.can_decrypt())
            .finish_non_exhaustive()
    }
}
