//! Devices on which a user skips the one-time code for a while.
//!
//! A device is identified by a signed token in a cookie and by an entry in one record per user. So
//! each device can be listed and revoked, and "log out everywhere" revokes all of them. The token
//! is for one user, one password and one authenticator; a change of either invalidates it.

use std::{fmt, time::Duration};

use base64_simd::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::{
    clock::{Clock, Timestamp},
    error::StoreError,
    secret::{self, MasterSecret, Secret},
    store::{
        Entry, Namespace, Store, StoreKey, Write,
        sealed::{RecordKeys, UnsealError},
        swap::{Step, swap},
    },
    throttle::{DeviceId, DeviceTokens},
};

/// A device on which a user skips the one-time code, in a form that may be shown to that user. It
/// grants no access.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RememberedDevice {
    /// The public id, for
    /// [`SecondFactor::revoke_remembered_device`](super::SecondFactor::revoke_remembered_device).
    pub id: String,
    /// The name of the device from the login, or else its `User-Agent`.
    pub name: Option<String>,
    /// When the device was remembered.
    pub created_at: Timestamp,
    /// When it expires.
    pub expires_at: Timestamp,
}

/// The remembered devices of all users of one issuer.
pub(super) struct RememberedDevices {
    tokens: DeviceTokens,
    records: RecordKeys,
    issuer: String,
}

#[derive(Default, Serialize, Deserialize)]
struct RememberedRecord {
    devices: Vec<StoredRememberedDevice>,
}

#[derive(Serialize, Deserialize)]
struct StoredRememberedDevice {
    id: String,
    name: Option<String>,
    created_at: Timestamp,
    expires_at: Timestamp,
}

impl RememberedDevices {
    pub(super) fn new(secret: &MasterSecret, issuer: &str, life: Duration) -> Self {
        let label = "tower-jam remembered device";
        Self {
            tokens: DeviceTokens::new(secret, label, issuer, life),
            records: RecordKeys::new(secret, "tower-jam remembered devices", issuer),
            issuer: issuer.to_owned(),
        }
    }

    pub(super) const fn life(&self) -> Duration {
        self.tokens.life()
    }

    /// Remembers a new device of `subject` and returns its token. `account` is what the token is
    /// bound to.
    pub(super) async fn remember(
        &self,
        (store, clock): (&dyn Store, &dyn Clock),
        subject: &str,
        account: &str,
        name: Option<&str>,
    ) -> Result<Secret<String>, StoreError> {
        let now = clock.now();
        let token = self.tokens.issue(account, now);
        let id = self.tokens.verify(token.expose(), account, now);
        let id = id.ok_or_else(|| StoreError::Corrupt("a new token does not verify".into()))?;
        let key = self.key(subject);
        swap(store, clock, &key, |entry| {
            let mut record = self.open_record(&key, entry).unwrap_or_default();
            record.devices.retain(|device| now < device.expires_at);
            while record.devices.len() >= MAX_DEVICES {
                record.devices.remove(0);
            }
            record.devices.push(StoredRememberedDevice {
                id: public_id(&id),
                name: name.map(str::to_owned),
                created_at: now,
                expires_at: now.after(self.life()),
            });
            Ok::<_, StoreError>(Step::Swap(self.seal_record(&key, &record, now)?, ()))
        })
        .await?;
        Ok(token)
    }

    /// Whether `token` belongs to a device of `subject` that is remembered for `account`.
    pub(super) async fn is_remembered(
        &self,
        (store, clock): (&dyn Store, &dyn Clock),
        subject: &str,
        account: &str,
        token: &str,
    ) -> Result<bool, StoreError> {
        let now = clock.now();
        let Some(id) = self.tokens.verify(token, account, now) else {
            return Ok(false);
        };
        let devices = self.list(store, subject, now).await?;
        Ok(devices.iter().any(|device| device.id == public_id(&id)))
    }

    pub(super) async fn list(
        &self,
        store: &dyn Store,
        subject: &str,
        now: Timestamp,
    ) -> Result<Vec<RememberedDevice>, StoreError> {
        let key = self.key(subject);
        let entry = store.get(&key).await?;
        let record = self.open_record(&key, entry.as_ref()).unwrap_or_default();
        let live = record.devices.into_iter();
        let live = live.filter(|device| now < device.expires_at);
        Ok(live.map(RememberedDevice::from).collect())
    }

    /// Removes the device with this public id. Returns `false` if there is none.
    pub(super) async fn revoke(
        &self,
        (store, clock): (&dyn Store, &dyn Clock),
        subject: &str,
        id: &str,
    ) -> Result<bool, StoreError> {
        let key = self.key(subject);
        swap(store, clock, &key, |entry| {
            let Some(mut record) = self.open_record(&key, entry) else {
                return Ok(Step::Keep(false));
            };
            let before = record.devices.len();
            record.devices.retain(|device| device.id != id);
            Ok::<_, StoreError>(if record.devices.len() < before {
                Step::Swap(self.seal_record(&key, &record, clock.now())?, true)
            } else {
                Step::Keep(false)
            })
        })
        .await
    }

    /// Removes every device of `subject`.
    pub(super) async fn revoke_all(
        &self,
        store: &dyn Store,
        subject: &str,
    ) -> Result<(), StoreError> {
        store.take(&self.key(subject)).await.map(drop)
    }

    /// A record that cannot be opened counts as absent: its devices must give codes again.
    fn open_record(&self, key: &StoreKey, entry: Option<&Entry>) -> Option<RememberedRecord> {
        let entry = entry?;
        let opened = match entry.value.split_at_checked(1) {
            Some((public @ [FORMAT], sealed)) => self.records.open(key, public, sealed),
            _ => Err(UnsealError::Damaged),
        };
        let record = opened.and_then(|opened| {
            serde_json::from_slice(&opened.plain).map_err(|_| UnsealError::Damaged)
        });
        record
            .inspect_err(|unreadable| {
                let reason = unreadable.reason();
                tracing::error!(
                    reason,
                    "a record of remembered devices cannot be opened and counts as absent"
                );
            })
            .ok()
    }

    fn seal_record(
        &self,
        key: &StoreKey,
        record: &RememberedRecord,
        now: Timestamp,
    ) -> Result<Write, StoreError> {
        let json = serde_json::to_vec(record).map_err(|error| StoreError::Corrupt(error.into()))?;
        let value = self.records.seal(key, vec![FORMAT], json)?;
        let last = record.devices.iter().map(|device| device.expires_at).max();
        Ok(Write::new(value, last.unwrap_or(now)))
    }

    fn key(&self, subject: &str) -> StoreKey {
        let parts = [self.issuer.as_bytes(), subject.as_bytes()];
        StoreKey::new(NAMESPACE, &parts)
    }
}

impl From<StoredRememberedDevice> for RememberedDevice {
    fn from(device: StoredRememberedDevice) -> Self {
        let StoredRememberedDevice {
            id,
            name,
            created_at,
            expires_at,
        } = device;
        Self {
            id,
            name,
            created_at,
            expires_at,
        }
    }
}

impl fmt::Debug for RememberedDevices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RememberedDevices").finish_non_exhaustive()
    }
}

/// Part of a hash of the id, which only the token contains.
fn public_id(id: &DeviceId) -> String {
    URL_SAFE_NO_PAD.encode_to_string(&secret::hash([id.as_slice()])[..16])
}

/// A write may revoke a device.
const NAMESPACE: Namespace = Namespace::new("remembered-devices").revoking();
const FORMAT: u8 = 1;
/// More than anybody uses; the oldest one is removed.
const MAX_DEVICES: usize = 20;
