//! The key type for signing and verifying tokens, bound to one algorithm.

use std::{fmt, sync::Arc};

#[cfg(feature = "jwe")]
use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::hmac;
use serde_json::Value;

use crate::{
    error::{ConfigError, IssueError},
    key::{
        algorithm::{Algorithm, Family},
        asymmetric::KeyBuilder,
        header::{DEFAULT_TYPE, checked_kid, encoded_header},
        jwk::{self, Jwk},
        material::{KeyParts, VerifyingKey},
        private::PrivateMembers,
        signer::Signer,
        symmetric,
        verifier::Verifier,
    },
    secret::Secret,
};

/// A key for signing tokens, or for verifying them only, bound to one [`Algorithm`].
///
/// A token never selects the algorithm, and one RSA key under `RS256` and under `PS256` counts as
/// two keys (RFC 8725 section 3.1). Keys are validated on construction, so every `Key` is usable.
/// Clones share the parsed key.
///
/// * Shared secrets are at least as long as the hash (RFC 7518 section 3.2). Values that others may
///   know are rejected: PEM, DER, JWK and SSH keys.
/// * RSA keys have 2048 to 8192 bits (RFC 7518 section 3.3) and an exponent of at least 65537.
/// * EC keys are on the algorithm's curve (RFC 7518 section 3.4, RFC 8812 section 3.2), and private
///   and public members match.
/// * ML-DSA private keys include the seed, from which the rest is derived (RFC 9881 section 6).
///
/// The key's id is its RFC 7638 thumbprint, unless the JWK has a `kid` or
/// [`with_kid`](Self::with_kid) sets one. The thumbprint is the same wherever it is computed.
///
/// ```
/// use tower_jam::{Algorithm, Key};
///
/// // Generated once with `openssl rand -hex 32` and kept out of the source code.
/// let shared = Key::hs256(b"6f1a3c0cd1d6f4a9d3f4b1f8f2a7e0b95c3d8e7f6a1b2c4d5381932757cb5eb8")?;
/// assert_eq!(shared.algorithm(), Algorithm::Hs256);
///
/// let pair = Key::generate(Algorithm::EdDsa)?.with_kid("2026-01")?;
/// let jwk = pair.public_jwk().expect("a key pair has a public half");
/// let public = Key::from_jwk(&jwk.to_string())?;
/// assert_eq!((public.kid(), public.can_sign()), ("2026-01", false));
/// # Ok::<(), tower_jam::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct Key {
    kid: Arc<str>,
    header: Arc<str>,
    verifier: Arc<Verifier>,
    signer: Option<Arc<Signer>>,
}

impl Key {
    /// Creates a key for HMAC with SHA-256 from at least 32 random bytes (`openssl rand -hex 32`),
    /// never from a password.
    ///
    /// # Errors
    ///
    /// If the secret is shorter, is one repeated byte, or is a key in text or DER (RFC 8725 section
    /// 3.5).
    pub fn hs256(secret: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        Self::shared(Algorithm::Hs256, hmac::HMAC_SHA256, secret.as_ref())
    }

    /// Creates a key for HMAC with SHA-384 from at least 48 random bytes.
    ///
    /// # Errors
    ///
    /// As [`hs256`](Self::hs256).
    pub fn hs384(secret: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        Self::shared(Algorithm::Hs384, hmac::HMAC_SHA384, secret.as_ref())
    }

    /// Creates a key for HMAC with SHA-512 from at least 64 random bytes.
    ///
    /// # Errors
    ///
    /// As [`hs256`](Self::hs256).
    pub fn hs512(secret: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        Self::shared(Algorithm::Hs512, hmac::HMAC_SHA512, secret.as_ref())
    }

    /// Reads the only private or public key in a PEM text (RFC 7468).
    ///
    /// Accepts `PRIVATE KEY` (PKCS#8), `PUBLIC KEY` (RFC 5280), `RSA PRIVATE KEY` and
    /// `RSA PUBLIC KEY` (RFC 8017), and `EC PRIVATE KEY` (RFC 5915). Text around the block is
    /// skipped.
    ///
    /// # Errors
    ///
    /// If the text contains no key or more than one, if the key is encrypted or a certificate, and
    /// if the key does not fit the algorithm. The setting of the error is `private_key`,
    /// `public_key`, or `alg` for an algorithm that has no key pairs.
    pub fn from_pem(algorithm: Algorithm, pem: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        let parts = KeyBuilder::pem(algorithm, algorithm.name(), pem.as_ref())?;
        Ok(Self::new(algorithm, parts))
    }

