//! The format of a refresh token, 73 bytes in base64url.
//!
//! ```text
//! version (1) ‖ kid (4) ‖ digest of the record's key (32) ‖ family (16) ‖ generation (4) ‖
//! tag (16)
//! ```
//!
//! The tag is HMAC-SHA-256, truncated to 128 bits, under a key of the master secret and the issuer.
//! It is checked before anything is read. The same content has the same tag, so that the successor
//! of a token can be issued twice and remain one token.

use super::{device::Hash256, devices::PresentedRefresh, records::NAMESPACE};
use crate::{
    secret::{MasterSecret, Secret, tag::TagKey, tagged::TaggedTexts},
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

/// The keys that make and read tokens.
pub(super) struct TokenKeys {
    texts: TaggedTexts,
    /// The ids of the keys, in their order.
    kids: Vec<[u8; 4]>,
}

impl TokenKeys {
    pub(super) fn new(secret: &MasterSecret, issuer: &str) -> Self {
        let kid = |key: &Secret<[u8; 32]>| {
            let [a, b, c, d, ..] = TagKey::new(key).tag(b"kid");
            [a, b, c, d]
        };
        Self {
            kids: secret.keys(LABEL, issuer).iter().map(kid).collect(),
            texts: TaggedTexts::new(secret, LABEL, issuer),
        }
    }

    /// The id of the key that makes tokens.
    pub(super) fn active(&self) -> [u8; 4] {
        self.kids[0]
    }

    /// Returns the text of a token, or `None` if the key with the id `kid` is no longer available.
    pub(super) fn encode(&self, token: &RefreshToken, kid: [u8; 4]) -> Option<Secret<String>> {
        let key = self.kids.iter().position(|known| *known == kid)?;
        let mut body = [0; BODY_BYTES];
        body[0] = VERSION;
        body[1..5].copy_from_slice(&kid);
        body[5..37].copy_from_slice(token.record_key.digest());
        body[37..53].copy_from_slice(token.family.expose());
        body[53..57].copy_from_slice(&token.generation.to_be_bytes());
        Some(self.texts.encode(key, &body, &[]))
    }

    /// Returns the token that `text` encodes, if it was made here.
    pub(super) fn decode(&self, text: &str) -> Option<RefreshToken> {
        let (body, key) = self.texts.decode::<BODY_BYTES>(text, &[])?;
        if body[0] != VERSION || self.kids[key] != body[1..5] {
            return None;
        }
        Some(RefreshToken {
            record_key: StoreKey::from_parts(NAMESPACE, body[5..37].try_into().ok()?),
            family: Secret::new(body[37..53].try_into().ok()?),
            generation: u32::from_be_bytes(body[53..57].try_into().ok()?),
        })
    }
}

const LABEL: &str = "tower-jam refresh token";
const VERSION: u8 = 1;
pub(super) const FAMILY_BYTES: usize = 16;
const BODY_BYTES: usize = 1 + 4 + 32 + FAMILY_BYTES + 4;
