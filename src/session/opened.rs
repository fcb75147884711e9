//! A session as it was opened, and the possible results of looking one up.

use std::{sync::Arc, time::Duration};

use super::{
    record::{SessionOwner, SessionRecord},
    token::{SessionToken, public_id},
};
use crate::{
    clock::Timestamp,
    error::StoreError,
    store::{StoreKey, Version},
};

/// A record as it was read or written, with the token that opens it.
#[derive(Clone)]
pub(super) struct OpenSession {
    pub(super) token: SessionToken,
    pub(super) key: StoreKey,
    pub(super) record: Arc<SessionRecord>,
    pub(super) version: Version,
}

/// The result of looking up a token.
pub(super) enum Lookup<T> {
    /// A live session.
    Live(T),
    /// A session whose id was cycled a moment ago, so that a request with the old id may still be
    /// in flight. Such a request must not create a session, because its cookie would replace the
    /// new one.
    Replaced,
    /// An unreadable record. It counts as absent, since its holder could otherwise neither log in
    /// nor log out until it expires.
    Unreadable(UnreadableSession),
    /// No session, or no longer.
    Gone,
}

/// A session whose record is unreadable.
pub(super) struct UnreadableSession {
    pub(super) token: SessionToken,
    pub(super) cause: StoreError,
}

impl<T> Lookup<T> {
    pub(super) fn map<V>(self, change: impl FnOnce(T) -> V) -> Lookup<V> {
        match self {
            Self::Live(found) => Lookup::Live(change(found)),
            Self::Replaced => Lookup::Replaced,
            Self::Unreadable(unreadable) => Lookup::Unreadable(unreadable),
            Self::Gone => Lookup::Gone,
        }
    }
}

impl OpenSession {
    pub(super) fn id(&self) -> String {
        public_id(&self.key)
    }

    pub(super) fn owner(&self) -> Option<&SessionOwner> {
        self.record.head.owner.as_ref()
    }

    pub(super) fn belongs_to(&self, owner: &SessionOwner) -> bool {
        self.owner()
            .is_some_and(|own| own.issuer == owner.issuer && own.id == owner.id)
    }

    pub(super) fn remaining(&self, now: Timestamp) -> Duration {
        self.record.head.absolute_at.since(now)
    }
}

/// Longer than a browser's request is in flight, and short enough not to delay a new anonymous
/// session noticeably.
pub(super) const REPLACED_WINDOW: Duration = Duration::from_secs(60);
