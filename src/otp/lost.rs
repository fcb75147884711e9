//! Handles records that cannot be opened.

use super::{engine::Otp, record::OtpOpenError};
use crate::{
    error::StoreError,
    event::{Event, EventKind},
    rejection::Rejection,
};

/// Why the record of a second factor cannot be read.
#[derive(Debug)]
pub(super) enum OtpRecordError {
    Store(StoreError),
    Open(OtpOpenError),
}

impl From<StoreError> for OtpRecordError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<OtpOpenError> for OtpRecordError {
    fn from(error: OtpOpenError) -> Self {
        Self::Open(error)
    }
}

impl Otp {
    /// Returns whether `subject` has a confirmed authenticator, or an unreadable record. This is
    /// for display only: whether a code is required is a field of the user, since a lost record
    /// must not grant access.
    ///
    /// # Errors
    ///
    /// When the store does not answer.
    pub async fn is_enrolled(&self, subject: &str) -> Result<bool, StoreError> {
        let key = self.key(subject);
        let entry = self.inner.store.get(&key).await?;
        let read = self.read(&key, entry.as_ref());
        Ok(read.map_or(true, |record| record.active.is_some()))
    }

    /// Returns a number that identifies the authenticator of `subject`: another authenticator has
    /// another number. `None` if the record is unreadable.
    #[cfg(feature = "account")]
    pub(crate) async fn enrolment(&self, subject: &str) -> Result<Option<u32>, StoreError> {
        let key = self.key(subject);
        let entry = self.inner.store.get(&key).await?;
        let record = self.read(&key, entry.as_ref()).ok();
        let active = record.and_then(|record| record.active);
        Ok(active.map(|active| {
            let [a, b, c, d, ..] = crate::secret::hash([active.secret.expose()]);
            u32::from_be_bytes([a, b, c, d])
        }))
    }

    /// Rejects a request that needs an unreadable record, and reports it. Such a record never
    /// counts as no second factor: a party that can damage a record, or make an operator retire a
    /// secret, must not gain access that way.
    pub(super) fn record_rejection(&self, error: OtpRecordError, subject: &str) -> Rejection {
        let reason = match error {
            OtpRecordError::Store(error) => return error.into(),
            OtpRecordError::Open(OtpOpenError::Retired) => {
                "the record of one-time codes is sealed under a retired secret"
            }
            OtpRecordError::Open(OtpOpenError::Damaged) => {
                "the record of one-time codes is damaged"
            }
        };
        tracing::error!(reason, "a second factor cannot be verified");
        let unreadable = Event::new(EventKind::OtpUnreadable, self.inner.clock.now());
        self.inner.events.tell(&unreadable.of(subject));
        Rejection::factor_lost(reason)
    }
}
