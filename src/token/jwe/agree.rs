//! Direct key agreement for the content key (RFC 7518 section 4.6, RFC 8037 section 3.2).

use aws_lc_rs::{
    agreement::{self, ECDH_P256, UnparsedPublicKey, X25519},
    kdf::{SskdfDigestAlgorithmId, get_sskdf_digest_algorithm, sskdf_digest},
};
use serde_json::json;
use zeroize::Zeroizing;

use super::content::{ContentKey, WrappedKey};
use crate::key::encoding;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum EcdhCurve {
    P256,
    X25519,
}

impl EcdhCurve {
    pub(super) const fn algorithm(self) -> &'static agreement::Algorithm {
        match self {
            Self::P256 => &ECDH_P256,
            Self::X25519 => &X25519,
        }
    }
}

/// A public key that has not been checked to be on the curve.
pub(super) struct Point {
    pub(super) curve: EcdhCurve,
    /// On P-256 with both coordinates (SEC 1 section 2.3.3), on X25519 in the encoding of RFC 7748
    /// section 5.
    bytes: Vec<u8>,
}

impl Point {
    pub(super) fn p256(x: &str, y: &str) -> Option<Self> {
        let mut bytes = vec![UNCOMPRESSED];
        for coordinate in [x, y] {
            bytes.extend_from_slice(&decode_coordinate(coordinate)?);
        }
        let curve = EcdhCurve::P256;
        Some(Self { curve, bytes })
    }

    pub(super) fn x25519(x: &str) -> Option<Self> {
        let bytes = decode_coordinate(x)?.to_vec();
        let curve = EcdhCurve::X25519;
        Some(Self { curve, bytes })
    }
}

fn decode_coordinate(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    encoding::decode(text).filter(|bytes| bytes.len() == COORDINATE_BYTES)
}

/// Agrees with the holder of `point`, using a new ephemeral key.
pub(super) fn agree_ephemeral(point: &Point) -> Option<WrappedKey> {
    let ephemeral = agreement::PrivateKey::generate(point.curve.algorithm()).ok()?;
    let public = ephemeral.compute_public_key().ok()?;
    let epk = match point.curve {
        EcdhCurve::P256 => {
            let (x, y) = public
                .as_ref()
                .get(1..)?
                .split_at_checked(COORDINATE_BYTES)?;
            json!({ "crv": "P-256", "kty": "EC", "x": encoding::encode(x), "y": encoding::encode(y) })
        }
        EcdhCurve::X25519 => {
            json!({ "crv": "X25519", "kty": "OKP", "x": encoding::encode(public.as_ref()) })
        }
    };
    Some(WrappedKey {
        content: agree(&ephemeral, point, &Default::default())?,
        encrypted: Vec::new(),
        epk: Some(epk),
    })
}

/// Computes the key that two parties agree on. The library rejects a point that is not on the
/// curve, and one of X25519 for which the secret does not depend on the private key (RFC 7748
/// section 6.1).
pub(super) fn agree(
    private: &agreement::PrivateKey,
    point: &Point,
    parties: &[Vec<u8>; 2],
) -> Option<ContentKey> {
    let peer = UnparsedPublicKey::new(point.curve.algorithm(), &point.bytes);
    agreement::agree(private, peer, (), |shared| {
        let mut key = Zeroizing::new([0; 32]);
        derive(shared, "A256GCM", parties, &mut *key).ok_or(())?;
        Ok(key)
    })
    .ok()
}

/// Derives a key with the Concat KDF of RFC 7518 section 4.6.2.
pub(super) fn derive(
    shared: &[u8],
    algorithm: &str,
    parties: &[Vec<u8>; 2],
    key: &mut [u8],
) -> Option<()> {
    let mut info = Vec::new();
    for field in [algorithm.as_bytes(), &parties[0], &parties[1]] {
        info.extend_from_slice(&u32::try_from(field.len()).ok()?.to_be_bytes());
        info.extend_from_slice(field);
    }
    info.extend_from_slice(&u32::try_from(key.len() * 8).ok()?.to_be_bytes());
    let sha256 = get_sskdf_digest_algorithm(SskdfDigestAlgorithmId::Sha256)?;
    sskdf_digest(sha256, shared, &info, key).ok()
}

/// The first byte of a point with both coordinates.
const UNCOMPRESSED: u8 = 4;
const COORDINATE_BYTES: usize = 32;
