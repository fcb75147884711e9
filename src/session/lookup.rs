//! Finds the live record for the text of a cookie.

use std::{error::Error, sync::Arc, time::Duration};

use super::{
    core::SessionsInner,
    record::{DecodedRecord, SessionHead, SessionOwner, SessionRecord},
    token::{SessionToken, public_id},
};
use crate::{
    clock::Timestamp,
    error::StoreError,
    event::{Event, EventKind},
    store::{Entry, StoreKey, Version, confirmed::confirmed},
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
    cause: StoreError,
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

impl SessionsInner {
    /// Returns the session that `text` opens. A made-up text is rejected without a read.
    pub(super) async fn open(&self, text: &str) -> Result<Lookup<OpenSession>, StoreError> {
        match self.tags.decode(text) {
            Some(token) => self.read(token).await,
            None => Ok(Lookup::Gone),
        }
    }

    /// Reads the record of `token`.
    pub(super) async fn read(
        &self,
        token: SessionToken,
    ) -> Result<Lookup<OpenSession>, StoreError> {
        let key = token.key();
        let entry = self.store.get(&key).await?;
        Ok(self.report_if_unreadable(&key, self.unseal(&token, &key, entry.as_ref())))
    }

    /// Reports an unreadable record once the store itself, not a near-cache, has returned it.
    fn report_if_unreadable<T>(&self, key: &StoreKey, found: Lookup<T>) -> Lookup<T> {
        if let Lookup::Unreadable(UnreadableSession { cause, .. }) = &found {
            self.report_unreadable(key, cause);
        }
        found
    }

    pub(super) fn report_unreadable(&self, key: &StoreKey, cause: &StoreError) {
        let session = public_id(key);
        tracing::error!(session, error = %cause, reason = cause.source(), "a session record is unreadable and counts as absent");
        let event = Event::new(EventKind::SessionUnreadable, self.clock.now());
        self.events.tell(&event.in_session(session));
    }

    /// Returns the session that `text` opens, for authentication. `Live(None)` means that it has
    /// not changed since it was `cached`. A near-cache may confirm a session; a negative answer
    /// always comes from the store.
    pub(super) async fn read_cached(
        &self,
        text: &str,
        cached: Option<&OpenSession>,
    ) -> Result<Lookup<Option<OpenSession>>, StoreError> {
        let token = match cached {
            Some(cached) => Some(cached.token.clone()),
            None => self.tags.decode(text),
        };
        let Some(token) = token else {
            return Ok(Lookup::Gone);
        };
        let key = cached.map_or_else(|| token.key(), |cached| cached.key.clone());
        let decide = |entry: Option<&Entry>| {
            let version = entry.map(|entry| entry.version);
            let is_unchanged = cached.is_some_and(|cached| {
                Some(cached.version) == version && cached.record.head.is_live(self.clock.now())
            });
            if is_unchanged {
                return Ok::<_, StoreError>(Lookup::Live(None));
            }
            Ok(self.unseal(&token, &key, entry).map(Some))
        };
        let is_live = |found: &Lookup<_>| matches!(found, Lookup::Live(_));
        let found = confirmed(&*self.store, &key, decide, is_live).await?;
        Ok(self.report_if_unreadable(&key, found.answer))
    }

    pub(super) fn unseal(
        &self,
        token: &SessionToken,
        key: &StoreKey,
        entry: Option<&Entry>,
    ) -> Lookup<OpenSession> {
        let Some(entry) = entry else {
            return Lookup::Gone;
        };
        let now = self.clock.now();
        match SessionRecord::decode(&entry.value, token, key, self.is_plain) {
            Ok(DecodedRecord::Open(record))
                if record.head.is_live(now) && self.is_of_issuer(&record.head) =>
            {
                Lookup::Live(OpenSession {
                    token: token.clone(),
                    key: key.clone(),
                    record,
                    version: entry.version,
                })
            }
            Ok(DecodedRecord::Replaced(at)) if now < at.after(REPLACED_WINDOW) => Lookup::Replaced,
            Ok(DecodedRecord::Open(_) | DecodedRecord::Replaced(_)) => Lookup::Gone,
            Err(cause) => Lookup::Unreadable(UnreadableSession {
                token: token.clone(),
                cause,
            }),
        }
    }
}

impl SessionsInner {
    /// Whether the session belongs to this issuer. The tag of its token already proves that.
    fn is_of_issuer(&self, head: &SessionHead) -> bool {
        let owner = head.owner.as_ref();
        owner.is_none_or(|owner| owner.issuer == self.issuer)
    }
}

impl OpenSession {
    pub(super) fn id(&self) -> String {
        public_id(&self.key)
    }

    pub(super) fn owner(&self) -> Option<&SessionOwner> {
        self.record.head.owner.as_ref()
    }

    pub(super) fn remaining(&self, now: Timestamp) -> Duration {
        self.record.head.absolute_at.since(now)
    }
}

/// Longer than a browser's request is in flight, and short enough not to delay a new anonymous
/// session noticeably.
pub(super) const REPLACED_WINDOW: Duration = Duration::from_secs(60);
