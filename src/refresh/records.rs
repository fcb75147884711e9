//! Reads and writes the records of devices, and handles unreadable ones.

use super::{account::DeviceRecord, engine::TokenPairs, record};
use crate::{
    clock::Timestamp,
    error::StoreError,
    event::{Event, EventKind},
    secret::record::UnsealError,
    store::{Entry, Store, StoreKey, Write},
};

impl<U: Send + Sync + 'static> TokenPairs<U> {
    /// Decodes the record under `key`. A damaged record counts as absent: its tokens are rejected,
    /// and the next login replaces it. A record under a secret that this node does not have is an
    /// error, since other nodes still use its devices while the secret is being rotated.
    pub(super) fn decode_record(
        &self,
        key: &StoreKey,
        entry: Option<&Entry>,
    ) -> Result<Option<DeviceRecord>, StoreError> {
        let Some(entry) = entry else {
            return Ok(None);
        };
        match record::decode(&self.inner.records, key, &entry.value) {
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

    /// Like [`decode_record`](Self::decode_record), for operations that replace the record. Every
    /// unreadable record counts as absent, so that it prevents no login.
    pub(super) fn record_to_replace(
        &self,
        key: &StoreKey,
        entry: Option<&Entry>,
    ) -> Option<DeviceRecord> {
        let decoded = record::decode(&self.inner.records, key, &entry?.value);
        decoded
            .inspect_err(|unreadable| self.report_unreadable(*unreadable))
            .ok()
    }

    pub(super) async fn read_record(
        &self,
        key: &StoreKey,
    ) -> Result<Option<DeviceRecord>, StoreError> {
        let entry = self.inner.store.get(key).await?;
        self.decode_record(key, entry.as_ref())
    }

    pub(super) fn report_unreadable(&self, unreadable: UnsealError) {
        let reason = unreadable.reason();
        tracing::error!(
            reason,
            "a record of devices is unreadable and counts as absent"
        );
        let event = Event::new(EventKind::RecordUnreadable, self.inner.clock.now());
        self.inner.events.tell(&event);
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
        let value = record::encode(&self.inner.records, key, record)?;
        Ok(Write::new(value, expires_at))
    }
}
