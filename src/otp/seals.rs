//! Which records need which secret.

use std::fmt;

use super::{
    engine::Otp,
    record::{KeyId, OtpRecordKeys},
};
use crate::{error::StoreError, store::Key};

/// Which records of one-time codes need which secret. See [`Otp::seals`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Seals {
    /// One for each secret that is accepted, in their order: the first is the active one.
    pub secrets: Vec<SealedUnder>,
    /// How many records are sealed under a secret that is not accepted, or damaged. Their users cannot give a code.
    pub unreadable: usize,
}

/// What is sealed under one secret.
#[derive(Clone)]
#[non_exhaustive]
pub struct SealedUnder {
    /// Names the secret's key for these records. It says nothing of the secret.
    pub key_id: String,
    /// Whose records they are, in order.
    pub subjects: Vec<String>,
}

impl Otp {
    /// Says which users' records are sealed under which secret: whatever is not under the active one cannot be read any more once
    /// the others are retired. It reads every record, so it is for an operator and for no request.
    ///
    /// # Errors
    ///
    /// When the store does not answer.
    pub async fn seals(&self) -> Result<Seals, StoreError> {
        let inner = &*self.inner;
        let under = |id: KeyId| SealedUnder {
            key_id: hex(id),
            subjects: Vec::new(),
        };
        let ids: Vec<KeyId> = inner.keys.ids().collect();
        let mut seals = Seals {
            secrets: ids.iter().copied().map(under).collect(),
            unreadable: 0,
        };
        for part in 0..=u8::MAX {
            for (key, entry) in inner.store.list(&self.part(part)).await? {
                let id = OtpRecordKeys::id_of(&entry.value);
                let at = ids.iter().position(|known| Some(*known) == id);
                let record = inner.keys.decode(&entry.value, &key);
                match (at, record) {
                    (Some(at), Ok(record)) => seals.secrets[at].subjects.push(record.subject),
                    _ => seals.unreadable += 1,
                }
            }
        }
        for under in &mut seals.secrets {
            under.subjects.sort();
        }
        Ok(seals)
    }

    /// The group of a record. There are many, so that none of them is written to by everybody at once.
    pub(super) fn group(&self, key: &Key) -> Key {
        self.part(key.digest()[0])
    }

    fn part(&self, part: u8) -> Key {
        Key::new("otp", &[b"records", self.inner.issuer.as_bytes(), &[part]])
    }
}

fn hex(id: KeyId) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Shows how many there are, and not whose.
impl fmt::Debug for SealedUnder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealedUnder")
            .field("key_id", &self.key_id)
            .field("records", &self.subjects.len())
            .finish()
    }
}
