//! Signatures of the wrong length, range, form or message.

use aws_lc_rs::{
    digest, hmac,
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair},
};

use tower_jam::Algorithm;

use super::{Category, LENGTH, SIGNATURE};
use crate::jwt::forge::{
    ED25519, Forge, P256, RSA, SECRET, claims, der, encode, engine, public, shared,
};

pub(super) fn all() -> Vec<Category> {
    vec![hmac_sha256(), ecdsa(), ed25519(), rsa()]
}

/// Values that no algorithm accepts as a signature.
fn common(category: &mut Category, forge: &Forge) {
    let (message, good) = forge.good_parts();
    let other = forge.sign(&forge.with_payload(claims(&[("sub", "\"other\"")])));
    let (half, length) = (good.len() / 2, good.len());
    let mut reversed = good.clone();
    reversed.reverse();
    let flipped = |index: usize, bit: u8| {
        let mut bytes = good.clone();
        bytes[index] ^= bit;
        bytes
    };
    for (name, signature) in [
        ("of another message", other),
        ("of no message", forge.sign("")),
        (
            "of the header",
            forge.sign(message.split('.').next().unwrap()),
        ),
        (
            "of the payload",
            forge.sign(message.split('.').nth(1).unwrap()),
        ),
        ("without the dot", forge.sign(&message.replace('.', ""))),
        (
            "of the decoded text",
            forge.sign(&format!("{}.{}", forge.header, claims(&[]))),
        ),
        (
            "of the message in hex",
            forge.sign(&hex(message.as_bytes())),
        ),
        ("in hex", hex(&good).into_bytes()),
        ("in base64url once more", encode(&good).into_bytes()),
        ("a byte short", good[..length - 1].to_vec()),
        ("a byte short at the front", good[1..].to_vec()),
        ("half", good[..half].to_vec()),
        ("one byte", good[..1].to_vec()),
        ("a zero behind", [&good[..], &[0]].concat()),
        ("a zero before", [&[0], &good[..]].concat()),
        ("twice", [&good[..], &good[..]].concat()),
        ("zeros", vec![0; length]),
        ("ones", vec![0xff; length]),
        ("reversed", reversed),
        ("first bit flipped", flipped(0, 0x80)),
        ("last bit flipped", flipped(length - 1, 1)),
        ("middle bit flipped", flipped(half, 0x10)),
        (
            "random",
            (0..=255)
                .cycle()
                .map(|byte: u8| byte.wrapping_mul(37))
                .take(length)
                .collect(),
        ),
    ] {
        category.refuse(SIGNATURE, name, format!("{message}.{}", encode(signature)));
    }
    category.refuse(LENGTH, "empty", format!("{message}."));
    category.refuse(
        LENGTH,
        "of 1025 bytes",
        format!("{message}.{}", encode([7; 1025])),
    );
    let sealed = forge.with_payload(claims(&[("sub", "\"other\"")]));
    let theirs = sealed.rsplit('.').next().unwrap();
    category.refuse(SIGNATURE, "of another token", format!("{message}.{theirs}"));
}

fn hmac_sha256() -> Category {
    let forge = Forge::hs256(SECRET);
    let mut category = Category::new("signature by HMAC", engine(shared()), &forge);
    common(&mut category, &forge);
    let (message, good) = forge.good_parts();
    let of = |hash, secret: &[u8]| {
        hmac::sign(&hmac::Key::new(hash, secret), message.as_bytes())
            .as_ref()
            .to_vec()
    };
    for (name, mac) in [
        ("of 96 bits", good[..12].to_vec()),
        ("of a longer hash", of(hmac::HMAC_SHA512, SECRET)),
        (
            "of a longer hash, cut",
            of(hmac::HMAC_SHA512, SECRET)[..32].to_vec(),
        ),
        ("of SHA-1", of(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, SECRET)),
        ("by no secret", of(hmac::HMAC_SHA256, b"")),
        (
            "by the secret's start",
            of(hmac::HMAC_SHA256, &SECRET[..32]),
        ),
        (
            "by the secret and a line break",
            of(hmac::HMAC_SHA256, &[SECRET, b"\n"].concat()),
        ),
        (
            "by the secret in base64url",
            of(hmac::HMAC_SHA256, encode(SECRET).as_bytes()),
        ),
        (
            "by the kid",
            of(hmac::HMAC_SHA256, shared().active().kid().as_bytes()),
        ),
        (
            "a hash without a key",
            digest::digest(&digest::SHA256, message.as_bytes())
                .as_ref()
                .to_vec(),
        ),
        (
            "a hash of secret and message",
            digest::digest(&digest::SHA256, &[SECRET, message.as_bytes()].concat())
                .as_ref()
                .to_vec(),
        ),
        ("a MAC of the MAC", forge.sign(&encode(&good))),
    ] {
        category.refuse(SIGNATURE, name, format!("{message}.{}", encode(mac)));
    }
    category
}

