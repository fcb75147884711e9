//! Lists which records need which secret.

use std::fmt;

use super::{
    encoding::{KeyId, OtpRecordKeys},
    inner::OtpInner,
};
use crate::error::StoreError;

/// Which records of one-time codes need which secret. See [`Otp::seals`](super::Otp::seals).
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

/// Finds out which records are sealed under which secret. It reads every record.
pub(super) async fn seals(otp: &OtpInner) -> Result<Seals, StoreError> {
    let under = |id: KeyId| SealedUnder {
        key_id: hex(id),
        subjects: Vec::new(),
    };
    let ids: Vec<KeyId> = otp.keys.ids().collect();
    let mut seals = Seals {
        secrets: ids.iter().copied().map(under).collect(),
        unreadable: 0,
    };
    for part in 0..=u8::MAX {
        for (key, entry) in otp.store.list(&otp.part(part)).await? {
            let id = OtpRecordKeys::id_of(&entry.value);
            let at = ids.iter().position(|known| Some(*known) == id);
            let record = otp.keys.decode(&entry.value, &key);
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
