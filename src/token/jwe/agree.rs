//! Agreeing on the key of a content (RFC 7518 section 4.6), directly.

use aws_lc_rs::{
    agreement::{self, ECDH_P256, UnparsedPublicKey},
    kdf::{SskdfDigestAlgorithmId, get_sskdf_digest_algorithm, sskdf_digest},
};
use serde_json::json;
use zeroize::Zeroizing;

use super::{compact::ContentKey, key::Wrapped};
use crate::token::jwk;

/// Agrees with the holder of `point` by a key that is used this once.
pub(super) fn agree_anew(point: &[u8]) -> Option<Wrapped> {
    let ephemeral = agreement::PrivateKey::generate(&ECDH_P256).ok()?;
    let public = ephemeral.compute_public_key().ok()?;
    let (x, y) = public.as_ref().get(1..)?.split_at_checked(32)?;
    let epk = json!({ "crv": "P-256", "kty": "EC", "x": jwk::encode(x), "y": jwk::encode(y) });
    Some(Wrapped {
        content: agree(&ephemeral, point, &Default::default())?,
        encrypted: Vec::new(),
        epk: Some(epk),
    })
}

/// The key that two parties agree on. The library refuses a point that is not on the curve.
pub(super) fn agree(
    private: &agreement::PrivateKey,
    point: &[u8],
    parties: &[Vec<u8>; 2],
) -> Option<ContentKey> {
    let peer = UnparsedPublicKey::new(&ECDH_P256, point);
    agreement::agree(private, peer, (), |shared| {
        let mut key = Zeroizing::new([0; 32]);
        derive(shared, "A256GCM", parties, &mut *key).ok_or(())?;
        Ok(key)
    })
    .ok()
}

/// The Concat KDF of RFC 7518 section 4.6.2.
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
