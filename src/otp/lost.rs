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
    /// Says that a record does not open, where somebody needs it to. It never counts as no second factor: whoever can damage a
    /// record, or make an operator retire a secret, must not get in by that.
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
