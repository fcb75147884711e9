//! Checks the numbers of public RSA keys.

use std::{borrow::Cow, ops::RangeInclusive};

/// Checks the modulus and the public exponent, both without leading zeros. The error is the reason
/// why the key is rejected.
pub(super) fn check(modulus: &[u8], exponent: &[u8]) -> Result<(), Cow<'static, str>> {
    let ([first, ..], [_, ..]) = (modulus, exponent) else {
        return Err("the modulus or the public exponent is empty".into());
    };
    if *first == 0 || exponent[0] == 0 {
        return Err("the modulus or the public exponent starts with a zero byte".into());
    }
    let bits = modulus.len() * 8 - first.leading_zeros() as usize;
    if !RSA_BITS.contains(&bits) {
        let reason = format!(
            "{bits} bits, but RSA keys must have {} to {}",
            RSA_BITS.start(),
            RSA_BITS.end()
        );
        return Err(reason.into());
    }
    // The upper bound is the library's. Exponents below 65537 (FIPS 186-5 section 5.1) have
    // allowed forged signatures where a verifier checked the padding carelessly.
    let value = exponent.iter().fold(0_u64, |value, byte| {
        value.saturating_mul(256).saturating_add((*byte).into())
    });
    if !(65537..1 << 33).contains(&value) || value % 2 == 0 {
        return Err("the public exponent must be odd, at least 65537, and below 2^33".into());
    }
    if is_roca(modulus) {
        return Err(ROCA.into());
    }
    Ok(())
}

/// Whether a modulus has the fingerprint of the smart card library whose primes can be computed
/// from it (CVE-2017-15361): modulo every small prime it is a power of 65537. Fewer than one in two
/// hundred million random moduli have this property.
fn is_roca(modulus: &[u8]) -> bool {
    ROCA_PRIMES.iter().all(|prime| {
        let digits = modulus.iter().map(|byte| u32::from(*byte));
        let residue = digits.fold(0, |residue, digit| (residue * 256 + digit) % prime);
        let powers = std::iter::successors(Some(1), |power| Some(power * 65537 % prime));
        powers.take(*prime as usize).any(|power| power == residue)
    })
}

/// The lower bound is required by RFC 7518 section 3.3; the upper bound is the library's.
const RSA_BITS: RangeInclusive<usize> = 2048..=8192;

const ROCA: &str =
    "its primes can be computed from the modulus (CVE-2017-15361); generate a new key elsewhere";

const ROCA_PRIMES: [u32; 38] = [
    3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97,
    101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
];
