//! Lists which records need which secret.

use std::fmt;

use super::{
    engine::Otp,
    record::{KeyId, OtpRecordKeys},
};
use crate::{error::StoreError, store::StoreKey};

/// Which records of one-time codes need which secret. See [`Otp::seals`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Seals {
    /// One entry for each accepted secret, in their order: the first is the active one.
    pub secrets: Vec<SealedUnder>,
    /// The number of records that are damaged or sealed under a secret that is not accepted. Their
    /// users cannot give a code.
    pub unreadable: usize,
}

/// The records that are sealed under one secret.
#[derive(Clone)]
#[non_exhaustive]
pub struct SealedUnder {
    /// Identifies the key of the secret for these records. It reveals nothing of the secret.
    pub key_id: String,
    /// The subjects of the records, sorted.
    pub subjects: Vec<String>,
}

impl Otp {
    /// Returns which users' records are sealed under which secret. A record that is not under the
    /// active secret becomes unreadable once the others are retired. It reads every record, so it
    /// is for operators and not for requests.
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

    /// The group of a record. There are many groups, so that not every write goes to the same one.
    pub(super) fn group(&self, key: &StoreKey) -> StoreKey {
        self.part(key.digest()[0])
    }

    fn part(&self, part: u8) -> StoreKey {
        StoreKey::new("otp", &[b"records", self.inner.issuer.as_bytes(), &[part]])
    }
}

fn hex(id: KeyId) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Shows the number of records, and no subject.
impl fmt::Debug for SealedUnder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealedUnder")
            .field("key_id", &self.key_id)
            .field("records", &self.subjects.len())
            .finish()
    }
}
