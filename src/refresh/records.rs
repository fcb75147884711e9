//! How the engine reads and writes the records of devices, and what becomes of one that does not open.

use super::{account::Account, engine::TokenPairs, record};
use crate::{
    clock::Timestamp,
    error::StoreError,
    event::{Event, EventKind},
    secret::record::UnsealError,
    store::{Entry, Key, Store, Write},
};

impl<U: Send + Sync + 'static> TokenPairs<U> {
    /// The devices under `key` as they were read. A record that was damaged counts as absent: its tokens are
    /// rejected, and the next login replaces it. One under a secret that is not here is an error: while a secret is
    /// being rotated, its devices live on at other nodes.
    pub(super) fn account(
        &self,
        key: &Key,
        entry: Option<&Entry>,
    ) -> Result<Option<Account>, StoreError> {
        let Some(entry) = entry else {
            return Ok(None);
        };
        match record::decode(&self.inner.records, key, &entry.value) {
            Ok(account) => Ok(Some(account)),
            Err(UnsealError::UnknownKey) => {
                let reason = "the devices are sealed under a secret that is not accepted here";
                Err(StoreError::Unavailable(reason.into()))
            }
            Err(unreadable) => {
                self.tell_unreadable(unreadable);
                Ok(None)
            }
        }
    }

    /// The same for what replaces the record: whatever does not open counts as absent, so that it keeps nobody
    /// from logging in.
    pub(super) fn account_to_replace(&self, key: &Key, entry: Option<&Entry>) -> Option<Account> {
        let decoded = record::decode(&self.inner.records, key, &entry?.value);
        decoded
            .inspect_err(|unreadable| self.tell_unreadable(*unreadable))
            .ok()
    }

    pub(super) async fn read_account(&self, key: &Key) -> Result<Option<Account>, StoreError> {
        let entry = self.inner.store.get(key).await?;
        self.account(key, entry.as_ref())
    }

    pub(super) fn tell_unreadable(&self, unreadable: UnsealError) {
        let reason = unreadable.reason();
        tracing::error!(
            reason,
            "a record of devices does not open and counts as absent"
        );
        let event = Event::new(EventKind::RecordUnreadable, self.inner.clock.now());
        self.inner.events.tell(&event);
    }

    /// Whether `key` is where this issuer keeps the devices of the record's subject.
    pub(super) fn is_of(&self, account: &Account, key: &Key) -> bool {
        self.key(&account.subject) == *key
    }

    pub(super) fn write(
        &self,
        key: &Key,
        account: &Account,
        now: Timestamp,
    ) -> Result<Write, StoreError> {
        let expires_at = account.expires_at(now);
        let value = record::encode(&self.inner.records, key, account)?;
        Ok(Write::new(value, expires_at))
    }
}