    /// Reads a private or public key in DER, in any encoding that [`from_pem`](Self::from_pem)
    /// accepts.
    ///
    /// # Errors
    ///
    /// As [`from_pem`](Self::from_pem), and if the key is followed by other bytes.
    pub fn from_der(algorithm: Algorithm, der: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        let build = KeyBuilder::new("public_key", algorithm, algorithm.name());
        Ok(Self::new(algorithm, build.der(der.as_ref(), None)?))
    }

    /// Reads a JSON Web Key (RFC 7517). The algorithm is that of `alg` or, for EC and OKP keys
    /// without `alg`, that of the curve.
    ///
    /// A key with private members can sign. An RSA private key needs all of `d`, `p`, `q`, `dp`,
    /// `dq` and `qi`. `use` and `key_ops` are respected: a private key whose `key_ops` lacks `sign`
    /// only verifies, and a shared secret whose `key_ops` lacks `verify` only signs.
    ///
    /// # Errors
    ///
    /// If any member is malformed (exact lengths, base64url without padding, distinct names, an EC
    /// point on its curve, no Ed25519 point of low order, matching halves), if `use` or `key_ops`
    /// is for something else, and if the algorithm is not stated; see
    /// [`from_jwk_as`](Self::from_jwk_as).
    pub fn from_jwk(json: &str) -> Result<Self, ConfigError> {
        let jwk = Jwk::parse("jwk", json)?;
        let missing = || jwk.refuse("it has no `alg`; state it with `Key::from_jwk_as`");
        let algorithm = jwk.algorithm()?.ok_or_else(missing)?;
        Self::of_jwk(algorithm, &jwk)
    }

    /// Reads a JSON Web Key (RFC 7517) for this algorithm, as [`from_jwk`](Self::from_jwk) does.
    ///
    /// # Errors
    ///
    /// As [`from_jwk`](Self::from_jwk), and if the key's own `alg` differs.
    pub fn from_jwk_as(algorithm: Algorithm, json: &str) -> Result<Self, ConfigError> {
        Self::of_jwk(algorithm, &Jwk::parse("jwk", json)?)
    }

    pub(crate) fn of_jwk(algorithm: Algorithm, jwk: &Jwk<'_>) -> Result<Self, ConfigError> {
        let key = Self::new(algorithm, jwk::parts(jwk, algorithm)?);
        match jwk.kid()? {
            Some(kid) => key.with_kid(kid),
            None => Ok(key),
        }
    }

    /// Generates a new key.
    ///
    /// RSA keys have 2048 bits: NIST SP 800-57 considers them secure until 2030, every verifier
    /// accepts them, and they verify fastest. To use a longer key, load your own. Shared secrets
    /// are as long as the hash.
    ///
    /// # Errors
    ///
    /// If the cryptographic library fails, for lack of randomness or memory.
    pub fn generate(algorithm: Algorithm) -> Result<Self, ConfigError> {
        if let Family::Hmac(hash) = algorithm.family() {
            return Self::shared(algorithm, hash, &symmetric::generate(hash)?);
        }
        let build = KeyBuilder::new("private_key", algorithm, algorithm.name());
        Ok(Self::new(algorithm, build.generate()?))
    }

    /// Sets the key's id, the value of `kid` (RFC 7515 section 4.1.4).
    ///
    /// # Errors
    ///
    /// If the id is empty, longer than 128 characters, or not visible ASCII: it appears in tokens
    /// and logs.
    pub fn with_kid(self, kid: impl Into<String>) -> Result<Self, ConfigError> {
        let kid = checked_kid(kid.into())?;
        Ok(Self {
            header: encoded_header(self.algorithm().name(), &kid, DEFAULT_TYPE).into(),
            kid: kid.into(),
            ..self
        })
    }

