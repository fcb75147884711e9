//! The stored form of a subject's devices.
//!
//! ```text
//! format (1 byte) ‖ number of devices (1 byte) ‖ public id of each (16 bytes) ‖ sealed JSON
//! ```
//!
//! The ids come first, so that a request with an access token finds its device without parsing the
//! rest. Everything is authenticated together with its store key ([`RecordKeys`]), so a party with
//! write access to the store can neither create a device nor change its owner. The store holds no
//! token and nothing that a token could be made from: of a family's id it holds the hash.

use base64_simd::URL_SAFE_NO_PAD;
use bytes::Bytes;

use super::{device::ID_BYTES, devices::DeviceRecord};
use crate::{
    error::{BoxError, StoreError},
    store::{
        StoreKey,
        sealed::{RecordKeys, UnsealError},
    },
};

pub(super) fn encode(
    keys: &RecordKeys,
    key: &StoreKey,
    record: &DeviceRecord,
) -> Result<Bytes, StoreError> {
    let corrupt = |error: BoxError| StoreError::Corrupt(error);
    let count = u8::try_from(record.devices.len()).map_err(|error| corrupt(error.into()))?;
    let mut public = vec![FORMAT, count];
    for device in &record.devices {
        public.extend_from_slice(&device.public_id);
    }
    let json = serde_json::to_vec(record).map_err(|error| corrupt(error.into()))?;
    Ok(keys.seal(key, public, json)?.into())
}

/// # Errors
///
/// Returns an error for a record that was not written here under this key.
pub(super) fn decode(
    keys: &RecordKeys,
    key: &StoreKey,
    value: &[u8],
) -> Result<DeviceRecord, UnsealError> {
    let (ids, public, sealed) = parts(value)?;
    let opened = keys.open(key, public, sealed)?;
    let record = serde_json::from_slice(&opened.plain);
    let mut record: DeviceRecord = record.map_err(|_| UnsealError::Damaged)?;
    if record.devices.len() != ids.len() {
        return Err(UnsealError::Damaged);
    }
    for (device, id) in record.devices.iter_mut().zip(ids) {
        device.public_id = *id;
    }
    Ok(record)
}

/// Whether the record has a device with this public id, even one that was idle for too long.
///
/// # Errors
///
/// Returns an error for a record that was not written here under this key.
pub(super) fn has_device(
    keys: &RecordKeys,
    key: &StoreKey,
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

type SealedParts<'a> = (&'a [[u8; ID_BYTES]], &'a [u8], &'a [u8]);

/// Returns the ids, the bytes before the sealed part, and the sealed part.
fn parts(value: &[u8]) -> Result<SealedParts<'_>, UnsealError> {
    let [FORMAT, count, rest @ ..] = value else {
        return Err(UnsealError::Damaged);
    };
    let length = usize::from(*count) * ID_BYTES;
    let ids = rest.get(..length).ok_or(UnsealError::Damaged)?;
    let (public, sealed) = value.split_at(2 + length);
    Ok((ids.as_chunks().0, public, sealed))
}

const FORMAT: u8 = 2;
