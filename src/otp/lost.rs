//! What becomes of a user whose record does not open.

use super::{engine::Otp, record::Sealed};
use crate::{
    error::StoreError,
    event::{Event, EventKind},
    rejection::Rejection,
};

/// Why nothing is known of a second factor that is there.
#[derive(Debug)]
pub(super) enum Unread {
    Store(StoreError),
    Sealed(Sealed),
}

impl From<StoreError> for Unread {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<Sealed> for Unread {
    fn from(sealed: Sealed) -> Self {
        Self::Sealed(sealed)
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
    pub(super) fn refuse_unread(&self, unread: Unread, subject: &str) -> Rejection {
        let sealed = match unread {
            Unread::Store(error) => return error.into(),
            Unread::Sealed(sealed) => sealed,
        };
        let reason = match sealed {
            Sealed::Retired => "the record of one-time codes is sealed under a retired secret",
            Sealed::Damaged => "the record of one-time codes is damaged",
        };
        tracing::error!(reason, "a second factor cannot be verified");
        let unreadable = Event::new(EventKind::OtpUnreadable, self.inner.clock.now());
        self.inner.events.tell(&unreadable.of(subject));
        Rejection::factor_lost(reason)
    }
}