    /// Returns the algorithm that this key is bound to.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.verifier.algorithm
    }

    /// Returns the key's id.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// Returns whether the key can sign.
    #[must_use]
    pub fn can_sign(&self) -> bool {
        self.signer.is_some()
    }

    /// Returns whether the key can verify. A shared secret whose JWK permits only signing cannot.
    #[must_use]
    pub fn can_verify(&self) -> bool {
        !matches!(self.verifier.verifying_key, VerifyingKey::Never)
    }

    /// Returns the SHA-256 thumbprint of RFC 7638, in base64url.
    #[must_use]
    pub fn thumbprint(&self) -> &str {
        &self.verifier.thumbprint
    }

    /// Returns the public half as a JSON Web Key, with which others can verify. Returns `None` for
    /// a shared secret.
    #[must_use]
    pub fn public_jwk(&self) -> Option<Value> {
        self.verifier.public_jwk(&self.kid)
    }

    /// Returns the private key as PKCS#8 (RFC 5208) in PEM, without its id, for storage. Returns
    /// `None` for a shared secret and if there is no private half.
    #[must_use]
    pub fn to_pkcs8_pem(&self) -> Option<Secret<String>> {
        self.signer.as_ref()?.to_pkcs8_pem()
    }

    /// Returns the whole key as a JSON Web Key (RFC 7517), for storage.
    /// [`from_jwk`](Self::from_jwk) reads it. Returns `None` if the key cannot sign.
    #[must_use]
    pub fn to_private_jwk(&self) -> Option<Secret<String>> {
        self.private_jwk_for(self.algorithm().name(), "sig")
    }

    /// Like [`to_private_jwk`](Self::to_private_jwk), with another `alg` and `use`.
    pub(crate) fn private_jwk_for(&self, alg: &str, usage: &str) -> Option<Secret<String>> {
        let private = self.signer.as_ref()?.private_members()?;
        self.jwk_with(&private, alg, usage, !self.can_verify())
    }

    /// Builds a JWK from the public members and `private`.
    pub(crate) fn jwk_with(
        &self,
        private: &PrivateMembers,
        alg: &str,
        usage: &str,
        signs_only: bool,
    ) -> Option<Secret<String>> {
        self.verifier
            .private_jwk(&self.kid, private, alg, usage, signs_only)
    }

    /// Returns the same key without its private half and with the same id. Returns `None` for a
    /// shared secret.
    #[must_use]
    pub fn public_only(&self) -> Option<Self> {
        self.verifier.members.as_ref().map(|_| self.verifying())
    }

    /// Returns the public half as `SubjectPublicKeyInfo` (RFC 5280 section 4.1).
    #[cfg(feature = "jwe")]
    pub(crate) fn public_der(&self) -> Option<PublicKeyX509Der<'_>> {
        match &self.verifier.verifying_key {
            VerifyingKey::Public(key) => key.as_der().ok(),
            _ => None,
        }
    }

    /// Returns the shared secret of a key that both signs and verifies.
    #[cfg(feature = "jwt-simple")]
    pub(crate) fn shared_secret(&self) -> Option<&[u8]> {
        match self.signer.as_deref()? {
            Signer::Hmac(_, secret) if self.can_verify() => Some(secret.expose()),
            _ => None,
        }
    }

    /// Returns the same key, unable to sign.
    pub(crate) fn verifying(&self) -> Self {
        Self {
            signer: None,
            ..self.clone()
        }
    }

    /// Returns the encoded header of the access tokens that this key signs.
    pub(crate) fn header(&self) -> &str {
        &self.header
    }

    /// Appends the signature of `message`. For ECDSA it is r and s with equal length (RFC 7518
    /// section 3.4).
    pub(crate) fn sign(&self, message: &[u8], signature: &mut Vec<u8>) -> Result<(), IssueError> {
        let signer = self.signer.as_ref().ok_or(IssueError::NoSigningKey)?;
        signer
            .sign(message, signature)
            .map_err(|_| IssueError::Crypto)
    }

    /// Returns whether `signature` is this key's signature of `message`, in the form that
    /// [`sign`](Self::sign) writes. Both possible values of s are valid for ECDSA, also with
    /// ES256K, for which `sign` writes the lower one.
    pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        self.verifier.verifying_key.verify(message, signature)
    }

    fn shared(
        algorithm: Algorithm,
        hash: hmac::Algorithm,
        secret: &[u8],
    ) -> Result<Self, ConfigError> {
        Ok(Self::new(
            algorithm,
            symmetric::parts("secret_key", algorithm.name(), hash, secret)?,
        ))
    }

    pub(crate) fn new(algorithm: Algorithm, parts: KeyParts) -> Self {
        let (kid, typ) = (&parts.thumbprint, DEFAULT_TYPE);
        Self {
            header: encoded_header(algorithm.name(), kid, typ).into(),
            kid: kid.as_str().into(),
            signer: parts.signer.map(Arc::new),
            verifier: Arc::new(Verifier {
                algorithm,
                thumbprint: parts.thumbprint,
                members: parts.members,
                verifying_key: parts.verifying_key,
            }),
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("algorithm", &self.algorithm())
            .field("kid", &self.kid)
            .field("can_sign", &self.can_sign())
            .finish_non_exhaustive()
    }
}
