//! What the store holds of a session.
//!
//! ```text
//! format (1 byte) ‖ hash of the secret (32 bytes) ‖ length of the head (4 bytes) ‖ head ‖ body
//! ```
//!
//! The *head* is JSON that the server needs without the caller: subject, proofs, roles and deadlines. The
//! *body* is the application's: the user and named values, as JSON sealed with AES-256-GCM under a key that
//! follows from the session's secret and from the master secret. Everything before it and the store key are its associated data, so a
//! head that was changed in the store, or a record moved to another key, does not open. The highest bit of
//! the format is a mark that is not sealed: the user must be read anew.

use std::{borrow::Cow, sync::Arc, time::Duration};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, value::RawValue};

use super::token::Token;
use crate::{
    clock::Timestamp,
    error::{BoxError, StoreError},
    identity::{Factor, Identity, Subject},
    secret::{self, seal},
    store::Key,
};

/// What a stored value is to the holder of a token.
pub(super) enum Found {
    /// Its session.
    Open(Arc<Record>),
    /// A session that was the holder's until then, when it got a new id.
    Replaced(Timestamp),
}

/// A session, opened.
#[derive(Clone)]
pub(super) struct Record {
    pub(super) head: Head,
    pub(super) body: Body,
}

/// What the server may know of a session.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Head {
    pub(super) owner: Option<Owner>,
    pub(super) created_at: Timestamp,
    /// When the session got the id it has.
    pub(super) renewed_at: Timestamp,
    pub(super) seen_at: Timestamp,
    pub(super) idle_at: Timestamp,
    pub(super) absolute_at: Timestamp,
    /// When the user was read.
    pub(super) read_at: Timestamp,
    /// Whether the user must be read anew whenever that was. Stored outside of the head.
    #[serde(skip)]
    pub(super) is_reread_due: bool,
}

/// Whose session it is. An anonymous one has none.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Owner {
    pub(super) issuer: String,
    pub(super) id: String,
    pub(super) proofs: Vec<(String, Timestamp)>,
    pub(super) roles: Vec<String>,
    pub(super) scopes: Vec<String>,
    pub(super) device: Option<String>,
}

impl Owner {
    pub(super) fn proofs(&self) -> impl Iterator<Item = (Factor, Timestamp)> {
        self.proofs
            .iter()
            .map(|(name, at)| (Factor::from_amr(name), *at))
    }

    /// Adds proofs; a later one by the same factor replaces an earlier one.
    pub(super) fn add_proofs(&mut self, proofs: impl IntoIterator<Item = (Factor, Timestamp)>) {
        for (factor, at) in proofs {
            match self
                .proofs
                .iter_mut()
                .find(|(name, _)| name == factor.as_amr())
            {
                Some((_, known_at)) => *known_at = at.max(*known_at),
                None => self.proofs.push((factor.as_amr().to_owned(), at)),
            }
        }
    }

    pub(super) fn identity(&self, session_id: &str, now: Timestamp) -> Identity {
        let subject = Subject::new(self.issuer.as_str(), self.id.as_str());
        let identity = Identity::new(subject, now)
            .with_roles(self.roles.iter().map(String::as_str))
            .with_scopes(self.scopes.iter().map(String::as_str))
            .with_session_id(session_id);
        self.proofs().fold(identity, |identity, (factor, at)| {
            identity.with_factor(factor, at)
        })
    }
}

/// What the application keeps in a session.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct Body {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) user: Option<Box<RawValue>>,
    #[serde(default)]
    pub(super) values: Map<String, Value>,
}

impl Head {
    pub(super) fn new(lifetime: &Lifetime, now: Timestamp) -> Self {
        let absolute_at = now.after(lifetime.absolute);
        Self {
            owner: None,
            created_at: now,
            renewed_at: now,
            seen_at: now,
            idle_at: now.after(lifetime.idle).min(absolute_at),
            absolute_at,
            read_at: now,
            is_reread_due: false,
        }
    }

    /// Reads the head alone, which takes no secret; `None` if the session has moved to another record.
    pub(super) fn decode(value: &[u8]) -> Result<Option<Self>, StoreError> {
        match value.first() {
            Some(&MOVED) => Ok(None),
            _ => Ok(Some(Parts::of(value)?.head)),
        }
    }

    /// A session is over at its deadline, not after it.
    pub(super) fn is_live(&self, now: Timestamp) -> bool {
        now < self.idle_at && now < self.absolute_at
    }

    /// Notes that the session was used. The absolute end stays.
    pub(super) fn see(&mut self, idle: Duration, now: Timestamp) {
        self.seen_at = now;
        self.idle_at = now.after(idle).min(self.absolute_at);
    }
}

