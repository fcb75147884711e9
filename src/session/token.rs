//! The text that stands for a session in a cookie: 64 bytes in base64url.
//!
//! * The *locator*, 128 random bits, says where the record is. It stays for the session's life.
//! * The *secret*, 256 random bits, opens it. The store holds its hash alone. A new session id is a new
//!   secret.
//! * The *tag*, 128 bits of HMAC-SHA-256 under a key of the master secret and the issuer, lets a made-up
//!   text, and that of another issuer, be rejected without a read of the store.

use std::sync::Arc;

use base64_simd::{Out, URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

use crate::{
    secret::{self, MasterSecret, Secret, tag::TagKey},
    store::{Key, Namespace},
};

/// A session's locator and secret, as far as the caller knows them.
#[derive(Clone)]
pub(super) struct Token {
    locator: [u8; LOCATOR_BYTES],
    secret: Secret<[u8; SECRET_BYTES]>,
    /// Of the master secret whose tag it has.
    keys: Arc<SessionKeys>,
}

impl Token {
    /// Where the record is.
    pub(super) fn key(&self) -> Key {
        Key::new(SESSION, &[&self.locator])
    }

    /// What the store holds of the secret. It has 256 random bits, so a plain hash cannot be searched.
    pub(super) fn hash(&self) -> [u8; 32] {
        secret::hash([self.secret.expose().as_slice()])
    }

    /// The key that seals the record, which is stored nowhere. It follows from the secret, so that a stolen
    /// store shows nothing, and from the master secret, so that a holder who can write to the store
    /// does not seal a record of its own making.
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

/// The keys under which tokens are tagged: the first makes tags, all check them.
pub(super) struct TagKeys(Vec<Arc<SessionKeys>>);

/// What follows from one master secret.
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
    pub(super) fn generate(&self) -> Token {
        Token {
            locator: secret::random(),
            secret: Secret::new(secret::random()),
            keys: Arc::clone(&self.0[0]),
        }
    }

    /// A token for the same record with another secret.
    pub(super) fn renewed(&self, token: &Token) -> Token {
        Token {
            locator: token.locator,
            ..self.generate()
        }
    }

    /// The text for the cookie.
    pub(super) fn encode(token: &Token) -> Secret<String> {
        let body = token.body();
        let mut bytes = [0; TOKEN_BYTES];
        bytes[..body.len()].copy_from_slice(&body);
        bytes[body.len()..].copy_from_slice(&token.keys.tag.tag(&body));
        Secret::new(URL_SAFE_NO_PAD.encode_to_string(bytes))
    }

    /// The token that `text` stands for, if it was made here.
    pub(super) fn decode(&self, text: &str) -> Option<Token> {
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
        Some(Token {
            locator: locator.try_into().ok()?,
            secret: Secret::new(secret.try_into().ok()?),
            keys: Arc::clone(keys),
        })
    }
}

/// The public id of the record under `key`: part of a hash, which neither finds nor opens it.
pub(super) fn public_id(key: &Key) -> String {
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
        let renewed = keys.renewed(&token);
        assert_eq!(token.key(), renewed.key());
        assert_ne!(token.hash(), renewed.hash());
        assert_ne!(token.sealing_key(), renewed.sealing_key());
    }
}
