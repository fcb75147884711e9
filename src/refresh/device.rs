//! One device of a subject, as it is stored.

use base64_simd::URL_SAFE_NO_PAD;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{
    clock::Timestamp,
    identity::Factor,
    secret::{self, equal},
};

/// One login that can be refreshed: a family of refresh tokens, one of which is current.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct StoredDevice {
    #[serde(skip)]
    pub(super) public_id: [u8; ID_BYTES],
    /// The hash of the random id that only the family's tokens carry.
    pub(super) family: Hash256,
    pub(super) generation: u32,
    /// The id of the key that made the current token.
    pub(super) kid: [u8; 4],
    pub(super) rotated_at: Timestamp,
    /// The node whose clock `rotated_at` is from.
    pub(super) rotated_on: u64,
    pub(super) created_at: Timestamp,
    pub(super) used_at: Timestamp,
    pub(super) idle_at: Timestamp,
    pub(super) absolute_at: Timestamp,
    pub(super) proofs: Vec<(String, Timestamp)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) user_agent: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) fingerprint: Option<Hash256>,
    /// The fingerprint at the last rotation, whatever the device is bound to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) rotated_by: Option<Hash256>,
    /// The thumbprint of the key that each refresh must prove.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) key: Option<String>,
}

impl StoredDevice {
    pub(super) fn id(&self) -> String {
        URL_SAFE_NO_PAD.encode_to_string(self.public_id)
    }

    /// A device expires at its deadline, not after it.
    pub(super) fn is_live(&self, now: Timestamp) -> bool {
        now < self.idle_at && now < self.absolute_at
    }

    /// A device without a fingerprint at its login is bound to none. A fingerprint has one hash for
    /// each of the application's secrets.
    pub(super) fn is_bound_to(&self, fingerprints: &[Hash256]) -> bool {
        self.fingerprint
            .is_none_or(|known| known.is_one_of(fingerprints))
    }

    /// Whether the client claims the fingerprint of the last rotation. A device that is bound to no
    /// fingerprint has none to compare.
    pub(super) fn was_rotated_by(&self, fingerprints: &[Hash256]) -> bool {
        match (self.fingerprint, self.rotated_by) {
            (None, _) => true,
            (Some(_), Some(known)) => known.is_one_of(fingerprints),
            (Some(_), None) => fingerprints.is_empty(),
        }
    }

    pub(super) fn proofs(&self) -> impl Iterator<Item = (Factor, Timestamp)> {
        self.proofs
            .iter()
            .map(|(name, at)| (Factor::from_amr(name), *at))
    }
}

/// A hash of 256 bits, as base64url in JSON.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Hash256(pub(super) [u8; 32]);

impl Hash256 {
    pub(super) fn of(bytes: &[u8]) -> Self {
        Self(secret::hash([bytes]))
    }

    fn is_one_of(&self, others: &[Self]) -> bool {
        others.iter().any(|other| equal(&self.0, &other.0))
    }
}

impl Serialize for Hash256 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&URL_SAFE_NO_PAD.encode_to_string(self.0))
    }
}

impl<'de> Deserialize<'de> for Hash256 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = URL_SAFE_NO_PAD.decode_to_vec(text.as_bytes());
        let bytes = bytes.ok().and_then(|bytes| bytes.try_into().ok());
        bytes
            .map(Self)
            .ok_or_else(|| de::Error::custom("not 256 bits"))
    }
}

pub(super) const ID_BYTES: usize = 16;
