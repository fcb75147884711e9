//! The token of a session, 64 bytes in base64url.
//!
//! * The *locator*, 128 random bits, identifies the record and stays for the life of the session.
//! * The *secret*, 256 random bits, opens the record. The store holds only its hash. Cycling the id
//!   issues a new secret.
//! * The *tag*, 128 bits of HMAC-SHA-256 under a key of the master secret and the issuer, allows a
//!   made-up token, or one of another issuer, to be rejected without a read of the store.

use std::sync::Arc;

use base64_simd::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use crate::{
    secret::{
        self, MasterSecret, Secret,
        tagged::{TaggedTexts, text_len},
    },
    store::{Namespace, StoreKey},
};

/// A session's locator and secret, as presented.
#[derive(Clone)]
pub(super) struct SessionToken {
    locator: [u8; LOCATOR_BYTES],
    secret: Secret<[u8; SECRET_BYTES]>,
    /// That of the master secret that made the tag.
    key: Arc<SessionKey>,
}

/// The key of a master secret.
struct SessionKey {
    position: usize,
    record: Secret<[u8; 32]>,
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
        let input = [self.secret.expose().as_slice(), self.key.record.expose()].concat();
        secret::derive_key(&Zeroizing::new(input), "tower-jam session record")
    }

    fn body(&self) -> [u8; BODY_BYTES] {
        let mut body = [0; BODY_BYTES];
        body[..LOCATOR_BYTES].copy_from_slice(&self.locator);
        body[LOCATOR_BYTES..].copy_from_slice(self.secret.expose());
        body
    }
}

/// The keys that make and read tokens.
pub(super) struct TagKeys {
    texts: TaggedTexts,
    /// In the order of the master secrets.
    keys: Vec<Arc<SessionKey>>,
}

impl TagKeys {
    pub(super) fn new(secret: &MasterSecret, issuer: &str) -> Self {
        let records = secret.keys("tower-jam session record", issuer);
        let key = |(position, record)| Arc::new(SessionKey { position, record });
        Self {
            texts: TaggedTexts::new(secret, "tower-jam session tag", issuer),
            keys: records.into_iter().enumerate().map(key).collect(),
        }
    }

    /// A token for a new record.
    pub(super) fn generate(&self) -> SessionToken {
        SessionToken {
            locator: secret::random(),
            secret: Secret::new(secret::random()),
            key: Arc::clone(&self.keys[0]),
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
    pub(super) fn encode(&self, token: &SessionToken) -> Secret<String> {
        self.texts.encode(token.key.position, &token.body(), &[])
    }

    /// Returns the token that `text` encodes, if it was made here.
    pub(super) fn decode(&self, text: &str) -> Option<SessionToken> {
        let (body, position) = self.texts.decode::<BODY_BYTES>(text, &[])?;
        let (locator, secret) = body.split_first_chunk()?;
        Some(SessionToken {
            locator: *locator,
            secret: Secret::new(secret.try_into().ok()?),
            key: Arc::clone(&self.keys[position]),
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
const BODY_BYTES: usize = LOCATOR_BYTES + SECRET_BYTES;
/// The length of a token's text.
pub(super) const TEXT_BYTES: usize = text_len(BODY_BYTES);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_survives_its_text() {
        let keys = TagKeys::new(&MasterSecret::generate(), "self");
        let token = keys.generate();
        let text = keys.encode(&token);
        let read = keys.decode(text.expose()).expect("it was made here");
        assert_eq!(read.key(), token.key());
        assert_eq!(read.hash(), token.hash());
        assert_eq!(text.expose().len(), 86);
    }

    #[test]
    fn no_changed_character_is_let_through() {
        let keys = TagKeys::new(&MasterSecret::generate(), "self");
        let text = keys.encode(&keys.generate()).expose().clone();
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
        let keys = TagKeys::new(&old, "self");
        let text = keys.encode(&keys.generate());
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
