//! Generates codes (RFC 4226 and RFC 6238), with totp-lite.

use totp_lite::{Sha1, Sha256, Sha512, totp_custom};

use super::secret::OtpSecret;
use crate::secret::Secret;

/// The hash function of the HMAC.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[allow(clippy::exhaustive_enums, reason = "RFC 6238 names these three")]
pub enum Digest {
    /// HMAC-SHA-1, which every authenticator supports. The attacks on SHA-1 do not apply to
    /// HMAC-SHA-1.
    #[default]
    Sha1,
    /// HMAC-SHA-256. Some authenticators accept it and silently use SHA-1.
    Sha256,
    /// HMAC-SHA-512, with the same caveat.
    Sha512,
}

/// Returns the code for one moving factor: a counter, or a number of periods.
pub(super) fn code(secret: &OtpSecret, factor: u64, digest: Digest, digits: u8) -> Secret<String> {
    let make: fn(u64, u32, &[u8], u64) -> String = match digest {
        Digest::Sha1 => totp_custom::<Sha1>,
        Digest::Sha256 => totp_custom::<Sha256>,
        Digest::Sha512 => totp_custom::<Sha512>,
    };
    // RFC 6238 section 4.2: TOTP is HOTP of a number of periods. With periods of one second that
    // number is the time.
    Secret::new(make(1, u32::from(digits), secret.expose(), factor))
}
