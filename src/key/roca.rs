//! Recognizes RSA keys whose primes can be computed (CVE-2017-15361).

/// Whether a modulus has the fingerprint of the smart card library whose primes can be computed
/// from it (CVE-2017-15361): modulo every small prime it is a power of 65537. Fewer than one in two
/// hundred million random moduli have this property.
pub(super) fn is_roca(modulus: &[u8]) -> bool {
    ROCA_PRIMES.iter().all(|prime| {
        let digits = modulus.iter().map(|byte| u32::from(*byte));
        let residue = digits.fold(0, |residue, digit| (residue * 256 + digit) % prime);
        let powers = std::iter::successors(Some(1), |power| Some(power * 65537 % prime));
        powers.take(*prime as usize).any(|power| power == residue)
    })
}

pub(super) const ROCA: &str =
    "its primes can be computed from the modulus (CVE-2017-15361); generate a new key elsewhere";

const ROCA_PRIMES: [u32; 38] = [
    3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97,
    101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
];
