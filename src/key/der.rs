//! Determines which encoding of a key a DER document has, without parsing the key.
//!
//! The cryptographic library parses the encoding that the caller names, and ignores trailing bytes.
//! This module checks the outline first: the input must be exactly one SEQUENCE, and its members
//! determine which of the encodings of RFC 5280, 5208, 5958, 5915 and 8017 it can be.

/// An encoding of a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Encoding {
    /// `SubjectPublicKeyInfo` (RFC 5280 section 4.1).
    Spki,
    /// `PrivateKeyInfo` (RFC 5208 section 5), also as `OneAsymmetricKey` (RFC 5958 section 2).
    Pkcs8,
    /// `RSAPrivateKey` (RFC 8017 appendix A.1.2).
    Pkcs1Private,
    /// `RSAPublicKey` (RFC 8017 appendix A.1.1).
    Pkcs1Public,
    /// `ECPrivateKey` (RFC 5915 section 3).
    Sec1,
    /// `EncryptedPrivateKeyInfo` (RFC 5208 section 6).
    EncryptedPkcs8,
    /// `Certificate` (RFC 5280 section 4.1).
    Certificate,
}

impl Encoding {
    /// Whether the document contains a private key, encrypted or not.
    pub(super) const fn is_private(self) -> bool {
        matches!(
            self,
            Self::Pkcs8 | Self::Pkcs1Private | Self::Sec1 | Self::EncryptedPkcs8
        )
    }
}

/// The encoding of a document, and the object identifier of the key type if the encoding has one.
pub(super) struct Outline<'a> {
    pub(super) encoding: Encoding,
    pub(super) key_type: Option<&'a [u8]>,
}

/// Returns the outline of a key, or `None` if `der` is not exactly one key.
pub(super) fn outline(der: &[u8]) -> Option<Outline<'_>> {
    let (SEQUENCE, document, []) = element(der)? else {
        return None;
    };
    let members = elements(document)?;
    let tags: Vec<u8> = members.iter().map(|(tag, _)| *tag).collect();
    let first_of =
        |index: usize| elements(members[index].1).and_then(|inner| inner.first().copied());
    let identifier = |index| {
        first_of(index)
            .filter(|(tag, _)| *tag == OBJECT_IDENTIFIER)
            .map(|(_, oid)| oid)
    };

    let (encoding, key_type) = match tags[..] {
        [SEQUENCE, BIT_STRING] => (Encoding::Spki, Some(identifier(0)?)),
        [INTEGER, SEQUENCE, OCTET_STRING, ..] => (Encoding::Pkcs8, Some(identifier(1)?)),
        [INTEGER, OCTET_STRING, ..] => (Encoding::Sec1, None),
        [INTEGER, INTEGER] => (Encoding::Pkcs1Public, None),
        [
            INTEGER,
            INTEGER,
            INTEGER,
            INTEGER,
            INTEGER,
            INTEGER,
            INTEGER,
            INTEGER,
            INTEGER,
            ..,
        ] => (Encoding::Pkcs1Private, None),
        [SEQUENCE, OCTET_STRING] => (Encoding::EncryptedPkcs8, identifier(0)),
        [SEQUENCE, SEQUENCE, BIT_STRING] => (Encoding::Certificate, None),
        _ => return None,
    };
    Some(Outline { encoding, key_type })
}

/// Returns the private key of a PKCS#8 document, in the encoding of its key type.
pub(super) fn private_key(der: &[u8]) -> Option<&[u8]> {
    let members = elements(content(der)?)?;
    match members[..] {
        [(INTEGER, _), (SEQUENCE, _), (OCTET_STRING, key), ..] => Some(key),
        _ => None,
    }
}

/// Returns the numbers of a SEQUENCE of INTEGERs, without the leading zero that marks a number as
/// positive.
pub(super) fn integers(der: &[u8]) -> Option<Vec<&[u8]>> {
    let members = elements(content(der)?)?;
    let numbers = members.into_iter().map(|member| match member {
        (INTEGER, [0, rest @ ..]) if !rest.is_empty() => Some(rest),
        (INTEGER, bytes) => Some(bytes),
        _ => None,
    });
    numbers.collect()
}

/// Returns the content of `der`, which must be a single element.
pub(super) fn content(der: &[u8]) -> Option<&[u8]> {
    match element(der)? {
        (_, content, []) => Some(content),
        _ => None,
    }
}

/// Splits `content` into its elements, each as tag and content.
fn elements(mut content: &[u8]) -> Option<Vec<(u8, &[u8])>> {
    let mut found = Vec::new();
    while !content.is_empty() {
        let (tag, value, rest) = element(content)?;
        found.push((tag, value));
        content = rest;
    }
    Some(found)
}

/// Splits off the first element: its tag, its content, and the rest. Lengths must be in DER (X.690
/// section 10.1): definite and minimal.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let [tag, length, rest @ ..] = der else {
        return None;
    };
    let (length, rest) = match *length {
        short @ 0..=0x7f => (usize::from(short), rest),
        0x81 => match rest {
            [length @ 0x80..=0xff, rest @ ..] => (usize::from(*length), rest),
            _ => return None,
        },
        0x82 => match rest {
            [high @ 1..=0xff, low, rest @ ..] => {
                (usize::from(u16::from_be_bytes([*high, *low])), rest)
            }
            _ => return None,
        },
        // No key is longer than 65535 bytes.
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((*tag, content, rest))
}

/// `rsaEncryption` (RFC 8017 appendix A.1).
pub(super) const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
/// `id-ecPublicKey` (RFC 5480 section 2.1.1).
pub(super) const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
/// `id-Ed25519` (RFC 8410 section 3).
pub(super) const ED25519: &[u8] = &[0x2b, 0x65, 0x70];

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const OBJECT_IDENTIFIER: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
