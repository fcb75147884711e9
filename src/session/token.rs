//! The token of a session, 64 bytes in base64url.
//!
//! * The *locator*, 128 random bits, identifies the record and stays for the life of the session.
//! * The *secret*, 256 random bits, opens the record. The store holds only its hash. Cycling the id
//!   issues a new secret.
//! * The *tag*, 128 bits of HMAC-SHA-256 under a key of the master secret and the issuer, allows a
//!   made-up token, or one of another issuer, to be rejected without a read of the store.

use std::sync::Arc;

use base64_simd::{Out, URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

use crate::{
    secret::{self, MasterSecret, Secret, tag::TagKey},
    store::{Namespace, StoreKey},
};

/// A session's locator and secret, as presented.
#[derive(Clone)]
pub(super) struct SessionToken {
    locator: [u8; LOCATOR_BYTES],
    secret: Secret<[u8; SECRET_BYTES]>,
    /// Those of the master secret that made the tag.
    keys: Arc<SessionKeys>,
}

impl SessionToken {
    /// The store key of the record.
    pub(super) fn key(&self) -> StoreKey {
        StoreKey::new(SESSION, &[&self.locator])
    }

    /// The stored hash of the secret. The secret has 256 random bits, so a plain hash resists a
    /// search.
    pub(super) fn hash(&self) -> [u8; 32] {
        secret::hash([self.secret.expose().as_slice()])
    }

    /// The key that seals the record, which is not stored. It depends on the token's secret, so
    /// that a stolen store reveals nothing, and on the master secret, so that a holder with write
    /// access to the store cannot seal a record of its own making.
    pub(super) fn sealing_key(&self) -> Secret<[u8; 32]> {
        let input = [self.secret.expose().as_slice(), self.keys.record.expose()].concat();
        secret::derive_key(&Zeroizing::new(input), "tower-jam session record")
    }

    fn body(&self) -> [u8; LOCATOR_BYTES + SECRET_BYTES] {
        let mut body = [0; LOCATOR_BYTES + SECRET_BYTES];
        body[..LOCATOR_BYTES].copy_from_slice(&self.locator);
        body[LOCATOR_BYTES..].copy_from_slice(self.secret.expose());
        body
    }
}

/// The keys that tag tokens. The first one makes tags; all verify them.
pub(super) struct TagKeys(Vec<Arc<SessionKeys>>);

/// The keys derived from one master secret.
struct SessionKeys {
    tag: TagKey,
    record: Secret<[u8; 32]>,
}

impl TagKeys {
    pub(super) fn new(secret: &MasterSecret, issuer: &str) -> Self {
        let tags = secret.keys("tower-jam session tag", issuer);
        let records = secret.keys("tower-jam session record", issuer);
        let keys = tags.iter().zip(records).map(|(tag, record)| {
            let tag = TagKey::new(tag);
            Arc::new(SessionKeys { tag, record })
        });
        Self(keys.collect())
    }

    /// A token for a new record.
    pub(super) fn generate(&self) -> SessionToken {
        SessionToken {
            locator: secret::random(),
            secret: Secret::new(secret::random()),
            keys: Arc::clone(&self.0[0]),
        }
    }

    /// Returns a token for the same record with a new secret.
    pub(super) fn with_new_secret(&self, token: &SessionToken) -> SessionToken {
        SessionToken {
            locator: token.locator,
            ..self.generate()
        }
    }

    /// Returns the text for the cookie.
    pub(super) fn encode(token: &SessionToken) -> Secret<String> {
        let body = token.body();
        let mut bytes = [0; TOKEN_BYTES];
        bytes[..body.len()].copy_from_slice(&body);
        bytes[body.len()..].copy_from_slice(&token.keys.tag.tag(&body));
        Secret::new(URL_SAFE_NO_PAD.encode_to_string(bytes))
    }

    /// Returns the token that `text` encodes, if it was made here.
    pub(super) fn decode(&self, text: &str) -> Option<SessionToken> {
        if text.len() != TEXT_BYTES {
            return None;
        }
        let mut bytes = [0; TOKEN_BYTES];
        URL_SAFE_NO_PAD
            .decode(text.as_bytes(), Out::from_slice(&mut bytes))
            .ok()?;
        let (body, tag) = bytes.split_at(LOCATOR_BYTES + SECRET_BYTES);
        let keys = self.0.iter().find(|keys| keys.tag.is_tag(body, tag))?;
        let (locator, secret) = body.split_at(LOCATOR_BYTES);
        Some(SessionToken {
            locator: locator.try_into().ok()?,
            secret: Secret::new(secret.try_into().ok()?),
            keys: Arc::clone(keys),
        })
    }
}

/// Returns the public id of the record under `key`: part of a hash, which neither locates nor opens
/// it.
pub(super) fn public_id(key: &StoreKey) -> String {
    URL_SAFE_NO_PAD.encode_to_string(&key.digest()[..16])
}

/// Every request reads its session.
const SESSION: Namespace = Namespace::new("session").cached();

const LOCATOR_BYTES: usize = 16;
const SECRET_BYTES: usize = 32;
const TAG_BYTES: usize = 16;
const TOKEN_BYTES: usize = LOCATOR_BYTES + SECRET_BYTES + TAG_BYTES;
/// 64 bytes in base64url without padding.
pub(super) const TEXT_BYTES: usize = 86;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_survives_its_text() {
        let keys = TagKeys::new(&MasterSecret::generate(), "self");
        let token = keys.generate();
        let text = TagKeys::encode(&token);
        let read = keys.decode(text.expose()).expect("it was made here");
        assert_eq!(read.key(), token.key());
        assert_eq!(read.hash(), token.hash());
    }

    #[test]
    fn no_changed_character_is_let_through() {
        let keys = TagKeys::new(&MasterSecret::generate(), "self");
        let text = TagKeys::encode(&keys.generate()).expose().clone();
        for at in 0..text.len() {
            for other in ['A', 'B', '-', '_', '=', '+', '.', '~'] {
                let mut changed: Vec<char> = text.chars().collect();
                if changed[at] == other {
                    continue;
                }
                changed[at] = other;
                let changed: String = changed.into_iter().collect();
                assert!(keys.decode(&changed).is_none(), "{at} {other}");
            }
        }
        for odd in [
            String::new(),
            text[1..].to_owned(),
            format!("{text}A"),
            format!("{text}="),
            "A".repeat(86),
            "ä".repeat(43),
        ] {
            assert!(keys.decode(&odd).is_none(), "{odd}");
        }
    }

    #[test]
    fn a_retired_secret_opens_nothing_and_an_accepted_one_does() {
        let old = MasterSecret::generate();
        let token = TagKeys::new(&old, "self").generate();
        let text = TagKeys::encode(&token);
        assert!(
            TagKeys::new(&MasterSecret::generate(), "self")
                .decode(text.expose())
                .is_none()
        );
        assert!(
            TagKeys::new(&MasterSecret::generate().accept(&old), "self")
                .decode(text.expose())
                .is_some()
        );
    }

    #[test]
    fn a_renewed_token_finds_the_same_record_with_another_secret() {
        let keys = TagKeys::new(&MasterSecret::generate(), "self");
        let token = keys.generate();
        let renewed = keys.with_new_secret(&token);
        assert_eq!(token.key(), renewed.key());
        assert_ne!(token.hash(), renewed.hash());
        assert_ne!(token.sealing_key(), renewed.sealing_key());
    }
}
