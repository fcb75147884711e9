//! Message authentication tags that only the holder of a key can compute.

use aws_lc_rs::hmac;

use super::{Secret, equal};

/// A key for HMAC-SHA-256 tags, truncated to 128 bits.
pub(crate) struct TagKey(hmac::Key);

impl TagKey {
    pub(crate) fn new(key: &Secret<[u8; 32]>) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key.expose()))
    }

    pub(crate) fn tag(&self, message: &[u8]) -> [u8; 16] {
        let mut tag = [0; 16];
        tag.copy_from_slice(&hmac::sign(&self.0, message).as_ref()[..16]);
        tag
    }

    pub(crate) fn is_tag(&self, message: &[u8], tag: &[u8]) -> bool {
        equal(&self.tag(message), tag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::random;

    #[test]
    fn a_tag_is_for_one_message_under_one_key() {
        let key = TagKey::new(&Secret::new(random()));
        let tag = key.tag(b"message");
        assert!(key.is_tag(b"message", &tag));
        assert!(!key.is_tag(b"massage", &tag));
        assert!(!key.is_tag(b"message", &tag[..15]));
        assert!(!TagKey::new(&Secret::new(random())).is_tag(b"message", &tag));
    }
}
