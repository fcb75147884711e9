//! Keys that encrypt a single content.

use serde_json::Value;
use zeroize::Zeroizing;

use crate::secret;

/// The key that encrypts a single content.
pub(super) type ContentKey = Zeroizing<[u8; 32]>;

/// A new content key, and the data from which its recipient recovers it.
pub(super) struct WrappedKey {
    pub(super) content: ContentKey,
    pub(super) encrypted: Vec<u8>,
    pub(super) epk: Option<Value>,
}

impl WrappedKey {
    pub(super) const fn new(content: ContentKey, encrypted: Vec<u8>) -> Self {
        Self {
            content,
            encrypted,
            epk: None,
        }
    }
}

pub(super) fn random_content_key() -> ContentKey {
    Zeroizing::new(secret::random::<32>())
}

pub(super) fn exact(bytes: &[u8]) -> Option<ContentKey> {
    bytes.try_into().ok().map(Zeroizing::new)
}
