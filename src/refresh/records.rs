//! Reads and writes the records of devices, and handles unreadable ones.

use std::sync::Arc;

use super::{
    device::StoredDevice,
    devices::{DeviceRecord, Moment},
    encoding,
    outages::{Outage, WatchedStore},
};
use crate::{
    clock::{Clock, Timestamp},
    error::StoreError,
    event::{Event, EventKind, Events},
    identity::Identity,
    rejection::Rejection,
    store::{
        Entry, Namespace, Store, StoreKey, Write,
        confirmed::confirmed,
        sealed::{RecordKeys, UnsealError},
        swap::{Step, swap},
    },
};

/// The records of one issuer's devices.
pub(super) struct DeviceRecords {
    pub(super) store: WatchedStore,
    /// The store for requests with access tokens, which is not watched for outages.
    pub(super) cached: Arc<dyn Store>,
    /// A random id of this engine, which distinguishes its clock from that of other nodes.
    pub(super) node: u64,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) issuer: String,
    pub(super) keys: RecordKeys,
    pub(super) events: Events,
}

impl DeviceRecords {
    pub(super) const fn moment<'a>(&self, now: Timestamp, outages: &'a [Outage]) -> Moment<'a> {
        Moment {
            now,
            node: self.node,
            outages,
        }
    }

    pub(super) fn key(&self, subject: &str) -> StoreKey {
        StoreKey::new(NAMESPACE, &[self.issuer.as_bytes(), subject.as_bytes()])
    }

    /// Decodes the record under `key`. A damaged record counts as absent: its tokens are rejected,
    /// and the next login replaces it. A record under a secret that this node does not have is an
    /// error, since other nodes still use its devices while the secret is being rotated.
    pub(super) fn decode(
        &self,
        key: &StoreKey,
        entry: Option<&Entry>,
    ) -> Result<Option<DeviceRecord>, StoreError> {
        let Some(entry) = entry else {
            return Ok(None);
        };
        match encoding::decode(&self.keys, key, &entry.value) {
            Ok(record) => Ok(Some(record)),
            Err(UnsealError::UnknownKey) => {
                let reason = "the devices are sealed under a secret that is not accepted here";
                Err(StoreError::Unavailable(reason.into()))
            }
            Err(unreadable) => {
                self.report_unreadable(unreadable);
                Ok(None)
            }
        }
    }

    /// Like [`decode`](Self::decode), for operations that replace the record. Every
    /// unreadable record counts as absent, so that it prevents no login.
    pub(super) fn decode_to_replace(
        &self,
        key: &StoreKey,
        entry: Option<&Entry>,
    ) -> Option<DeviceRecord> {
        let decoded = encoding::decode(&self.keys, key, &entry?.value);
        decoded
            .inspect_err(|unreadable| self.report_unreadable(*unreadable))
            .ok()
    }

    pub(super) async fn read(&self, key: &StoreKey) -> Result<Option<DeviceRecord>, StoreError> {
        let entry = self.store.get(key).await?;
        self.decode(key, entry.as_ref())
    }

    pub(super) fn report_unreadable(&self, unreadable: UnsealError) {
        let reason = unreadable.reason();
        tracing::error!(
            reason,
            "a record of devices is unreadable and counts as absent"
        );
        let event = Event::new(EventKind::RecordUnreadable, self.clock.now());
        self.events.tell(&event);
    }

    /// Whether `key` is the store key of the record's subject under this issuer.
    pub(super) fn is_at_own_key(&self, record: &DeviceRecord, key: &StoreKey) -> bool {
        self.key(&record.subject) == *key
    }

    pub(super) fn write(
        &self,
        key: &StoreKey,
        record: &DeviceRecord,
        now: Timestamp,
    ) -> Result<Write, StoreError> {
        let expires_at = record.expires_at(now);
        let value = encoding::encode(&self.keys, key, record)?;
        Ok(Write::new(value, expires_at))
    }

    /// Changes an existing record. `None` from `edit` leaves it unchanged.
    pub(super) async fn change<T>(
        &self,
        key: &StoreKey,
        mut edit: impl FnMut(&mut DeviceRecord, Timestamp) -> Option<T>,
    ) -> Result<Option<T>, StoreError> {
        swap(&self.store, &*self.clock, key, |entry| {
            let Some(mut record) = self.decode(key, entry)? else {
                return Ok(Step::Keep(None));
            };
            let now = self.clock.now();
            match edit(&mut record, now) {
                Some(answer) => Ok(Step::Swap(self.write(key, &record, now)?, Some(answer))),
                None => Ok(Step::Keep(None)),
            }
        })
        .await
    }

    /// Checks that the record lists the device. If the record was lost, the user is logged out,
    /// never authenticated.
    pub(super) async fn check_device(&self, identity: &Identity) -> Result<(), Rejection> {
        let revoked = || Rejection::invalid("the device has expired or was revoked");
        let id = identity.session_id().ok_or_else(revoked)?;
        let key = self.key(identity.subject().id());
        let has_device = |entry: Option<&Entry>| {
            let found = entry.map(|entry| self.has_device(&key, entry, id));
            Ok::<_, Rejection>(found.unwrap_or_default())
        };
        let store = &*self.cached;
        let found = confirmed(store, &key, has_device, |is_there| *is_there).await?;
        if !found.answer {
            return Err(revoked());
        }
        Ok(())
    }

    fn has_device(&self, key: &StoreKey, entry: &Entry, id: &str) -> bool {
        let found = encoding::has_device(&self.keys, key, &entry.value, id);
        found.unwrap_or_else(|unreadable| {
            self.report_unreadable(unreadable);
            false
        })
    }

    pub(super) fn emit(&self, kind: EventKind, subject: &str, device: Option<&StoredDevice>) {
        self.events.tell(&self.event(kind, subject, device));
    }

    pub(super) fn event(
        &self,
        kind: EventKind,
        subject: &str,
        device: Option<&StoredDevice>,
    ) -> Event {
        let mut event = Event::new(kind, self.clock.now()).of(subject);
        event.session_id = device.map(StoredDevice::id);
        event
    }
}

/// The records of devices. Every request reads its device, and a write may revoke one.
pub(super) const NAMESPACE: Namespace = Namespace::new("account").cached().revoking();
