//! Compares codes.

use std::ops::RangeInclusive;

use super::{code::code, scheme::OtpScheme, secret::OtpSecret};
use crate::secret::equal;

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
