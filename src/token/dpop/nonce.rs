//! Nonces that every node can make and check without asking anybody.

use base64_simd::URL_SAFE_NO_PAD;

use crate::{
    clock::Timestamp,
    secret::{MasterSecret, tag::TagKey},
};

/// Keys of nonces, the active one first. A nonce is the number of its span of time and a tag over it.
pub(super) struct Nonces(Vec<TagKey>);

impl Nonces {
    /// Nonces of the service at this URL.
    pub(super) fn new(secret: &MasterSecret, url: &str) -> Self {
        let keys = secret.keys("tower-jam dpop nonce", url);
        Self(keys.iter().map(TagKey::new).collect())
    }

    pub(super) fn current(&self, now: Timestamp) -> String {
        let span = span(now).to_be_bytes();
        let active = self.0.first().expect("a master secret has an active one");
        URL_SAFE_NO_PAD.encode_to_string([&span[..], &active.tag(&span)].concat())
    }

    /// Whether it is of this span or the one before, or of the next by a node whose clock is ahead.
    pub(super) fn is_good(&self, nonce: &str, now: Timestamp) -> bool {
        let Ok(bytes) = URL_SAFE_NO_PAD.decode_to_vec(nonce) else {
            return false;
        };
        let Some((stated, tag)) = bytes.split_first_chunk::<8>() else {
            return false;
        };
        let is_ours = self.0.iter().any(|key| key.is_tag(stated, tag));
        is_ours && u64::from_be_bytes(*stated).abs_diff(span(now)) <= 1
    }

    pub(super) fn is_current(&self, nonce: &str, now: Timestamp) -> bool {
        self.current(now) == nonce
    }
}

const fn span(now: Timestamp) -> u64 {
    now.as_secs() / SPAN_SECONDS
}

/// Short enough that a stock of proofs is soon worth nothing, long enough that clients are seldom sent back for one.
const SPAN_SECONDS: u64 = 5 * 60;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_is_good_for_two_spans_and_of_our_secret_alone() {
        let old = MasterSecret::generate();
        let (nonces, others) = (
            Nonces::new(&old, "a"),
            Nonces::new(&MasterSecret::generate(), "a"),
        );
        let now = Timestamp::from_secs(1_000 * SPAN_SECONDS);
        let nonce = nonces.current(now);
        let at = |seconds: u64| Timestamp::from_secs(seconds);
        let start = now.as_secs();
        assert!(nonces.is_good(&nonce, now) && nonces.is_current(&nonce, now));
        assert!(nonces.is_good(&nonce, at(start + 2 * SPAN_SECONDS - 1)));
        assert!(!nonces.is_good(&nonce, at(start + 2 * SPAN_SECONDS)));
        assert!(nonces.is_good(&nonce, at(start - SPAN_SECONDS)));
        assert!(!nonces.is_good(&nonce, at(start - SPAN_SECONDS - 1)));
        assert!(!others.is_good(&nonce, now));
        let rotated = Nonces::new(&MasterSecret::generate().accept(&old), "a");
        assert!(rotated.is_good(&nonce, now));
        for bad in ["", "x", "AAAA", &nonce[1..], &format!("{nonce}A")] {
            assert!(!nonces.is_good(bad, now), "{bad}");
        }
    }
}