/// RFC 7518 section 3.4: r and s of 32 bytes each, both from 1 to n - 1.
fn ecdsa() -> Category {
    let forge = Forge::es256();
    let mut category = Category::new(
        "signature by ECDSA",
        engine(public(Algorithm::Es256, P256)),
        &forge,
    );
    common(&mut category, &forge);
    let (message, good) = forge.good_parts();
    let (r, s) = good.split_at(32);
    let (zero, one) = ([0; 32], {
        let mut one = [0; 32];
        one[31] = 1;
        one
    });
    let mut n_minus_1 = N;
    n_minus_1[31] -= 1;
    for (name, parts) in [
        ("r is 0", [&zero[..], s]),
        ("s is 0", [r, &zero]),
        ("r and s are 1", [&one[..], &one]),
        ("r is n", [&N[..], s]),
        ("s is n", [r, &N]),
        ("r and s are n", [&N[..], &N]),
        ("r is n - 1", [&n_minus_1[..], s]),
        ("s is n - 1", [r, &n_minus_1]),
        ("r is 0 and s is 1", [&zero[..], &one]),
        ("r is 1 and s is 0", [&one[..], &zero]),
        ("r is n and s is 0", [&N[..], &zero]),
        ("r is 0 and s is n", [&zero[..], &N]),
        ("r above n", [&[0xff; 32][..], s]),
        ("s above n", [r, &[0xff; 32]]),
        ("exchanged", [s, r]),
        ("r twice", [r, r]),
        ("s twice", [s, s]),
    ] {
        category.refuse(
            SIGNATURE,
            name,
            format!("{message}.{}", encode(parts.concat())),
        );
    }
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &der(P256)).unwrap();
    let signature = pair.sign(&SystemRandom::new(), message.as_bytes()).unwrap();
    category.refuse(SIGNATURE, "DER", format!("{message}.{}", encode(signature)));
    category.refuse(
        SIGNATURE,
        "a zero before both",
        format!("{message}.{}", encode([&[0], r, &[0], s].concat())),
    );
    // The other s for the same r: RFC 7518 allows both, which is why nothing may be keyed by the
    // text of a token.
    category.accept(format!(
        "{message}.{}",
        encode([r, &subtract(&N, s)].concat())
    ));
    category
}

/// RFC 8032 section 5.1.7: s is below the order of the group.
fn ed25519() -> Category {
    let forge = Forge::ed25519();
    let mut category = Category::new(
        "signature by EdDSA",
        engine(public(Algorithm::EdDsa, ED25519)),
        &forge,
    );
    common(&mut category, &forge);
    let (message, good) = forge.good_parts();
    let (r, s) = good.split_at(32);
    let identity = {
        let mut point = [0; 32];
        point[0] = 1;
        point
    };
    let zero = [0; 32];
    for (name, parts) in [
        ("s plus the order", [r, &add_little_endian(s, &L)]),
        ("s is the order", [r, &L]),
        ("s is 0", [r, &zero]),
        ("r is the identity and s is 0", [&identity[..], &zero]),
        ("r is 0", [&zero[..], s]),
        ("exchanged", [s, r]),
        ("r twice", [r, r]),
    ] {
        category.refuse(
            SIGNATURE,
            name,
            format!("{message}.{}", encode(parts.concat())),
        );
    }
    category
}

fn rsa() -> Category {
    let forge = Forge::rs256();
    let mut category = Category::new(
        "signature by RSA",
        engine(public(Algorithm::Rs256, RSA)),
        &forge,
    );
    common(&mut category, &forge);
    let (message, _) = forge.good_parts();
    let modulus = public(Algorithm::Rs256, RSA).active().public_jwk().unwrap();
    let modulus = modulus["n"].as_str().unwrap().to_owned();
    category.refuse(SIGNATURE, "the modulus", format!("{message}.{modulus}"));
    let mut one = [0; 256];
    one[255] = 1;
    category.refuse(SIGNATURE, "one", format!("{message}.{}", encode(one)));
    // The padding before the private key is applied.
    let hash = digest::digest(&digest::SHA256, message.as_bytes());
    let prefix = [
        0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01,
        0x05, 0x00, 0x04, 0x20,
    ];
    let block = [&[0, 1], &[0xff; 202][..], &[0], &prefix, hash.as_ref()].concat();
    assert_eq!(block.len(), 256);
    category.refuse(
        SIGNATURE,
        "the padded hash itself",
        format!("{message}.{}", encode(block)),
    );
    category
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `left - right` of two big-endian numbers, of which `left` is greater.
fn subtract(left: &[u8; 32], right: &[u8]) -> [u8; 32] {
    let (mut difference, mut borrow) = ([0; 32], false);
    for index in (0..32).rev() {
        let (byte, first) = left[index].overflowing_sub(right[index]);
        let (byte, second) = byte.overflowing_sub(borrow.into());
        (difference[index], borrow) = (byte, first || second);
    }
    assert!(!borrow);
    difference
}

/// The sum of two little-endian numbers.
fn add_little_endian(left: &[u8], right: &[u8; 32]) -> [u8; 32] {
    let (mut sum, mut carry) = ([0; 32], false);
    for index in 0..32 {
        let (byte, first) = left[index].overflowing_add(right[index]);
        let (byte, second) = byte.overflowing_add(carry.into());
        (sum[index], carry) = (byte, first || second);
    }
    assert!(!carry);
    sum
}

/// The order of P-256 (SEC 2 section 2.4.2).
const N: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6,
    0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

/// The order of Ed25519 (RFC 8032 section 5.1), little-endian.
const L: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];
