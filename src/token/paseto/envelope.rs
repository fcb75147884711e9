//! The format of a token: a version, a purpose, a body and an optional footer.

use std::{fmt, sync::Arc};

use base64_simd::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::{
    footer::{self, Footer},
    key::PasetoKey,
    version::Purpose,
};
use crate::{
    error::IssueError,
    key::ring::KeyRing,
    rejection::Rejection,
    token::{
        MAX_BYTES,
        date::DateFormat,
        envelope::{Envelope, KeySnapshot, OpenedEnvelope},
    },
};

/// Tokens of one version and purpose, with the keys of a ring.
pub(super) struct PasetoEnvelope<V: 'static, P: Purpose<V>> {
    pub(super) ring: KeyRing<PasetoKey<V, P>>,
    pub(super) assertion: Vec<u8>,
    /// The members of every footer beside `kid`.
    pub(super) members: Map<String, Value>,
}

impl<V: 'static, P: Purpose<V>> Envelope for PasetoEnvelope<V, P> {
    fn dates(&self) -> DateFormat {
        DateFormat::Text
    }

    fn unique_prefix_len(&self) -> fn(&str) -> usize {
        before_footer
    }

    fn is_current(&self, keys: &KeySnapshot) -> bool {
        self.ring.is_current(keys)
    }

    fn open(&self, token: &str) -> Result<OpenedEnvelope, Rejection> {
        if token.len() > MAX_BYTES {
            return Err(Rejection::invalid("the token is longer than 8 KiB"));
        }
        let rest = token.strip_prefix(P::HEADER);
        let rest =
            rest.ok_or_else(|| Rejection::invalid("the token is of another version or purpose"))?;
        let footer = footer_of(rest)?;
        let keys = Arc::clone(&self.ring.load());
        let key = keys.find(footer::kid(&footer)?.as_deref());
        let key = key.ok_or_else(|| Rejection::invalid("no key of the ring has this kid"))?;
        let payload = P::open(key.material(), token, &footer, &self.assertion);
        let payload = payload.ok_or_else(|| Rejection::invalid("the token is not by its key"))?;
        Ok(OpenedEnvelope { payload, keys })
    }

    fn seal(&self, payload: &[u8]) -> Result<String, IssueError> {
        let keys = self.ring.load();
        let key = keys.active();
        let mut footer = self.members.clone();
        footer.insert("kid".to_owned(), key.kid().into());
        let footer = Value::Object(footer).to_string();
        if footer.len() > MAX_FOOTER_BYTES / 4 * 3 {
            // A `kid` of quotes has twice its length when escaped.
            return Err(IssueError::TooLarge {
                bytes: footer.len(),
                limit: MAX_FOOTER_BYTES / 4 * 3,
            });
        }
        let token = P::seal(key.material(), payload, footer.as_bytes(), &self.assertion)?;
        if token.len() > MAX_BYTES {
            return Err(IssueError::TooLarge {
                bytes: token.len(),
                limit: MAX_BYTES,
            });
        }
        Ok(token)
    }
}

/// Returns the footer of a verified token.
pub(super) fn read_footer(token: &str) -> Result<Footer, Rejection> {
    let body_and_footer = token.splitn(3, '.').nth(2).unwrap_or_default();
    Footer::read(footer_of(body_and_footer)?)
}

/// Returns where the body of a token ends: the footer is the same in all tokens of a key.
fn before_footer(token: &str) -> usize {
    let header = token.match_indices('.').nth(1).map_or(0, |(at, _)| at + 1);
    token[header..]
        .find('.')
        .map_or(token.len(), |body| header + body)
}

/// Returns the bytes of the footer after a body, which are empty without a fourth part.
fn footer_of(body_and_footer: &str) -> Result<Vec<u8>, Rejection> {
    let Some((_, footer)) = body_and_footer.split_once('.') else {
        return Ok(Vec::new());
    };
    // An empty footer would be a second spelling of the token without one.
    if footer.is_empty() {
        return Err(Rejection::invalid("the token's fourth part is empty"));
    }
    if footer.contains('.') {
        return Err(Rejection::invalid("the token has more than four parts"));
    }
    if footer.len() > MAX_FOOTER_BYTES {
        return Err(Rejection::invalid(
            "the token's footer is longer than 768 bytes",
        ));
    }
    let decoded = URL_SAFE_NO_PAD.decode_to_vec(footer);
    decoded.map_err(|_| Rejection::invalid("the token's footer is not base64url"))
}

impl<V: 'static, P: Purpose<V>> fmt::Debug for PasetoEnvelope<V, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasetoEnvelope")
            .field("tokens", &P::HEADER)
            .field("ring", &self.ring)
            .finish_non_exhaustive()
    }
}

/// 768 bytes in base64url. The footer is read before the token is verified, only for its `kid`.
const MAX_FOOTER_BYTES: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unique_part_of_a_token_ends_before_the_footer() {
        for (token, end) in [
            ("v4.local.abc", 12),
            ("v4.local.abc.eyJraWQiOiIxIn0", 12),
            ("v4.public.abc.x", 13),
            ("", 0),
        ] {
            assert_eq!(before_footer(token), end, "{token}");
        }
    }
}
