//! Generates and compares codes (RFC 4226 and RFC 6238), with totp-lite.

use std::ops::RangeInclusive;

use totp_lite::{Sha1, Sha256, Sha512, totp_custom};

use super::{
    scheme::{Digest, OtpScheme},
    secret::OtpSecret,
};
use crate::secret::{Secret, equal};

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

/// Returns the last of `factors` whose code is `presented`. All codes are generated and compared,
/// so the timing depends only on their number. Text that is not the right number of ASCII digits
/// matches none.
pub(super) fn find(
    presented: &str,
    secret: &OtpSecret,
    scheme: OtpScheme,
    factors: RangeInclusive<u64>,
) -> Option<u64> {
    factors.fold(None, |found, factor| {
        if is_code(presented, secret, scheme, factor) {
            Some(factor)
        } else {
            found
        }
    })
}

/// Returns the last of `factors` whose code is `first`, if the code of the next one is `second`.
pub(super) fn find_pair(
    [first, second]: [&str; 2],
    secret: &OtpSecret,
    scheme: OtpScheme,
    factors: RangeInclusive<u64>,
) -> Option<u64> {
    factors.fold(None, |found, factor| {
        let next = factor.saturating_add(1);
        let is_first = is_code(first, secret, scheme, factor);
        let is_second = is_code(second, secret, scheme, next);
        // Not `&&`, so that both codes are compared each time.
        if is_first & is_second {
            Some(factor)
        } else {
            found
        }
    })
}

fn is_code(presented: &str, secret: &OtpSecret, scheme: OtpScheme, factor: u64) -> bool {
    let code = code(secret, factor, scheme.digest(), scheme.digits());
    equal(presented.as_bytes(), code.expose().as_bytes())
}
