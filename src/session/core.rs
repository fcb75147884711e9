//! Session operations on records, without the application's types.
//!
//! Every change is one compare-and-swap on one record, made by somebody who holds its current secret.
//! So a holder of an old secret changes nothing, and what was deleted stays deleted.

use std::{any::TypeId, sync::Arc};

use super::{
    lookup::{Lookup, Opened, UNDER_WAY},
    record::{Head, Lifetime, Owner, Record, moved},
    reread::Reread,
    token::{TagKeys, Token, public_id},
};
use crate::{
    clock::Clock,
    error::StoreError,
    event::{Event, EventKind, Events},
    request::cookie::CookieSpec,
    secret::Secret,
    store::{
        Key, Namespace, Store, When, Write,
        swap::{Step, create, swap, swap_once},
    },
};

pub(super) struct Core {
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) events: Events,
    pub(super) tags: TagKeys,
    pub(super) cookie: CookieSpec,
    pub(super) lifetime: Lifetime,
    pub(super) issuer: String,
    pub(super) is_plain: bool,
    /// How users are read anew, if they are.
    pub(super) reread: Option<Reread>,
    /// What the engine's `U` is: a handle that is given another one must say so.
    pub(super) user_type: TypeId,
}

/// Which secret a changed record gets.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum NewId {
    Keep,
    Renew,
}

impl Core {
    pub(super) fn text(&self, token: &Token) -> Secret<String> {
        TagKeys::encode(token)
    }

    /// Stores a new record under a new token.
    pub(super) async fn insert(&self, record: Record) -> Result<Opened, StoreError> {
        let token = self.tags.generate();
        let key = token.key();
        let version = create(&*self.store, &*self.clock, &key, |entry| {
            if entry.is_some() {
                let reason = "128 random bits were taken already";
                return Err(StoreError::Corrupt(reason.into()));
            }
            let write = self.write(&record, &token, &key)?;
            let version = write.version;
            Ok(Step::Swap(write, version))
        })
        .await?;
        let record = Arc::new(record);
        Ok(Opened {
            token,
            key,
            record,
            version,
        })
    }

    /// Changes the record that `token` opens until no other change comes between, or the deadline.
    /// `Ok(None)` says that there is no such session, or not any more.
    pub(super) async fn change<T, E: From<StoreError>>(
        &self,
        token: &Token,
        new_id: NewId,
        mut edit: impl FnMut(&mut Record) -> Result<T, E>,
    ) -> Result<Option<(T, Opened)>, E> {
        let key = token.key();
        let next = match new_id {
            NewId::Keep => token.clone(),
            NewId::Renew => self.tags.renewed(token),
        };
        swap_once(&*self.store, &*self.clock, &key, |entry| {
            let Lookup::Live(opened) = self.unseal(token, &key, entry) else {
                return Ok(Step::Keep(None));
            };
            let mut record = Record::clone(&opened.record);
            let answer = edit(&mut record)?;
            let now = self.clock.now();
            record.head.see(self.lifetime.idle, now);
            if new_id == NewId::Renew {
                record.head.renewed_at = now;
            }
            let write = self.write(&record, &next, &key)?;
            let changed = Opened {
                token: next.clone(),
                key: key.clone(),
                record: Arc::new(record),
                version: write.version,
            };
            Ok(Step::Swap(write, Some((answer, changed))))
        })
        .await
    }

    /// Notes that the session is in use, at most once per twentieth of its idle time. Losing against
    /// another change is fine: that one noted it too.
    pub(super) async fn touch(&self, opened: &Opened) {
        let mut record = Record::clone(&opened.record);
        record.head.see(self.lifetime.idle, self.clock.now());
        let touching = async {
            let write = self.write(&record, &opened.token, &opened.key)?.quietly();
            let when = When::Unchanged(opened.version);
            self.store.put(&opened.key, write, when).await
        };
        if let Err(error) = touching.await {
            tracing::debug!(error = %error, "a session was not touched");
        }
    }

    pub(super) fn needs_touch(&self, opened: &Opened) -> bool {
        let unseen = self.clock.now().since(opened.record.head.seen_at);
        unseen > self.lifetime.idle / TOUCHES_PER_IDLE
    }

