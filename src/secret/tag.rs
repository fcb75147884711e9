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
        truncated(hmac::sign(&self.0, message))
    }

    /// The tag of `message` followed by `context`.
    pub(super) fn tag_with(&self, message: &[u8], context: &[u8]) -> [u8; 16] {
        if context.is_empty() {
            return self.tag(message);
        }
        let mut hmac = hmac::Context::with_key(&self.0);
        hmac.update(message);
        hmac.update(context);
        truncated(hmac.sign())
    }

    /// Whether `tag` is that of `message` followed by `context`.
    pub(super) fn is_tag_with(&self, message: &[u8], context: &[u8], tag: &[u8]) -> bool {
        equal(&self.tag_with(message, context), tag)
    }
}

fn truncated(tag: hmac::Tag) -> [u8; 16] {
    let mut truncated = [0; 16];
    truncated.copy_from_slice(&tag.as_ref()[..16]);
    truncated
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::random;

    #[test]
    fn a_tag_is_for_one_message_under_one_key() {
        let key = TagKey::new(&Secret::new(random()));
        let tag = key.tag(b"message");
        assert!(key.is_tag_with(b"message", b"", &tag));
        assert!(key.is_tag_with(b"mess", b"age", &tag));
        assert!(!key.is_tag_with(b"massage", b"", &tag));
        assert!(!key.is_tag_with(b"message", b"", &tag[..15]));
        assert!(!TagKey::new(&Secret::new(random())).is_tag_with(b"message", b"", &tag));
    }
}
