//! What becomes of a user whose record does not open.

use super::{engine::Otp, record::OtpOpenError};
use crate::{
    error::StoreError,
    event::{Event, EventKind},
    rejection::Rejection,
};

/// Why nothing is known of a second factor that is there.
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
    fn from(sealed: OtpOpenError) -> Self {
        Self::Open(sealed)
    }
}

impl Otp {
    /// Whether `subject` has a confirmed authenticator, also one whose record does not open. This is for showing it: whether a code must be asked for is a
    /// field of the user, since a record that was lost must not open anything.
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

    /// A number that stands for the authenticator that `subject` has: another one has another. One that cannot be read has none.
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

    /// Says that a record does not open, where somebody needs it to. It never counts as no second factor: a party that
    /// can damage a record, or make an operator retire a secret, must not get in by that.
    pub(super) fn record_rejection(&self, unread: OtpRecordError, subject: &str) -> Rejection {
        let sealed = match unread {
            OtpRecordError::Store(error) => return error.into(),
            OtpRecordError::Open(sealed) => sealed,
        };
        let reason = match sealed {
            OtpOpenError::Retired => {
                "the record of one-time codes is sealed under a retired secret"
            }
            OtpOpenError::Damaged => "the record of one-time codes is damaged",
        };
        tracing::error!(reason, "a second factor cannot be verified");
        let unreadable = Event::new(EventKind::OtpUnreadable, self.inner.clock.now());
        self.inner.events.tell(&unreadable.of(subject));
        Rejection::factor_lost(reason)
    }
}
