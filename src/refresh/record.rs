//! How the devices of a user are stored.
//!
//! ```text
//! format (1 byte) ‖ number of devices (1 byte) ‖ public id of each (16 bytes) ‖ sealed JSON
//! ```
//!
//! The ids come first, so that a request with an access token learns whether its device is there without
//! parsing the rest. All of it is authenticated with its place in the store ([`RecordKeys`]), so a party
//! that can write to the store cannot make a device, nor change whose it is. The store holds no token, nor
//! anything a token could be made of: of a family's id it has the hash.

use base64_simd::URL_SAFE_NO_PAD;
use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::account::Account;
use crate::{
    clock::Timestamp,
    error::{BoxError, StoreError},
    identity::Factor,
    secret::{
        self, equal,
        record::{RecordKeys, UnsealError},
    },
    store::Key,
};

/// One login that can be refreshed: a family of refresh tokens, one of which is the current one.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Device {
    #[serde(skip)]
    pub(super) public_id: [u8; ID_BYTES],
    /// Of the random id that only the family's tokens carry.
    pub(super) family: Hash,
    pub(super) generation: u32,
    /// Which key made the current token.
    pub(super) kid: [u8; 4],
    pub(super) rotated_at: Timestamp,
    /// The node by whose clock that is.
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
    pub(super) fingerprint: Option<Hash>,
    /// What the client said of itself at the last rotation, whatever it is bound to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) rotated_by: Option<Hash>,
    /// The thumbprint of the key that each refresh must be proved with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) key: Option<String>,
}

impl Device {
    pub(super) fn id(&self) -> String {
        URL_SAFE_NO_PAD.encode_to_string(self.public_id)
    }

    /// A device is over at its deadline, not after it.
    pub(super) fn is_live(&self, now: Timestamp) -> bool {
        now < self.idle_at && now < self.absolute_at
    }

    /// A device that gave no fingerprint at its login is bound to none. The same fingerprint has a hash by each
    /// of the application's secrets.
    pub(super) fn is_bound_to(&self, fingerprints: &[Hash]) -> bool {
        self.fingerprint
            .is_none_or(|known| known.is_one_of(fingerprints))
    }

    /// Whether the client that asks is, by what it says, the one that made the last rotation. A device that is bound to
    /// no fingerprint has none to compare.
    pub(super) fn was_rotated_by(&self, fingerprints: &[Hash]) -> bool {
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

/// 256 bits that stand for something else, as base64url in JSON.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Hash(pub(super) [u8; 32]);

impl Hash {
    pub(super) fn of(bytes: &[u8]) -> Self {
        Self(secret::hash([bytes]))
    }

    fn is_one_of(&self, given: &[Self]) -> bool {
        given.iter().any(|given| equal(&self.0, &given.0))
    }
}

impl Serialize for Hash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&URL_SAFE_NO_PAD.encode_to_string(self.0))
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = URL_SAFE_NO_PAD.decode_to_vec(text.as_bytes());
        let bytes = bytes.ok().and_then(|bytes| bytes.try_into().ok());
        bytes
            .map(Self)
            .ok_or_else(|| de::Error::custom("not 256 bits"))
    }
}

pub(super) fn encode(keys: &RecordKeys, key: &Key, account: &Account) -> Result<Bytes, StoreError> {
    let corrupt = |error: BoxError| StoreError::Corrupt(error);
    let count = u8::try_from(account.devices.len()).map_err(|error| corrupt(error.into()))?;
    let mut public = vec![FORMAT, count];
    for device in &account.devices {
        public.extend_from_slice(&device.public_id);
    }
    let json = serde_json::to_vec(account).map_err(|error| corrupt(error.into()))?;
    Ok(keys.seal(key, public, json)?.into())
}

/// # Errors
///
/// A record that is not one of ours in this place.
pub(super) fn decode(keys: &RecordKeys, key: &Key, value: &[u8]) -> Result<Account, UnsealError> {
    let (ids, public, sealed) = parts(value)?;
    let opened = keys.open(key, public, sealed)?;
    let account = serde_json::from_slice(&opened.plain);
    let mut account: Account = account.map_err(|_| UnsealError::Damaged)?;
    if account.devices.len() != ids.len() {
        return Err(UnsealError::Damaged);
    }
    for (device, id) in account.devices.iter_mut().zip(ids) {
        device.public_id = *id;
    }
    Ok(account)
}

/// Whether the account has a device with this public id, also one that was idle for too long.
///
/// # Errors
///
/// A record that is not one of ours in this place.
pub(super) fn has_device(
    keys: &RecordKeys,
    key: &Key,
    value: &[u8],
    id: &str,
) -> Result<bool, UnsealError> {
    let (ids, public, sealed) = parts(value)?;
    keys.open(key, public, sealed)?;
    let Ok(id) = URL_SAFE_NO_PAD.decode_to_vec(id.as_bytes()) else {
        return Ok(false);
    };
    Ok(ids.iter().any(|known| known.as_slice() == id))
}

type Parts<'a> = (&'a [[u8; ID_BYTES]], &'a [u8], &'a [u8]);

/// The ids, what stands before the sealed part, and the sealed part.
fn parts(value: &[u8]) -> Result<Parts<'_>, UnsealError> {
    let [FORMAT, count, rest @ ..] = value else {
        return Err(UnsealError::Damaged);
    };
    let length = usize::from(*count) * ID_BYTES;
    let ids = rest.get(..length).ok_or(UnsealError::Damaged)?;
    let (public, sealed) = value.split_at(2 + length);
    Ok((ids.as_chunks().0, public, sealed))
}

const FORMAT: u8 = 2;
pub(super) const ID_BYTES: usize = 16;
