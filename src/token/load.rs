//! Keys from the forms in which others write them: PEM, DER, JWK.

use super::{algorithm::Algorithm, asymmetric::KeyBuilder, jwk::Jwk, key::Key, pem};
use crate::error::ConfigError;

impl Key {
    /// Reads the one private or public key of a PEM text (RFC 7468).
    ///
    /// Takes `PRIVATE KEY` (PKCS#8), `PUBLIC KEY` (RFC 5280), `RSA PRIVATE KEY` and `RSA PUBLIC KEY`
    /// (RFC 8017), and `EC PRIVATE KEY` (RFC 5915). Text around the block is skipped.
    ///
    /// # Errors
    ///
    /// When there is no key or more than one in it, when it is encrypted or a certificate, and when
    /// the key does not fit the algorithm. The setting is `private_key`, `public_key`, or `alg` for an
    /// algorithm that takes no key pair.
    pub fn from_pem(algorithm: Algorithm, pem: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        Self::from_pem_for(algorithm.name(), algorithm, pem.as_ref())
    }

    /// The same, and errors call the algorithm by this name.
    pub(super) fn from_pem_for(
        name: &'static str,
        algorithm: Algorithm,
        pem: &[u8],
    ) -> Result<Self, ConfigError> {
        let block = pem::read(pem)?;
        let build = KeyBuilder {
            setting: "public_key",
            algorithm,
            name,
        };
        Ok(Self::new(
            algorithm,
            build.der(&block.der, Some(block.encoding))?,
        ))
    }

    /// Reads a private or public key in DER, in any of the encodings that
    /// [`from_pem`](Self::from_pem) takes.
    ///
    /// # Errors
    ///
    /// As [`from_pem`](Self::from_pem), and when anything follows the key.
    pub fn from_der(algorithm: Algorithm, der: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        let build = KeyBuilder {
            setting: "public_key",
            algorithm,
            name: algorithm.name(),
        };
        Ok(Self::new(algorithm, build.der(der.as_ref(), None)?))
    }

    /// Reads a JSON Web Key (RFC 7517) and takes the algorithm from it: from `alg` or, for EC and OKP
    /// keys without one, from the curve.
    ///
    /// With private members it is a signing key. An RSA private key needs all of `d`, `p`, `q`, `dp`,
    /// `dq` and `qi`. `use` and `key_ops` are kept to: a private key whose `key_ops` lacks `sign` only
    /// verifies, and a shared secret whose `key_ops` lacks `verify` only signs.
    ///
    /// # Errors
    ///
    /// When it is not a JWK in every member (exact lengths, base64url without padding, no name twice,
    /// an EC point on its curve, no Ed25519 point by which anybody can sign, halves that fit), when its
    /// `use` or `key_ops` is for something else, and when it says no algorithm; see
    /// [`from_jwk_as`](Self::from_jwk_as).
    pub fn from_jwk(json: &str) -> Result<Self, ConfigError> {
        let jwk = Jwk::parse("jwk", json)?;
        let silent = || jwk.refuse("it has no `alg`; say which with `Key::from_jwk_as`");
        let algorithm = jwk.algorithm()?.ok_or_else(silent)?;
        Self::of_jwk(algorithm, &jwk)
    }

    /// Reads a JSON Web Key (RFC 7517) for this algorithm, as [`from_jwk`](Self::from_jwk) does.
    ///
    /// # Errors
    ///
    /// As [`from_jwk`](Self::from_jwk), and when the key's own `alg` is another.
    pub fn from_jwk_as(algorithm: Algorithm, json: &str) -> Result<Self, ConfigError> {
        Self::of_jwk(algorithm, &Jwk::parse("jwk", json)?)
    }

    /// The same for the algorithm that the key says of itself or, where it says none, for the usual one.
    #[cfg(feature = "config")]
    pub(crate) fn from_jwk_or(usual: Option<Algorithm>, json: &str) -> Result<Self, ConfigError> {
        let jwk = Jwk::parse("jwk", json)?;
        let algorithm = jwk.algorithm()?.or(usual);
        let silent = || jwk.refuse("it has no `alg`, and none is set");
        Self::of_jwk(algorithm.ok_or_else(silent)?, &jwk)
    }

    /// Whether this is a key, whatever of.
    #[cfg(feature = "config")]
    pub(crate) fn is_jwk(json: &str) -> bool {
        Jwk::parse("jwk", json).is_ok_and(|jwk| jwk.has("kty"))
    }

    /// Whether it has what only its holder may know, be it of use or not.
    #[cfg(feature = "config")]
    pub(crate) fn is_private_jwk(json: &str) -> bool {
        Jwk::parse("jwk", json).is_ok_and(|jwk| jwk.has_private_members())
    }

    pub(super) fn of_jwk(algorithm: Algorithm, jwk: &Jwk<'_>) -> Result<Self, ConfigError> {
        let key = Self::new(algorithm, jwk.parts(algorithm)?);
        match jwk.kid()? {
            Some(kid) => key.with_kid(kid),
            None => Ok(key),
        }
    }
}
