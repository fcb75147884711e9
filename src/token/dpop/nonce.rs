//! Nonces that every node can create and check without a store.

use crate::{
    clock::Timestamp,
    secret::{MasterSecret, tagged::TaggedTexts},
};

/// The nonces of a service. A nonce is the number of its period and a tag over it.
pub(super) struct Nonces(TaggedTexts);

impl Nonces {
    /// Creates the nonces of the service at this URL.
    pub(super) fn new(secret: &MasterSecret, url: &str) -> Self {
        Self(TaggedTexts::new(secret, "tower-jam dpop nonce", url))
    }

    pub(super) fn current(&self, now: Timestamp) -> String {
        let nonce = self.0.encode(0, &period(now).to_be_bytes(), &[]);
        nonce.expose().clone()
    }

    /// Returns whether the nonce is of this period or the previous one, or of the next one from a
    /// node whose clock is ahead.
    pub(super) fn is_valid(&self, nonce: &str, now: Timestamp) -> bool {
        let stated = self.0.decode::<8>(nonce, &[]);
        let distance = |period_of_nonce: u64| period_of_nonce.abs_diff(period(now));
        stated.is_some_and(|(stated, _)| distance(u64::from_be_bytes(stated)) <= 1)
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