    /// Ends the session that `token` is for. Another holder's new secret is no protection: who held the
    /// session a moment ago may end it.
    pub(super) async fn end(&self, token: &Token) -> Result<bool, StoreError> {
        let key = token.key();
        let Some(entry) = self.store.take(&key).await? else {
            return Ok(false);
        };
        // What does not read is gone all the same, and has nobody to tell of.
        if let Ok(Some(Head { owner, .. })) = Head::decode(&entry.value) {
            self.tell(EventKind::SessionLoggedOut, owner.as_ref(), &key);
        }
        Ok(true)
    }

    /// Ends the session that was `left` for another, hands over its last state, and leaves a note of the
    /// move for requests that are under way.
    pub(super) async fn retire(&self, left: &Opened) -> Result<Option<Arc<Record>>, StoreError> {
        let key = &left.key;
        swap(&*self.store, &*self.clock, key, |entry| {
            let Lookup::Live(opened) = self.unseal(&left.token, key, entry) else {
                return Ok(Step::Keep(None));
            };
            let now = self.clock.now();
            let note = Write::new(moved(now), now.after(UNDER_WAY));
            let note = self.in_group(&opened.record.head, note);
            Ok(Step::Swap(note, Some(opened.record)))
        })
        .await
    }

    /// Ends every session of `subject`, those being created right now included.
    pub(super) async fn clear(&self, subject: &str) -> Result<u64, StoreError> {
        // Whoever logs in compares epochs after writing, so the order matters: a session that this
        // listing misses was written later than the epoch, and its login withdraws it.
        let is_noted = match self.revoke_logins(subject).await {
            Ok(()) => true,
            Err(StoreError::Full) => false,
            Err(error) => return Err(error),
        };
        let mut ended = self.store.remove_group(&self.group(subject)).await?;
        if !is_noted {
            // What was removed has made room.
            self.revoke_logins(subject).await?;
            ended += self.store.remove_group(&self.group(subject)).await?;
        }
        let cleared = Event::new(EventKind::SessionsCleared, self.clock.now());
        self.events.tell(&cleared.of(subject));
        Ok(ended)
    }

    /// Ends the session under `key`, which is one of `list`.
    pub(super) async fn revoke(&self, key: &Key, head: &Head) -> Result<bool, StoreError> {
        let is_ended = self.store.take(key).await?.is_some();
        if is_ended {
            self.tell(EventKind::SessionRevoked, head.owner.as_ref(), key);
        }
        Ok(is_ended)
    }

    pub(super) fn told(&self, kind: EventKind, opened: &Opened) {
        self.tell(kind, opened.owner(), &opened.key);
    }

    /// Tells of a user's session; what nobody is logged in to is not worth it.
    pub(super) fn tell(&self, kind: EventKind, owner: Option<&Owner>, key: &Key) {
        let Some(owner) = owner else {
            return;
        };
        let event = Event::new(kind, self.clock.now()).of(owner.id.as_str());
        self.events.tell(&event.in_session(public_id(key)));
    }

    /// The live records of `subject`, each with its key, but for those that do not read.
    pub(super) async fn list(&self, subject: &str) -> Result<Vec<(Key, Head)>, StoreError> {
        let now = self.clock.now();
        let entries = self.store.list(&self.group(subject)).await?;
        let mut live = Vec::with_capacity(entries.len());
        for (key, entry) in entries {
            match Head::decode(&entry.value) {
                Ok(Some(head)) if head.is_live(now) => live.push((key, head)),
                Ok(_) => {}
                Err(cause) => self.tell_unreadable(&key, &cause),
            }
        }
        Ok(live)
    }

    pub(super) fn write(
        &self,
        record: &Record,
        token: &Token,
        key: &Key,
    ) -> Result<Write, StoreError> {
        let head = &record.head;
        let value = record.encode(token, key, self.is_plain)?;
        Ok(self.in_group(head, Write::new(value, head.idle_at.min(head.absolute_at))))
    }

    pub(super) fn in_group(&self, head: &Head, write: Write) -> Write {
        match &head.owner {
            Some(Owner { issuer, id, .. }) => write.in_group(group(issuer, id)),
            None => write,
        }
    }

    fn group(&self, subject: &str) -> Key {
        group(&self.issuer, subject)
    }
}

fn group(issuer: &str, subject: &str) -> Key {
    Key::new(OF_USER, &[issuer.as_bytes(), subject.as_bytes()])
}

/// The sessions of a user.
const OF_USER: Namespace = Namespace::new("session-user").cached();

/// One write per twentieth of the idle time keeps the deadline true to 5 %.
const TOUCHES_PER_IDLE: u32 = 20;
