//! The token that identifies a known device: 41 bytes in base64url.
//!
//! ```text
//! version (1) ‖ id (16) ‖ issued at, in milliseconds (8) ‖ tag (16)
//! ```
//!
//! The tag is HMAC-SHA-256, truncated to 128 bits, over the preceding bytes and the account, so the
//! token of one account is invalid for another. The id is random and does not depend on the device.

use std::time::Duration;

use crate::{
    clock::Timestamp,
    secret::{self, MasterSecret, Secret, tagged::TaggedTexts},
};

/// The device tokens of one issuer.
pub(crate) struct DeviceTokens {
    texts: TaggedTexts,
    life: Duration,
}

pub(crate) type DeviceId = [u8; ID_BYTES];

impl DeviceTokens {
    /// Creates the tokens of one issuer for the purpose named by `label`.
    pub(crate) fn new(secret: &MasterSecret, label: &str, issuer: &str, life: Duration) -> Self {
        let texts = TaggedTexts::new(secret, label, issuer);
        Self { texts, life }
    }

    pub(crate) const fn life(&self) -> Duration {
        self.life
    }

    pub(crate) fn issue(&self, account: &str, now: Timestamp) -> Secret<String> {
        let mut body = [0; BODY_BYTES];
        body[0] = VERSION;
        body[1..17].copy_from_slice(&secret::random::<ID_BYTES>());
        body[17..].copy_from_slice(&now.as_millis().to_be_bytes());
        self.texts.encode(0, &body, account.as_bytes())
    }

    /// Returns the id of the device if the token was issued here, for this account, and has not
    /// expired.
    pub(crate) fn verify(&self, text: &str, account: &str, now: Timestamp) -> Option<DeviceId> {
        let (body, _) = self.texts.decode::<BODY_BYTES>(text, account.as_bytes())?;
        let issued_at = u64::from_be_bytes(body[17..].try_into().ok()?);
        let ends_at = Timestamp::from_millis(issued_at).after(self.life);
        let is_live = body[0] == VERSION && now < ends_at;
        is_live.then_some(body[1..17].try_into().ok()?)
    }
}

const VERSION: u8 = 1;
const ID_BYTES: usize = 16;
const BODY_BYTES: usize = 1 + ID_BYTES + 8;

#[cfg(test)]
mod tests {
    use base64_simd::URL_SAFE_NO_PAD;

    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_000_000);
    const DAY: Duration = Duration::from_secs(86_400);

    #[test]
    fn a_token_is_for_one_account_and_for_its_life() {
        let tokens = DeviceTokens::new(&MasterSecret::generate(), "a", "issuer", DAY);
        let token = tokens.issue("alice", NOW);
        let id = |account, now| tokens.verify(token.expose(), account, now);
        assert!(id("alice", NOW).is_some());
        assert_eq!(id("alice", NOW), id("alice", NOW.after(DAY / 2)));
        assert_eq!(id("alice", NOW.after(DAY)), None);
        assert_eq!(id("bob", NOW), None);
        assert_eq!(id("alic", NOW), None);
        assert_ne!(
            token,
            tokens.issue("alice", NOW),
            "every login has an id of its own"
        );
    }

    #[test]
    fn a_modified_token_is_refused() {
        let tokens = DeviceTokens::new(&MasterSecret::generate(), "a", "issuer", DAY);
        let token = tokens.issue("alice", NOW);
        let bytes = URL_SAFE_NO_PAD.decode_to_vec(token.expose()).unwrap();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            let text = URL_SAFE_NO_PAD.encode_to_string(changed);
            assert_eq!(tokens.verify(&text, "alice", NOW), None, "byte {at}");
        }
        for text in [
            "",
            "x",
            &"A".repeat(55),
            &"é".repeat(27),
            &format!("{}=", token.expose()),
        ] {
            assert_eq!(tokens.verify(text, "alice", NOW), None, "{text}");
        }
    }

    #[test]
    fn tokens_survive_a_rotation_of_the_secret() {
        let old = MasterSecret::generate();
        let token = DeviceTokens::new(&old, "a", "issuer", DAY).issue("alice", NOW);
        let both = DeviceTokens::new(&MasterSecret::generate().accept(&old), "a", "issuer", DAY);
        assert!(both.verify(token.expose(), "alice", NOW).is_some());
        let new = DeviceTokens::new(&MasterSecret::generate(), "a", "issuer", DAY);
        assert_eq!(new.verify(token.expose(), "alice", NOW), None);
    }
}
