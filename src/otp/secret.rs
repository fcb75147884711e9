//! The secret that an authenticator and the server share.

use std::fmt;

use super::base32;
use crate::{
    error::ConfigError,
    secret::{Secret, random},
};

/// The bytes from which codes are generated, at least 128 bits (RFC 4226 section 4, R6). Never
/// shown, and zeroized when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct OtpSecret(Secret<Vec<u8>>);

impl OtpSecret {
    /// Generates a secret of 160 bits, the length that RFC 4226 recommends.
    ///
    /// # Panics
    ///
    /// When the operating system provides no randomness; nothing safe can be done then.
    #[must_use]
    pub fn generate() -> Self {
        Self::of_length(DEFAULT_BYTES)
    }

    /// Creates a secret that another system has generated.
    ///
    /// # Errors
    ///
    /// When there are fewer than 16 bytes, or more than 128.
    pub fn new(bytes: &[u8]) -> Result<Self, ConfigError> {
        if !(MINIMUM_BYTES..=MAXIMUM_BYTES).contains(&bytes.len()) {
            let reason = format!(
                "{} bytes, and a secret has {MINIMUM_BYTES} to {MAXIMUM_BYTES}",
                bytes.len()
            );
            return Err(ConfigError::new("otp_secret", reason));
        }
        Ok(Self(Secret::new(bytes.to_vec())))
    }

    /// Reads a secret in base32, with or without padding. Spaces, hyphens and case are ignored.
    ///
    /// # Errors
    ///
    /// When it is not base32, or has a length that [`new`](Self::new) rejects.
    pub fn from_base32(text: &str) -> Result<Self, ConfigError> {
        let bytes = base32::decode(text);
        let bytes = bytes.ok_or_else(|| ConfigError::new("otp_secret", "is not base32"))?;
        Self::new(&bytes)
    }

    /// Returns the text that people type into an authenticator.
    #[must_use]
    pub fn to_base32(&self) -> Secret<String> {
        Secret::new(base32::encode(self.expose()))
    }

    /// Returns the bytes.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        self.0.expose()
    }

    pub(super) fn of_length(bytes: usize) -> Self {
        let drawn = Secret::new(random::<MAXIMUM_BYTES>());
        Self(Secret::new(drawn.expose()[..bytes].to_vec()))
    }
}

impl fmt::Debug for OtpSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OtpSecret(..)")
    }
}

pub(super) const MINIMUM_BYTES: usize = 16;
pub(super) const DEFAULT_BYTES: usize = 20;
/// The block size of SHA-512: a longer key is hashed first, so it is not stronger.
pub(super) const MAXIMUM_BYTES: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_have_128_bits_or_more_and_are_not_shown() {
        assert_eq!(OtpSecret::generate().expose().len(), 20);
        assert_ne!(OtpSecret::generate(), OtpSecret::generate());
        assert!(OtpSecret::new(&[7; 15]).is_err());
        assert!(OtpSecret::new(&[7; 129]).is_err());
        assert!(
            OtpSecret::from_base32("GEZDGNBVGY3TQOJQ").is_err(),
            "80 bits"
        );
        let error = OtpSecret::from_base32("swordfish0").unwrap_err();
        assert!(!format!("{error} {error:?}").contains("sword"));
        let secret = OtpSecret::from_base32("gezd gnbv gy3t qojq gezd gnbv gy3t qojq").unwrap();
        assert_eq!(secret.expose(), b"12345678901234567890");
        assert_eq!(
            secret.to_base32().expose(),
            "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
        );
        assert_eq!(format!("{secret:?}"), "OtpSecret(..)");
    }
}