impl Record {
    /// The bytes to store, sealed for the holder of `token`.
    pub(super) fn encode(
        &self,
        token: &Token,
        key: &Key,
        is_plain: bool,
    ) -> Result<Bytes, StoreError> {
        let head = serde_json::to_vec(&self.head).map_err(corrupt)?;
        let body = serde_json::to_vec(&self.body).map_err(corrupt)?;
        let length = u32::try_from(head.len()).map_err(corrupt)?;
        let mut value = Vec::with_capacity(PREFIX_BYTES + head.len() + body.len() + seal::OVERHEAD);
        value.push(if is_plain { PLAIN } else { SEALED });
        value.extend_from_slice(&token.hash());
        value.extend_from_slice(&length.to_be_bytes());
        value.extend_from_slice(&head);
        if is_plain {
            value.extend_from_slice(&body);
        } else if !seal::seal(&token.sealing_key(), key.digest(), &mut value, body) {
            return Err(StoreError::Corrupt("sealing failed".into()));
        }
        if self.head.is_reread_due {
            value[0] |= REREAD_DUE;
        }
        Ok(value.into())
    }

    /// Opens what [`encode`](Self::encode) made for `token`. A plain record is taken only by an engine that
    /// writes them: elsewhere it was not written here.
    pub(super) fn decode(
        value: &[u8],
        token: &Token,
        key: &Key,
        is_plain: bool,
    ) -> Result<Found, StoreError> {
        if let [MOVED, at @ ..] = value {
            let at = at.try_into().map_err(corrupt)?;
            return Ok(Found::Replaced(Timestamp::from_millis(u64::from_be_bytes(
                at,
            ))));
        }
        let parts = Parts::of(value)?;
        if !secret::equal(parts.secret_hash, &token.hash()) {
            return Ok(Found::Replaced(parts.head.renewed_at));
        }
        let opened;
        let body = if parts.format == PLAIN && is_plain {
            parts.body
        } else {
            opened = seal::open(
                &token.sealing_key(),
                key.digest(),
                &parts.public,
                parts.body,
            );
            opened
                .as_ref()
                .ok_or_else(|| StoreError::Corrupt("a session record does not open".into()))?
        };
        let body = serde_json::from_slice(body).map_err(|error| unreadable(&error))?;
        Ok(Found::Open(Arc::new(Self {
            head: parts.head,
            body,
        })))
    }
}

/// What is left where a session was that moved to another record at `now`.
pub(super) fn moved(now: Timestamp) -> Bytes {
    let mut value = vec![MOVED];
    value.extend_from_slice(&now.as_millis().to_be_bytes());
    value.into()
}

/// The value with the mark that its user must be read anew; `None` where there is no user.
pub(super) fn with_reread_due(value: &[u8]) -> Option<Vec<u8>> {
    let (SEALED | PLAIN) = value.first()? & !REREAD_DUE else {
        return None;
    };
    let mut value = value.to_vec();
    value[0] |= REREAD_DUE;
    Some(value)
}

/// A stored record, taken apart and not yet opened.
struct Parts<'a> {
    format: u8,
    secret_hash: &'a [u8],
    head: Head,
    /// Everything before the body, as it was sealed: without the mark.
    public: Cow<'a, [u8]>,
    body: &'a [u8],
}

impl<'a> Parts<'a> {
    fn of(value: &'a [u8]) -> Result<Self, StoreError> {
        let too_short = || StoreError::Corrupt("not a session record".into());
        let (prefix, rest) = value
            .split_first_chunk::<PREFIX_BYTES>()
            .ok_or_else(too_short)?;
        let [marked, secret_hash @ .., a, b, c, d] = prefix;
        let format = *marked & !REREAD_DUE;
        if !matches!(format, SEALED | PLAIN) {
            return Err(StoreError::Corrupt(
                "a session record of another version".into(),
            ));
        }
        let length = usize::try_from(u32::from_be_bytes([*a, *b, *c, *d])).map_err(corrupt)?;
        let (head, body) = rest.split_at_checked(length).ok_or_else(too_short)?;
        let mut head: Head = serde_json::from_slice(head).map_err(|error| unreadable(&error))?;
        let mut public = Cow::Borrowed(&value[..PREFIX_BYTES + length]);
        if format != *marked {
            head.is_reread_due = true;
            public.to_mut()[0] = format;
        }
        Ok(Self {
            format,
            secret_hash,
            head,
            public,
            body,
        })
    }
}

