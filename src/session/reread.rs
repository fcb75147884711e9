//! Users are read anew while their sessions live.
//!
//! A session holds its user as of the login. Where the engine was given [users](super::SessionsBuilder::users),
//! a user who was read too long ago is read again before the session counts: a user who is gone or disabled
//! is logged out, and other roles, scopes or data are written to the session. A store or table that does not
//! answer is an error, never an answer.

use std::{marker::PhantomData, sync::Arc, time::Duration};

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use super::{
    core::Core,
    lookup::{Lookup, Opened},
    record::{Head, Record, with_reread_due},
};
use crate::{
    error::StoreError,
    event::EventKind,
    grant::{Grant, ReadUser},
    store::{
        Key, StoreFuture, Write,
        swap::{Step, swap},
    },
};

/// How users are read anew, without their type.
pub(super) struct Reread {
    users: Arc<dyn ReadSnapshot>,
    max_age: Duration,
}

impl Reread {
    pub(super) fn new(users: Arc<dyn ReadSnapshot>, max_age: Duration) -> Self {
        Self { users, max_age }
    }
}

/// A user as a session holds it.
pub(super) struct Snapshot {
    user: Box<RawValue>,
    roles: Vec<String>,
    scopes: Vec<String>,
}

pub(super) trait ReadSnapshot: Send + Sync {
    fn read<'a>(&'a self, subject: &'a str) -> StoreFuture<'a, Option<Snapshot>>;
}

/// The users of one type.
pub(super) struct Snapshots<U, R>(R, PhantomData<fn() -> U>);

impl<U, R> Snapshots<U, R> {
    pub(super) const fn new(users: R) -> Self {
        Self(users, PhantomData)
    }
}

impl<U, R> ReadSnapshot for Snapshots<U, R>
where
    U: Serialize + Send + Sync + 'static,
    R: ReadUser<U>,
{
    fn read<'a>(&'a self, subject: &'a str) -> StoreFuture<'a, Option<Snapshot>> {
        Box::pin(async move {
            let grant = self.0.read_user(subject).await?;
            grant.map(|grant| snapshot(grant, subject)).transpose()
        })
    }
}

fn snapshot<U: Serialize>(grant: Grant<U>, subject: &str) -> Result<Snapshot, StoreError> {
    if grant.subject != subject {
        let reason = "a user was read with another subject than asked for";
        return Err(StoreError::Corrupt(reason.into()));
    }
    let user = to_raw_value(&grant.user).map_err(|error| StoreError::Corrupt(error.into()))?;
    Ok(Snapshot {
        user,
        roles: grant.roles,
        scopes: grant.scopes,
    })
}

impl Snapshot {
    fn is_in(&self, record: &Record) -> bool {
        let user = record.body.user.as_ref().map(|user| user.get());
        record.head.owner.as_ref().is_some_and(|owner| {
            owner.roles == self.roles
                && owner.scopes == self.scopes
                && user == Some(self.user.get())
        })
    }

    fn write_to(&self, record: &mut Record) {
        if let Some(owner) = &mut record.head.owner {
            owner.roles.clone_from(&self.roles);
            owner.scopes.clone_from(&self.scopes);
        }
        record.body.user = Some(self.user.clone());
    }
}

/// What reading the user anew leads to.
pub(super) enum Fresh {
    /// The session as it was found.
    AsFound,
    /// The session with its user as of now.
    Changed(Opened),
    /// The user is gone or disabled, or the session has ended meanwhile.
    Gone,
}

impl Core {
    /// Whether the user must be read anew before the session counts.
    pub(super) fn is_reread_due(&self, head: &Head) -> bool {
        let Some(reread) = &self.reread else {
            return false;
        };
        head.owner.is_some()
            && (head.is_reread_due || self.clock.now().since(head.read_at) >= reread.max_age)
    }

    /// Reads the user anew.
    pub(super) async fn reread(&self, opened: &Opened) -> Result<Fresh, StoreError> {
        let (Some(reread), Some(owner)) = (&self.reread, opened.owner()) else {
            return Ok(Fresh::AsFound);
        };
        let mut opened = opened.clone();
        for _ in 0..ROUNDS {
            let Some(snapshot) = reread.users.read(&owner.id).await? else {
                if self.store.take(&opened.key).await?.is_some() {
                    self.told(EventKind::SessionRevoked, &opened);
                }
                return Ok(Fresh::Gone);
            };
            let head = &opened.record.head;
            if reread.max_age.is_zero() && !head.is_reread_due && snapshot.is_in(&opened.record) {
                return Ok(Fresh::AsFound);
            }
            match self.keep_snapshot(&opened, &snapshot).await? {
                Some((changed, true)) => return Ok(Fresh::Changed(changed)),
                // Another request has written meanwhile: perhaps a user who was read later than this one.
                Some((current, false)) if !self.is_reread_due(&current.record.head) => {
                    return Ok(Fresh::Changed(current));
                }
                Some((current, false)) => opened = current,
                None => return Ok(Fresh::Gone),
            }
        }
        Err(StoreError::Contended)
    }

    /// Writes the snapshot if nothing has changed since the session was `opened`, which was before the user
    /// was read. Returns the session as it is now, and whether it was written.
    async fn keep_snapshot(
        &self,
        opened: &Opened,
        snapshot: &Snapshot,
    ) -> Result<Option<(Opened, bool)>, StoreError> {
        let key = &opened.key;
        swap(&*self.store, &*self.clock, key, |entry| {
            let Lookup::Live(current) = self.unseal(&opened.token, key, entry) else {
                return Ok(Step::Keep(None));
            };
            if current.version != opened.version {
                return Ok(Step::Keep(Some((current, false))));
            }
            let mut record = Record::clone(&current.record);
            snapshot.write_to(&mut record);
            let now = self.clock.now();
            record.head.see(self.lifetime.idle, now);
            record.head.read_at = now;
            record.head.is_reread_due = false;
            let write = self.write(&record, &opened.token, key)?;
            let changed = Opened {
                version: write.version,
                record: Arc::new(record),
                ..current
            };
            Ok::<_, StoreError>(Step::Swap(write, Some((changed, true))))
        })
        .await
    }

    /// Makes the user of every session of `subject` be read anew at the next request, on every node; those
    /// of logins under way included.
    pub(super) async fn reread_all(&self, subject: &str) -> Result<(), StoreError> {
        // A session that the listing misses is of a login under way, and begins with the mark.
        for (key, head) in self.list(subject).await? {
            self.mark_reread_due(&key, &head).await?;
        }
        Ok(())
    }

    /// The mark is outside of what is sealed, since only the holder of the session can seal. A party that
    /// removes it in the store gains no more than the age that a user may have anyway.
    async fn mark_reread_due(&self, key: &Key, head: &Head) -> Result<(), StoreError> {
        swap(&*self.store, &*self.clock, key, |entry| {
            let marked = entry.and_then(|entry| Some((entry, with_reread_due(&entry.value)?)));
            Ok::<_, StoreError>(match marked {
                // Written also where the mark is there: a request that reads the user now must not take
                // the mark for one that it has heeded.
                Some((entry, value)) => {
                    let write = Write::new(value, entry.expires_at);
                    Step::Swap(self.in_group(head, write), ())
                }
                None => Step::Keep(()),
            })
        })
        .await
    }
}

/// More than other requests of one session write while a user is read.
const ROUNDS: usize = 8;
