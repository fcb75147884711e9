//! The format of a refresh token, 73 bytes in base64url.
//!
//! ```text
//! version (1) ‖ kid (4) ‖ digest of the record's key (32) ‖ family (16) ‖ generation (4) ‖ tag (16)
//! ```
//!
//! The tag is HMAC-SHA-256, truncated to 128 bits, under a key of the master secret and the issuer.
//! It is checked before anything is read. The same content has the same tag, so that the successor
//! of a token can be issued twice and remain one token.

use base64_simd::{Out, URL_SAFE_NO_PAD};

use super::{device::Hash256, devices::PresentedRefresh, records::NAMESPACE};
use crate::{
    secret::{MasterSecret, Secret, tag::TagKey},
    store::StoreKey,
};

/// The content of a token that was made here.
pub(super) struct RefreshToken {
    pub(super) record_key: StoreKey,
    pub(super) family: Secret<[u8; FAMILY_BYTES]>,
    pub(super) generation: u32,
}

impl RefreshToken {
    pub(super) fn presented(&self) -> PresentedRefresh {
        PresentedRefresh {
            family: Hash256::of(self.family.expose()),
            generation: self.generation,
            key: None,
        }
    }
}

/// The keys that tag tokens. The first one makes tags; all verify them.
pub(super) struct TokenKeys(Vec<([u8; 4], TagKey)>);

impl TokenKeys {
    pub(super) fn new(secret: &MasterSecret, issuer: &str) -> Self {
        let keys = secret.keys("tower-jam refresh token", issuer);
        let named = keys.iter().map(|key| {
            let key = TagKey::new(key);
            let [a, b, c, d, ..] = key.tag(b"kid");
            ([a, b, c, d], key)
        });
        Self(named.collect())
    }

    /// The id of the key that makes tokens.
    pub(super) fn active(&self) -> [u8; 4] {
        self.0[0].0
    }

    /// Returns the text of a token, or `None` if the key with the id `kid` is no longer available.
    pub(super) fn encode(&self, token: &RefreshToken, kid: [u8; 4]) -> Option<Secret<String>> {
        let (_, key) = self.0.iter().find(|(known, _)| *known == kid)?;
        let mut bytes = [0; TOKEN_BYTES];
        bytes[0] = VERSION;
        bytes[1..5].copy_from_slice(&kid);
        bytes[5..37].copy_from_slice(token.record_key.digest());
        bytes[37..53].copy_from_slice(token.family.expose());
        bytes[53..57].copy_from_slice(&token.generation.to_be_bytes());
        let tag = key.tag(&bytes[..BODY_BYTES]);
        bytes[BODY_BYTES..].copy_from_slice(&tag);
        Some(Secret::new(URL_SAFE_NO_PAD.encode_to_string(bytes)))
    }

    /// Returns the token that `text` encodes, if it was made here.
    pub(super) fn decode(&self, text: &str) -> Option<RefreshToken> {
        if text.len() != TEXT_BYTES {
            return None;
        }
        let mut bytes = [0; TOKEN_BYTES];
        URL_SAFE_NO_PAD
            .decode(text.as_bytes(), Out::from_slice(&mut bytes))
            .ok()?;
        let (body, tag) = bytes.split_at(BODY_BYTES);
        let (_, key) = self.0.iter().find(|(kid, _)| *kid == body[1..5])?;
        if body[0] != VERSION || !key.is_tag(body, tag) {
            return None;
        }
        Some(RefreshToken {
            record_key: StoreKey::from_parts(NAMESPACE, body[5..37].try_into().ok()?),
            family: Secret::new(body[37..53].try_into().ok()?),
            generation: u32::from_be_bytes(body[53..57].try_into().ok()?),
        })
    }
}

const VERSION: u8 = 1;
pub(super) const FAMILY_BYTES: usize = 16;
const BODY_BYTES: usize = 1 + 4 + 32 + FAMILY_BYTES + 4;
const TOKEN_BYTES: usize = BODY_BYTES + 16;
/// 73 bytes in base64url without padding.
const TEXT_BYTES: usize = 98;