/// serde_json quotes the input in some messages, so only the place is kept.
pub(super) fn unreadable(error: &serde_json::Error) -> StoreError {
    corrupt(format!(
        "not of the expected form at column {}",
        error.column()
    ))
}

fn corrupt(error: impl Into<BoxError>) -> StoreError {
    StoreError::Corrupt(error.into())
}

/// How long sessions live.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lifetime {
    pub(super) idle: Duration,
    pub(super) absolute: Duration,
}

const SEALED: u8 = 1;
const PLAIN: u8 = 2;
const MOVED: u8 = 3;
/// A mark beside the format, for which no secret is needed.
const REREAD_DUE: u8 = 0x80;
const PREFIX_BYTES: usize = 1 + 32 + 4;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{secret::MasterSecret, session::token::TagKeys};

    const LIFETIME: Lifetime = Lifetime {
        idle: Duration::from_secs(1800),
        absolute: Duration::from_secs(43_200),
    };

    fn record() -> Record {
        let mut record = Record {
            head: Head::new(&LIFETIME, Timestamp::from_secs(1)),
            body: Body::default(),
        };
        record
            .body
            .values
            .insert("cart".to_owned(), "swordfish".into());
        record
    }

    fn decode(value: &[u8], token: &Token, key: &Key) -> Result<Option<Arc<Record>>, StoreError> {
        match Record::decode(value, token, key, false)? {
            Found::Open(record) => Ok(Some(record)),
            Found::Replaced(_) => Ok(None),
        }
    }

    #[test]
    fn a_sealed_record_opens_for_its_holder_alone() {
        let keys = TagKeys::new(&MasterSecret::generate(), "self");
        let token = keys.generate();
        let key = token.key();
        let value = record().encode(&token, &key, false).unwrap();
        let opened = decode(&value, &token, &key).unwrap().unwrap();
        assert_eq!(opened.body.values["cart"], "swordfish");
        assert!(
            decode(&value, &keys.renewed(&token), &key)
                .unwrap()
                .is_none()
        );
        assert!(
            decode(&value, &token, &keys.generate().key()).is_err(),
            "moved to another key"
        );
    }

    #[test]
    fn the_store_sees_no_value_unless_told_so() {
        let keys = TagKeys::new(&MasterSecret::generate(), "self");
        let token = keys.generate();
        let shown = |value: &Bytes| String::from_utf8_lossy(value).contains("swordfish");
        assert!(!shown(
            &record().encode(&token, &token.key(), false).unwrap()
        ));
        assert!(shown(&record().encode(&token, &token.key(), true).unwrap()));
    }

    #[test]
    fn a_plain_record_is_not_taken_where_records_are_sealed() {
        let keys = TagKeys::new(&MasterSecret::generate(), "self");
        let token = keys.generate();
        let key = token.key();
        let plain = record().encode(&token, &key, true).unwrap();
        assert!(decode(&plain, &token, &key).is_err());
        let opened = Record::decode(&plain, &token, &key, true).unwrap();
        assert!(matches!(opened, Found::Open(_)));
    }

    #[test]
    fn no_flipped_bit_goes_unnoticed() {
        let keys = TagKeys::new(&MasterSecret::generate(), "self");
        let token = keys.generate();
        let key = token.key();
        let value = record().encode(&token, &key, false).unwrap();
        for at in 0..value.len() {
            let mut changed = value.to_vec();
            changed[at] ^= 1;
            assert!(
                !matches!(decode(&changed, &token, &key), Ok(Some(_))),
                "byte {at}"
            );
        }
        for length in 0..value.len() {
            assert!(
                !matches!(decode(&value[..length], &token, &key), Ok(Some(_))),
                "{length} bytes"
            );
        }
    }

    #[test]
    fn the_absolute_end_never_moves_and_bounds_the_idle_one() {
        let mut head = Head::new(&LIFETIME, Timestamp::from_secs(0));
        let late = Timestamp::from_secs(43_000);
        head.see(LIFETIME.idle, late);
        assert_eq!(head.absolute_at, Timestamp::from_secs(43_200));
        assert_eq!(head.idle_at, head.absolute_at);
        assert!(head.is_live(Timestamp::from_secs(43_199)));
        assert!(!head.is_live(Timestamp::from_secs(43_200)));
    }

    #[test]
    fn idle_sessions_end_at_their_deadline() {
        let head = Head::new(&LIFETIME, Timestamp::from_secs(0));
        assert!(head.is_live(Timestamp::from_millis(1_799_999)));
        assert!(!head.is_live(Timestamp::from_secs(1_800)));
    }
}
