//! The stored form of a session.
//!
//! ```text
//! format (1 byte) ‖ hash of the secret (32 bytes) ‖ length of the head (4 bytes) ‖ head ‖ body
//! ```
//!
//! The *head* is JSON that the server reads without the caller's token: subject, proofs, roles and
//! deadlines. The *body* holds the application's user and named values, as JSON sealed with
//! AES-256-GCM. Its key is derived from the session's secret and from the master secret. Everything
//! before the body, and the store key, are associated data, so a head that was changed in the
//! store, or a record that was moved to another key, does not open. The highest bit of the format
//! byte is a flag outside of the seal: the user must be re-read.

use std::{borrow::Cow, sync::Arc, time::Duration};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, value::RawValue};

use super::token::SessionToken;
use crate::{
    clock::Timestamp,
    error::{BoxError, StoreError},
    identity::{Factor, Identity, Subject},
    secret::{self, seal},
    store::StoreKey,
};

/// A stored value, as the holder of a token sees it.
pub(super) enum DecodedRecord {
    /// The holder's session.
    Open(Arc<SessionRecord>),
    /// The holder's session until this time, when its id was cycled.
    Replaced(Timestamp),
}

/// A decrypted session.
#[derive(Clone)]
pub(super) struct SessionRecord {
    pub(super) head: SessionHead,
    pub(super) body: SessionBody,
}

/// The part of a session that the server reads without the token.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct SessionHead {
    pub(super) owner: Option<SessionOwner>,
    pub(super) created_at: Timestamp,
    /// When the id was last cycled.
    pub(super) renewed_at: Timestamp,
    pub(super) seen_at: Timestamp,
    pub(super) idle_at: Timestamp,
    pub(super) absolute_at: Timestamp,
    /// When the user was last read.
    pub(super) read_at: Timestamp,
    /// Whether the user must be re-read regardless of its age. Stored outside of the head.
    #[serde(skip)]
    pub(super) needs_reread: bool,
}

/// The user of a session. An anonymous session has none.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct SessionOwner {
    pub(super) issuer: String,
    pub(super) id: String,
    pub(super) proofs: Vec<(String, Timestamp)>,
    pub(super) roles: Vec<String>,
    pub(super) scopes: Vec<String>,
    pub(super) device: Option<String>,
}

impl SessionOwner {
    pub(super) fn proofs(&self) -> impl Iterator<Item = (Factor, Timestamp)> {
        self.proofs
            .iter()
            .map(|(name, at)| (Factor::from_amr(name), *at))
    }

    /// Adds proofs. A later proof by the same factor replaces an earlier one.
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

/// The application's data in a session.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct SessionBody {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) user: Option<Box<RawValue>>,
    #[serde(default)]
    pub(super) values: Map<String, Value>,
}

impl SessionHead {
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
            needs_reread: false,
        }
    }

    /// Reads only the head, without a secret. Returns `None` if the session has moved to another
    /// record.
    pub(super) fn decode(value: &[u8]) -> Result<Option<Self>, StoreError> {
        match value.first() {
            Some(&MOVED) => Ok(None),
            _ => Ok(Some(RecordParts::of(value)?.head)),
        }
    }

    /// A session expires at its deadline, not after it.
    pub(super) fn is_live(&self, now: Timestamp) -> bool {
        now < self.idle_at && now < self.absolute_at
    }

    /// Records a use of the session. The absolute deadline stays.
    pub(super) fn mark_used(&mut self, idle: Duration, now: Timestamp) {
        self.seen_at = now;
        self.idle_at = now.after(idle).min(self.absolute_at);
    }
}

impl SessionRecord {
    /// Returns the bytes to store, sealed for the holder of `token`.
    pub(super) fn encode(
        &self,
        token: &SessionToken,
        key: &StoreKey,
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
        if self.head.needs_reread {
            value[0] |= REREAD_FLAG;
        }
        Ok(value.into())
    }

    /// Opens the output of [`encode`](Self::encode) for `token`. A plain record is accepted only by
    /// an engine that writes them; any other engine did not write it.
    pub(super) fn decode(
        value: &[u8],
        token: &SessionToken,
        key: &StoreKey,
        is_plain: bool,
    ) -> Result<DecodedRecord, StoreError> {
        if let [MOVED, at @ ..] = value {
            let at = at.try_into().map_err(corrupt)?;
            return Ok(DecodedRecord::Replaced(Timestamp::from_millis(
                u64::from_be_bytes(at),
            )));
        }
        let parts = RecordParts::of(value)?;
        if !secret::equal(parts.secret_hash, &token.hash()) {
            return Ok(DecodedRecord::Replaced(parts.head.renewed_at));
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
                .ok_or_else(|| StoreError::Corrupt("a session record cannot be decrypted".into()))?
        };
        let body = serde_json::from_slice(body).map_err(|error| unreadable(&error))?;
        Ok(DecodedRecord::Open(Arc::new(Self {
            head: parts.head,
            body,
        })))
    }
}

