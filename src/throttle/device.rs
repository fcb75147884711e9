//! The token that identifies a known device: 41 bytes in base64url.
//!
//! ```text
//! version (1) ‖ id (16) ‖ issued at, in milliseconds (8) ‖ tag (16)
//! ```
//!
//! The tag is HMAC-SHA-256, truncated to 128 bits, over the preceding bytes and the account, so the
//! token of one account is invalid for another. The id is random and does not depend on the device.

use std::time::Duration;

use base64_simd::{Out, URL_SAFE_NO_PAD};

use crate::{
    clock::Timestamp,
    secret::{self, MasterSecret, Secret, tag::TagKey},
};

/// The keys that tag device tokens: the first creates tags, all verify them.
pub(crate) struct DeviceTokens {
    keys: Vec<TagKey>,
    life: Duration,
}

pub(crate) type DeviceId = [u8; ID_BYTES];

impl DeviceTokens {
    /// Creates the tokens of one issuer for the purpose named by `label`.
    pub(crate) fn new(secret: &MasterSecret, label: &str, issuer: &str, life: Duration) -> Self {
        let keys = secret.keys(label, issuer);
        Self {
            keys: keys.iter().map(TagKey::new).collect(),
            life,
        }
    }

    pub(crate) const fn life(&self) -> Duration {
        self.life
    }

    pub(crate) fn issue(&self, account: &str, now: Timestamp) -> Secret<String> {
        let mut bytes = [0; TOKEN_BYTES];
        bytes[0] = VERSION;
        bytes[1..17].copy_from_slice(&secret::random::<ID_BYTES>());
        bytes[17..BODY_BYTES].copy_from_slice(&now.as_millis().to_be_bytes());
        let tag = self.keys[0].tag(&message(&bytes[..BODY_BYTES], account));
        bytes[BODY_BYTES..].copy_from_slice(&tag);
        Secret::new(URL_SAFE_NO_PAD.encode_to_string(bytes))
    }

    /// Returns the id of the device if the token was issued here, for this account, and has not
    /// expired.
    pub(crate) fn verify(&self, text: &str, account: &str, now: Timestamp) -> Option<DeviceId> {
        if text.len() != TEXT_BYTES {
            return None;
        }
        let mut bytes = [0; TOKEN_BYTES];
        let out = Out::from_slice(&mut bytes);
        URL_SAFE_NO_PAD.decode(text.as_bytes(), out).ok()?;
        let (body, tag) = bytes.split_at(BODY_BYTES);
        let message = message(body, account);
        let is_ours = self.keys.iter().any(|key| key.is_tag(&message, tag));
        if !is_ours || body[0] != VERSION {
            return None;
        }
        let issued_at = u64::from_be_bytes(body[17..].try_into().ok()?);
        let ends_at = Timestamp::from_millis(issued_at).after(self.life);
        let id = body[1..17].try_into().ok()?;
        (now < ends_at).then_some(id)
    }
}

/// The body has a fixed length, so the account may be any text.
fn message(body: &[u8], account: &str) -> Vec<u8> {
    [body, account.as_bytes()].concat()
}

const VERSION: u8 = 1;
const ID_BYTES: usize = 16;
const BODY_BYTES: usize = 1 + ID_BYTES + 8;
const TOKEN_BYTES: usize = BODY_BYTES + 16;
/// 41 bytes in base64url without padding.
const TEXT_BYTES: usize = 55;

#[cfg(test)]
mod tests {
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
