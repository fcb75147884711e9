//! Texts that only this application can make: a body and its tag, in base64url without padding.
//!
//! The tag is HMAC-SHA-256, truncated to 128 bits, under a key of the master secret, a purpose and
//! an issuer. It allows a made-up text to be rejected without a read of the store.

use base64_simd::{Out, URL_SAFE_NO_PAD};

use super::{MasterSecret, Secret, tag::TagKey};

/// The keys of one kind of text. The first one makes tags; all verify them.
pub(crate) struct TaggedTexts(Vec<TagKey>);

impl TaggedTexts {
    /// Derives the keys for the texts named by `label`.
    pub(crate) fn new(secret: &MasterSecret, label: &str, issuer: &str) -> Self {
        let keys = secret.keys(label, issuer);
        Self(keys.iter().map(TagKey::new).collect())
    }

    /// Returns the text of `body`, tagged with the key at this position together with `context`,
    /// which is not part of the text.
    ///
    /// # Panics
    ///
    /// If there is no such key, or the body is longer than [`LONGEST_BODY`].
    pub(crate) fn encode(&self, key: usize, body: &[u8], context: &[u8]) -> Secret<String> {
        let mut bytes = [0; LONGEST_BODY + TAG_BYTES];
        let length = body.len() + TAG_BYTES;
        bytes[..body.len()].copy_from_slice(body);
        bytes[body.len()..length].copy_from_slice(&self.0[key].tag_with(body, context));
        Secret::new(URL_SAFE_NO_PAD.encode_to_string(&bytes[..length]))
    }

    /// Returns the body of a text that was made here with this context, and the position of its
    /// key. A body has `N` bytes, at most [`LONGEST_BODY`]. Since that is fixed, the context may be
    /// any bytes.
    pub(crate) fn decode<const N: usize>(
        &self,
        text: &str,
        context: &[u8],
    ) -> Option<([u8; N], usize)> {
        if text.len() != text_len(N) {
            return None;
        }
        let mut bytes = [0; LONGEST_BODY + TAG_BYTES];
        let decoded = URL_SAFE_NO_PAD.decode(text.as_bytes(), Out::from_slice(&mut bytes));
        let (body, tag) = decoded.ok()?.split_first_chunk::<N>()?;
        let is_tag = |key: &TagKey| key.is_tag_with(body, context, tag);
        let key = self.0.iter().position(is_tag)?;
        Some((*body, key))
    }
}

/// Returns the length of the text of a body with this length.
pub(crate) const fn text_len(body: usize) -> usize {
    ((body + TAG_BYTES) * 4).div_ceil(3)
}

const TAG_BYTES: usize = 16;
/// The longest body of a text, that of a refresh token.
const LONGEST_BODY: usize = 57;

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(secret: &MasterSecret) -> TaggedTexts {
        TaggedTexts::new(secret, "test", "https://auth.acme.dev")
    }

    #[test]
    fn a_text_is_read_back_in_its_context_alone() {
        let texts = texts(&MasterSecret::generate());
        for body in [[0; 25], [7; 25], [255; 25]] {
            let text = texts.encode(0, &body, b"alice");
            assert_eq!(text.expose().len(), text_len(25));
            assert_eq!(texts.decode(text.expose(), b"alice"), Some((body, 0)));
            assert_eq!(texts.decode::<25>(text.expose(), b"alic"), None);
            assert_eq!(texts.decode::<24>(text.expose(), b"alice"), None);
            assert_eq!(texts.decode::<26>(text.expose(), b"alice"), None);
        }
    }

    #[test]
    fn no_changed_character_is_let_through() {
        let texts = texts(&MasterSecret::generate());
        let text = texts.encode(0, &[1; 25], &[]).expose().clone();
        for at in 0..text.len() {
            for other in ['A', 'B', '-', '_', '=', '+', '.', '~', 'ä'] {
                let mut changed: Vec<char> = text.chars().collect();
                if changed[at] != other {
                    changed[at] = other;
                    let changed: String = changed.into_iter().collect();
                    assert_eq!(texts.decode::<25>(&changed, &[]), None, "{at} {other}");
                }
            }
        }
    }

    #[test]
    fn an_accepted_secret_verifies_and_the_active_one_tags() {
        let old = MasterSecret::generate();
        let (before, after) = (texts(&old), texts(&MasterSecret::generate().accept(&old)));
        let text = before.encode(0, &[1; 8], &[]);
        assert_eq!(after.decode(text.expose(), &[]), Some(([1; 8], 1)));
        assert_eq!(after.encode(1, &[1; 8], &[]), text);
        let text = after.encode(0, &[1; 8], &[]);
        assert_eq!(before.decode::<8>(text.expose(), &[]), None);
    }

    /// The texts that were made before this module existed.
    #[test]
    fn the_format_is_the_body_and_half_of_an_hmac_over_body_and_context() {
        let secret = MasterSecret::new(b"0123456789abcdef0123456789abcdef").unwrap();
        let key = &secret.keys("test", "https://auth.acme.dev")[0];
        let tag = TagKey::new(key).tag(b"body of 8 \0alice");
        let expected = [b"body of 8 \0".as_slice(), &tag].concat();
        let text = texts(&secret).encode(0, b"body of 8 \0", b"alice");
        let bytes = URL_SAFE_NO_PAD.decode_to_vec(text.expose()).unwrap();
        assert_eq!(bytes, expected);
    }
}