/// Returns the marker for a session that moved to another record at `now`.
pub(super) fn moved(now: Timestamp) -> Bytes {
    let mut value = vec![MOVED];
    value.extend_from_slice(&now.as_millis().to_be_bytes());
    value.into()
}

/// Returns the value with the flag that its user must be re-read, or `None` if there is no user.
pub(super) fn with_reread_flag(value: &[u8]) -> Option<Vec<u8>> {
    let (SEALED | PLAIN) = value.first()? & !REREAD_FLAG else {
        return None;
    };
    let mut value = value.to_vec();
    value[0] |= REREAD_FLAG;
    Some(value)
}

/// A stored record, split into its parts but not decrypted.
struct RecordParts<'a> {
    format: u8,
    secret_hash: &'a [u8],
    head: SessionHead,
    /// Everything before the body as it was sealed, without the flag.
    public: Cow<'a, [u8]>,
    body: &'a [u8],
}

impl<'a> RecordParts<'a> {
    fn of(value: &'a [u8]) -> Result<Self, StoreError> {
        let too_short = || StoreError::Corrupt("not a session record".into());
        let (prefix, rest) = value
            .split_first_chunk::<PREFIX_BYTES>()
            .ok_or_else(too_short)?;
        let [flagged_format, secret_hash @ .., a, b, c, d] = prefix;
        let format = *flagged_format & !REREAD_FLAG;
        if !matches!(format, SEALED | PLAIN) {
            return Err(StoreError::Corrupt(
                "a session record of another version".into(),
            ));
        }
        let length = usize::try_from(u32::from_be_bytes([*a, *b, *c, *d])).map_err(corrupt)?;
        let (head, body) = rest.split_at_checked(length).ok_or_else(too_short)?;
        let mut head: SessionHead =
            serde_json::from_slice(head).map_err(|error| unreadable(&error))?;
        let mut public = Cow::Borrowed(&value[..PREFIX_BYTES + length]);
        if format != *flagged_format {
            head.needs_reread = true;
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

/// Some messages of serde_json quote the input, so only the position is kept.
pub(super) fn unreadable(error: &serde_json::Error) -> StoreError {
    corrupt(format!(
        "not of the expected form at column {}",
        error.column()
    ))
}

fn corrupt(error: impl Into<BoxError>) -> StoreError {
    StoreError::Corrupt(error.into())
}

/// The timeouts of sessions.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lifetime {
    pub(super) idle: Duration,
    pub(super) absolute: Duration,
}

const SEALED: u8 = 1;
const PLAIN: u8 = 2;
const MOVED: u8 = 3;
/// A flag beside the format that can be set without the secret.
const REREAD_FLAG: u8 = 0x80;
const PREFIX_BYTES: usize = 1 + 32 + 4;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{secret::MasterSecret, session::token::TagKeys};

    const LIFETIME: Lifetime = Lifetime {
        idle: Duration::from_secs(1800),
        absolute: Duration::from_secs(43_200),
    };

    fn record() -> SessionRecord {
        let mut record = SessionRecord {
            head: SessionHead::new(&LIFETIME, Timestamp::from_secs(1)),
            body: SessionBody::default(),
        };
        record
            .body
            .values
            .insert("cart".to_owned(), "swordfish".into());
        record
    }

    fn decode(
        value: &[u8],
        token: &SessionToken,
        key: &StoreKey,
    ) -> Result<Option<Arc<SessionRecord>>, StoreError> {
        match SessionRecord::decode(value, token, key, false)? {
            DecodedRecord::Open(record) => Ok(Some(record)),
            DecodedRecord::Replaced(_) => Ok(None),
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
            decode(&value, &keys.with_new_secret(&token), &key)
                .unwrap()
                .is_none()
        );
        assert!(
            decode(&value, &token, &keys.generate().key()).is_err(),
            "moved to another key"
        );
    }

    #[test]
    fn values_are_stored_as_plain_text_only_if_configured() {
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
        let opened = SessionRecord::decode(&plain, &token, &key, true).unwrap();
        assert!(matches!(opened, DecodedRecord::Open(_)));
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
    fn the_absolute_deadline_never_moves_and_bounds_the_idle_one() {
        let mut head = SessionHead::new(&LIFETIME, Timestamp::from_secs(0));
        let late = Timestamp::from_secs(43_000);
        head.mark_used(LIFETIME.idle, late);
        assert_eq!(head.absolute_at, Timestamp::from_secs(43_200));
        assert_eq!(head.idle_at, head.absolute_at);
        assert!(head.is_live(Timestamp::from_secs(43_199)));
        assert!(!head.is_live(Timestamp::from_secs(43_200)));
    }

    #[test]
    fn idle_sessions_expire_at_their_deadline() {
        let head = SessionHead::new(&LIFETIME, Timestamp::from_secs(0));
        assert!(head.is_live(Timestamp::from_millis(1_799_999)));
        assert!(!head.is_live(Timestamp::from_secs(1_800)));
    }
}
