//! From the text of a cookie to a live record.

use std::{error::Error, sync::Arc, time::Duration};

use super::{
    core::Core,
    record::{Found, Head, Owner, Record},
    token::{Token, public_id},
};
use crate::{
    clock::Timestamp,
    error::StoreError,
    event::{Event, EventKind},
    store::{Entry, Key, Version, confirmed::confirmed},
};

/// A record as it was read or written, and the token that opens it.
#[derive(Clone)]
pub(super) struct Opened {
    pub(super) token: Token,
    pub(super) key: Key,
    pub(super) record: Arc<Record>,
    pub(super) version: Version,
}

/// What a token leads to.
pub(super) enum Lookup<T> {
    /// A live session.
    Live(T),
    /// A session that got a new id a moment ago, so that a request with the old one may still be under
    /// way. Such a request must not make a session of its own: its cookie would replace the new one.
    Replaced,
    /// A record that does not read. It counts as absent: its holder could else neither log in nor out until it expires.
    Unreadable(Unreadable),
    /// Nothing, or nothing any more.
    Gone,
}

/// What is left of a session that does not read.
pub(super) struct Unreadable {
    pub(super) token: Token,
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

impl Core {
    /// The session that `text` opens. A made-up text is refused without a read.
    pub(super) async fn open(&self, text: &str) -> Result<Lookup<Opened>, StoreError> {
        match self.tags.decode(text) {
            Some(token) => self.read(token).await,
            None => Ok(Lookup::Gone),
        }
    }

    /// Reads the record that `token` opens.
    pub(super) async fn read(&self, token: Token) -> Result<Lookup<Opened>, StoreError> {
        let key = token.key();
        let entry = self.store.get(&key).await?;
        Ok(self.told_of(&key, self.unseal(&token, &key, entry.as_ref())))
    }

    /// Reports a record that does not read, once the store itself has said so.
    fn told_of<T>(&self, key: &Key, found: Lookup<T>) -> Lookup<T> {
        if let Lookup::Unreadable(Unreadable { cause, .. }) = &found {
            self.tell_unreadable(key, cause);
        }
        found
    }

    pub(super) fn tell_unreadable(&self, key: &Key, cause: &StoreError) {
        let session = public_id(key);
        tracing::error!(session, error = %cause, reason = cause.source(), "a session does not read, and counts as absent");
        let event = Event::new(EventKind::SessionUnreadable, self.clock.now());
        self.events.tell(&event.in_session(session));
    }

    /// The session that `text` opens, for a request that only asks whether it lives: `Live(None)` says that it
    /// is as it was `known` to be. A near-cache may say yes; a no is the store's own.
    pub(super) async fn glance(
        &self,
        text: &str,
        known: Option<&Opened>,
    ) -> Result<Lookup<Option<Opened>>, StoreError> {
        let token = match known {
            Some(known) => Some(known.token.clone()),
            None => self.tags.decode(text),
        };
        let Some(token) = token else {
            return Ok(Lookup::Gone);
        };
        let key = known.map_or_else(|| token.key(), |known| known.key.clone());
        let judge = |entry: Option<&Entry>| {
            let version = entry.map(|entry| entry.version);
            let is_as_known = known.is_some_and(|known| {
                Some(known.version) == version && known.record.head.is_live(self.clock.now())
            });
            match is_as_known {
                true => Ok::<_, StoreError>(Lookup::Live(None)),
                false => Ok(self.unseal(&token, &key, entry).map(Some)),
            }
        };
        let is_live = |found: &Lookup<_>| matches!(found, Lookup::Live(_));
        let found = confirmed(&*self.store, &key, judge, is_live).await?;
        Ok(self.told_of(&key, found.answer))
    }

    pub(super) fn unseal(&self, token: &Token, key: &Key, entry: Option<&Entry>) -> Lookup<Opened> {
        let Some(entry) = entry else {
            return Lookup::Gone;
        };
        let now = self.clock.now();
        match Record::decode(&entry.value, token, key, self.is_plain) {
            Ok(Found::Open(record)) if record.head.is_live(now) && self.is_ours(&record.head) => {
                Lookup::Live(Opened {
                    token: token.clone(),
                    key: key.clone(),
                    record,
                    version: entry.version,
                })
            }
            Ok(Found::Replaced(at)) if now < at.after(UNDER_WAY) => Lookup::Replaced,
            Ok(Found::Open(_) | Found::Replaced(_)) => Lookup::Gone,
            Err(cause) => Lookup::Unreadable(Unreadable {
                token: token.clone(),
                cause,
            }),
        }
    }
}

impl Core {
    /// Whether the session is of this issuer. The tag of its token says so already.
    fn is_ours(&self, head: &Head) -> bool {
        let owner = head.owner.as_ref();
        owner.is_none_or(|owner| owner.issuer == self.issuer)
    }
}

impl Opened {
    pub(super) fn id(&self) -> String {
        public_id(&self.key)
    }

    pub(super) fn owner(&self) -> Option<&Owner> {
        self.record.head.owner.as_ref()
    }

    pub(super) fn remaining(&self, now: Timestamp) -> Duration {
        self.record.head.absolute_at.since(now)
    }
}

/// Longer than a browser's request takes on its way, shorter than anybody would wait for a page that sets
/// a cookie for guests.
pub(super) const UNDER_WAY: Duration = Duration::from_secs(60);
