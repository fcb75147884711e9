//! The epoch of a subject, which changes when all of its sessions are revoked.
//!
//! ```text
//! id of the last revocation (8 bytes) ‖ its time (8)
//! ```
//!
//! A login reads the record before it reads the user, and compares it again after it has written
//! its session. Ids are random and compared, never ordered. The record outlives every login that
//! may have read it.

use std::time::Duration;

use crate::{
    clock::Timestamp,
    error::StoreError,
    secret,
    store::{Namespace, Store, StoreKey, When, Write},
};

/// Identifies the last "log out everywhere" of a subject. See
/// [`Sessions::epoch`](super::Sessions::epoch).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SessionEpoch {
    pub(crate) revocation: u64,
    pub(crate) revoked_at: Timestamp,
}

impl SessionEpoch {
    const NONE: Self = Self {
        revocation: 0,
        revoked_at: Timestamp::from_millis(0),
    };

    fn decode(value: &[u8]) -> Option<Self> {
        let ([revocation, revoked_at], []) = value.as_chunks::<8>() else {
            return None;
        };
        Some(Self {
            revocation: u64::from_be_bytes(*revocation),
            revoked_at: Timestamp::from_millis(u64::from_be_bytes(*revoked_at)),
        })
    }

    fn encode(&self) -> Vec<u8> {
        let at = self.revoked_at.as_millis();
        [self.revocation.to_be_bytes(), at.to_be_bytes()].concat()
    }
}

/// Returns the current epoch of `subject`.
pub(super) async fn read(
    store: &dyn Store,
    issuer: &str,
    subject: &str,
) -> Result<SessionEpoch, StoreError> {
    let entry = store.get(&key(issuer, subject)).await?;
    let epoch = entry.and_then(|entry| SessionEpoch::decode(&entry.value));
    Ok(epoch.unwrap_or(SessionEpoch::NONE))
}

/// Makes every login of `subject` that began before `now` fail. `life` is the absolute timeout of
/// sessions.
pub(super) async fn replace(
    store: &dyn Store,
    issuer: &str,
    subject: &str,
    now: Timestamp,
    life: Duration,
) -> Result<(), StoreError> {
    let epoch = SessionEpoch {
        revocation: u64::from_be_bytes(secret::random()),
        revoked_at: now,
    };
    let write = Write::new(epoch.encode(), now.after(life.max(SHORTEST_LIFE)));
    let key = key(issuer, subject);
    store.put(&key, write, When::Always).await.map(drop)
}

fn key(issuer: &str, subject: &str) -> StoreKey {
    StoreKey::new(EPOCH, &[issuer.as_bytes(), subject.as_bytes()])
}

/// A write to this namespace revokes all sessions of a subject.
const EPOCH: Namespace = Namespace::new("session-epoch").revoking();

/// Much longer than any login takes, even if sessions are short.
const SHORTEST_LIFE: Duration = Duration::from_secs(24 * 60 * 60);
