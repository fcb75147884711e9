//! Recognises the public keys of Ed25519 for which signatures can be forged.

/// Returns whether these 32 bytes (RFC 8032 section 5.1.5) are a point of order 1, 2, 4 or 8.
///
/// Such a point has at most eight multiples, so signatures can be guessed. With the neutral
/// element, one signature is valid for every message. No public key that was derived from a private
/// key is such a point.
pub(crate) fn is_of_low_order(public: &[u8; 32]) -> bool {
    let mut y = *public;
    // The highest bit is the sign of x.
    y[31] &= 0x7f;
    Y.contains(&y)
}

/// The y coordinates of the eight points whose order divides the cofactor 8 of the group of RFC
/// 8032 section 5.1 (on the birationally equivalent curve, the small subgroup of RFC 7748 section
/// 7), in every encoding that decoders accept: 0 and 1 also with p added.
const Y: [[u8; 32]; 7] = [
    small(0),
    small(1),
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98,
        0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53,
        0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67,
        0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac,
        0x03, 0x7a,
    ],
    near_p(0xec),
    near_p(0xed),
    near_p(0xee),
];

/// A y coordinate of one byte.
const fn small(byte: u8) -> [u8; 32] {
    let mut y = [0; 32];
    y[0] = byte;
    y
}

/// A y coordinate near p = 2^255 − 19, whose lowest byte is 0xed.
const fn near_p(byte: u8) -> [u8; 32] {
    let mut y = [0xff; 32];
    y[0] = byte;
    y[31] = 0x7f;
    y
}
