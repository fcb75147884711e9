//! When all sessions of a subject were revoked at once.
//!
//! ```text
//! id of the last revocation (8 bytes) ‖ its time (8)
//! ```
//!
//! A login notes the record before it reads the user and looks again after it has written its session.
//! Ids are random and compared, never ordered. The record outlives every login that may have read it.

use std::time::Duration;

use super::core::Core;
use crate::{
    clock::Timestamp,
    error::StoreError,
    secret,
    store::{Key, Namespace, When, Write},
};

/// Which "log out everywhere" a login has seen. See [`Sessions::epoch`](super::Sessions::epoch).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Epoch {
    pub(crate) revocation: u64,
    pub(crate) revoked_at: Timestamp,
}

impl Epoch {
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

impl Core {
    pub(super) async fn epoch(&self, subject: &str) -> Result<Epoch, StoreError> {
        let entry = self.store.get(&self.epoch_key(subject)).await?;
        let epoch = entry.and_then(|entry| Epoch::decode(&entry.value));
        Ok(epoch.unwrap_or(Epoch::NONE))
    }

    /// Makes every login of `subject` come to nothing that began before now.
    pub(super) async fn revoke_logins(&self, subject: &str) -> Result<(), StoreError> {
        let now = self.clock.now();
        let epoch = Epoch {
            revocation: u64::from_be_bytes(secret::random()),
            revoked_at: now,
        };
        let life = self.lifetime.absolute.max(SHORTEST_LIFE);
        let write = Write::new(epoch.encode(), now.after(life));
        let key = self.epoch_key(subject);
        self.store.put(&key, write, When::Always).await.map(drop)
    }

    fn epoch_key(&self, subject: &str) -> Key {
        Key::new(EPOCH, &[self.issuer.as_bytes(), subject.as_bytes()])
    }
}

/// Where it is kept. What is written ends every session of somebody.
const EPOCH: Namespace = Namespace::new("session-epoch").revoking();

/// Much longer than any login takes, however short sessions are.
const SHORTEST_LIFE: Duration = Duration::from_secs(24 * 60 * 60);
