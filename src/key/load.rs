//! Loads keys from PEM, DER and JWK.

use super::{algorithm::Algorithm, asymmetric::KeyBuilder, jwk::Jwk, pem, signing::Key};
use crate::error::ConfigError;

impl Key {
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
        Self::from_pem_for(algorithm.name(), algorithm, pem.as_ref())
    }

    /// Like [`from_pem`](Self::from_pem), with another name for the algorithm in errors.
    pub(crate) fn from_pem_for(
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

    /// Reads a private or public key in DER, in any encoding that [`from_pem`](Self::from_pem)
    /// accepts.
    ///
    /// # Errors
    ///
    /// As [`from_pem`](Self::from_pem), and if the key is followed by other bytes.
    pub fn from_der(algorithm: Algorithm, der: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        let build = KeyBuilder {
            setting: "public_key",
            algorithm,
            name: algorithm.name(),
        };
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

    /// Reads a JSON Web Key for the algorithm that it states or, if it states none, for `usual`.
    #[cfg(feature = "config")]
    pub(crate) fn from_jwk_or(usual: Option<Algorithm>, json: &str) -> Result<Self, ConfigError> {
        let jwk = Jwk::parse("jwk", json)?;
        let algorithm = jwk.algorithm()?.or(usual);
        let missing = || jwk.refuse("it has no `alg`, and none is set");
        Self::of_jwk(algorithm.ok_or_else(missing)?, &jwk)
    }

    /// Returns whether this is a JSON Web Key of any type.
    #[cfg(feature = "config")]
    pub(crate) fn is_jwk(json: &str) -> bool {
        Jwk::parse("jwk", json).is_ok_and(|jwk| jwk.has("kty"))
    }

    /// Returns whether this is a JSON Web Key with private members, usable or not.
    #[cfg(feature = "config")]
    pub(crate) fn is_private_jwk(json: &str) -> bool {
        Jwk::parse("jwk", json).is_ok_and(|jwk| jwk.has_private_members())
    }

    pub(crate) fn of_jwk(algorithm: Algorithm, jwk: &Jwk<'_>) -> Result<Self, ConfigError> {
        let key = Self::new(algorithm, jwk.parts(algorithm)?);
        match jwk.kid()? {
            Some(kid) => key.with_kid(kid),
            None => Ok(key),
        }
    }
}
