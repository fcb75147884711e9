//! Nonces that every node can create and check without a store.

use base64_simd::URL_SAFE_NO_PAD;

use crate::{
    clock::Timestamp,
    secret::{MasterSecret, tag::TagKey},
};

/// The keys of nonces, the active one first. A nonce is the number of its period and a tag over it.
pub(super) struct Nonces(Vec<TagKey>);

impl Nonces {
    /// Creates the nonces of the service at this URL.
    pub(super) fn new(secret: &MasterSecret, url: &str) -> Self {
        let keys = secret.keys("tower-jam dpop nonce", url);
        Self(keys.iter().map(TagKey::new).collect())
    }

    pub(super) fn current(&self, now: Timestamp) -> String {
        let period = period(now).to_be_bytes();
        let active = self.0.first().expect("a master secret has an active one");
        URL_SAFE_NO_PAD.encode_to_string([&period[..], &active.tag(&period)].concat())
    }

    /// Returns whether the nonce is of this period or the previous one, or of the next one from a
    /// node whose clock is ahead.
    pub(super) fn is_valid(&self, nonce: &str, now: Timestamp) -> bool {
        let Ok(bytes) = URL_SAFE_NO_PAD.decode_to_vec(nonce) else {
            return false;
        };
        let Some((stated, tag)) = bytes.split_first_chunk::<8>() else {
            return false;
        };
        let is_ours = self.0.iter().any(|key| key.is_tag(stated, tag));
        is_ours && u64::from_be_bytes(*stated).abs_diff(period(now)) <= 1
    }

    pub(super) fn is_current(&self, nonce: &str, now: Timestamp) -> bool {
        self.current(now) == nonce
    }
}

const fn period(now: Timestamp) -> u64 {
    now.as_secs() / PERIOD_SECONDS
}

/// Short enough that proofs made in advance expire soon, long enough that clients seldom need an
/// extra request for a nonce.
const PERIOD_SECONDS: u64 = 5 * 60;

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
        let now = Timestamp::from_secs(1_000 * PERIOD_SECONDS);
        let nonce = nonces.current(now);
        let at = |seconds: u64| Timestamp::from_secs(seconds);
        let start = now.as_secs();
        assert!(nonces.is_valid(&nonce, now) && nonces.is_current(&nonce, now));
        assert!(nonces.is_valid(&nonce, at(start + 2 * PERIOD_SECONDS - 1)));
        assert!(!nonces.is_valid(&nonce, at(start + 2 * PERIOD_SECONDS)));
        assert!(nonces.is_valid(&nonce, at(start - PERIOD_SECONDS)));
        assert!(!nonces.is_valid(&nonce, at(start - PERIOD_SECONDS - 1)));
        assert!(!others.is_valid(&nonce, now));
        let rotated = Nonces::new(&MasterSecret::generate().accept(&old), "a");
        assert!(rotated.is_valid(&nonce, now));
        for bad in ["", "x", "AAAA", &nonce[1..], &format!("{nonce}A")] {
            assert!(!nonces.is_valid(bad, now), "{bad}");
        }
    }
}
