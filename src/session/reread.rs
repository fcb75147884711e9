//! Re-reads the users of live sessions.
//!
//! A session holds its user as of the login. If the engine has
//! [users](super::SessionsBuilder::users), a user that was read too long ago is re-read before the
//! session is accepted. A user who was deleted or disabled is logged out, and changed roles, scopes
//! or data are written to the session. If the store or the user table does not answer, the result
//! is an error, never a decision.

use std::{marker::PhantomData, sync::Arc, time::Duration};

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use super::{
    core::SessionsInner,
    lookup::{Lookup, OpenSession},
    record::{SessionHead, SessionRecord, with_reread_flag},
};
use crate::{
    error::StoreError,
    event::EventKind,
    grant::{Grant, ReadUser},
    store::{
        StoreFuture, StoreKey, Write,
        swap::{Step, swap},
    },
};

/// How users are re-read, independent of their type.
pub(super) struct RereadPolicy {
    users: Arc<dyn ReadUserSnapshot>,
    max_age: Duration,
}

impl RereadPolicy {
    pub(super) fn new(users: Arc<dyn ReadUserSnapshot>, max_age: Duration) -> Self {
        Self { users, max_age }
    }
}

/// A user in the form that a session stores.
pub(super) struct UserSnapshot {
    user: Box<RawValue>,
    roles: Vec<String>,
    scopes: Vec<String>,
}

pub(super) trait ReadUserSnapshot: Send + Sync {
    fn read<'a>(&'a self, subject: &'a str) -> StoreFuture<'a, Option<UserSnapshot>>;
}

/// Reads users of one type as snapshots.
pub(super) struct SnapshotReader<U, R>(R, PhantomData<fn() -> U>);

impl<U, R> SnapshotReader<U, R> {
    pub(super) const fn new(users: R) -> Self {
        Self(users, PhantomData)
    }
}

impl<U, R> ReadUserSnapshot for SnapshotReader<U, R>
where
    U: Serialize + Send + Sync + 'static,
    R: ReadUser<U>,
{
    fn read<'a>(&'a self, subject: &'a str) -> StoreFuture<'a, Option<UserSnapshot>> {
        Box::pin(async move {
            let grant = self.0.read_user(subject).await?;
            grant.map(|grant| snapshot(grant, subject)).transpose()
        })
    }
}

fn snapshot<U: Serialize>(grant: Grant<U>, subject: &str) -> Result<UserSnapshot, StoreError> {
    if grant.subject != subject {
        let reason = "the user that was read has another subject than the one requested";
        return Err(StoreError::Corrupt(reason.into()));
    }
    let user = to_raw_value(&grant.user).map_err(|error| StoreError::Corrupt(error.into()))?;
    Ok(UserSnapshot {
        user,
        roles: grant.roles,
        scopes: grant.scopes,
    })
}

impl UserSnapshot {
    fn is_in(&self, record: &SessionRecord) -> bool {
        let user = record.body.user.as_ref().map(|user| user.get());
        record.head.owner.as_ref().is_some_and(|owner| {
            owner.roles == self.roles
                && owner.scopes == self.scopes
                && user == Some(self.user.get())
        })
    }

    fn write_to(&self, record: &mut SessionRecord) {
        if let Some(owner) = &mut record.head.owner {
            owner.roles.clone_from(&self.roles);
            owner.scopes.clone_from(&self.scopes);
        }
        record.body.user = Some(self.user.clone());
    }
}

/// The result of re-reading the user.
pub(super) enum RereadOutcome {
    /// The session is unchanged.
    AsFound,
    /// The session with its current user.
    Changed(OpenSession),
    /// The user was deleted or disabled, or the session has been revoked.
    Gone,
}

impl SessionsInner {
    /// Whether the user must be re-read before the session is accepted.
    pub(super) fn needs_reread(&self, head: &SessionHead) -> bool {
        let Some(reread) = &self.reread else {
            return false;
        };
        head.owner.is_some()
            && (head.needs_reread || self.clock.now().since(head.read_at) >= reread.max_age)
    }

    /// Re-reads the user.
    pub(super) async fn reread(&self, opened: &OpenSession) -> Result<RereadOutcome, StoreError> {
        let (Some(reread), Some(owner)) = (&self.reread, opened.owner()) else {
            return Ok(RereadOutcome::AsFound);
        };
        let mut opened = opened.clone();
        for _ in 0..MAX_ATTEMPTS {
            let Some(snapshot) = reread.users.read(&owner.id).await? else {
                if self.store.take(&opened.key).await?.is_some() {
                    self.emit(EventKind::SessionRevoked, &opened);
                }
                return Ok(RereadOutcome::Gone);
            };
            let head = &opened.record.head;
            if reread.max_age.is_zero() && !head.needs_reread && snapshot.is_in(&opened.record) {
                return Ok(RereadOutcome::AsFound);
            }
            match self.write_snapshot(&opened, &snapshot).await? {
                Some((changed, true)) => return Ok(RereadOutcome::Changed(changed)),
                // Another request has written in the meantime, possibly a user that was read after
                // this one.
                Some((current, false)) if !self.needs_reread(&current.record.head) => {
                    return Ok(RereadOutcome::Changed(current));
                }
                Some((current, false)) => opened = current,
                None => return Ok(RereadOutcome::Gone),
            }
        }
        Err(StoreError::Contended)
    }

    /// Writes the snapshot if the session has not changed since it was `opened`, which was before
    /// the user was read. Returns the current session, and whether the snapshot was written.
    async fn write_snapshot(
        &self,
        opened: &OpenSession,
        snapshot: &UserSnapshot,
    ) -> Result<Option<(OpenSession, bool)>, StoreError> {
        let key = &opened.key;
        swap(&*self.store, &*self.clock, key, |entry| {
            let Lookup::Live(current) = self.unseal(&opened.token, key, entry) else {
                return Ok(Step::Keep(None));
            };
            if current.version != opened.version {
                return Ok(Step::Keep(Some((current, false))));
            }
            let mut record = SessionRecord::clone(&current.record);
            snapshot.write_to(&mut record);
            let now = self.clock.now();
            record.head.mark_used(self.lifetime.idle, now);
            record.head.read_at = now;
            record.head.needs_reread = false;
            let write = self.write(&record, &opened.token, key)?;
            let changed = OpenSession {
                version: write.version,
                record: Arc::new(record),
                ..current
            };
            Ok::<_, StoreError>(Step::Swap(write, Some((changed, true))))
        })
        .await
    }

    /// Makes the next request of every session of `subject` re-read the user, on every node. This
    /// includes sessions of logins in progress.
    pub(super) async fn reread_all(&self, subject: &str) -> Result<(), StoreError> {
        // A session that the listing misses belongs to a login in progress and starts with the flag
        // set.
        for (key, head) in self.list(subject).await? {
            self.flag_for_reread(&key, &head).await?;
        }
        Ok(())
    }

    /// The flag is outside of the sealed part, since only the holder of the session can seal. A
    /// party that clears it in the store gains no more than the age that a user may have anyway.
    async fn flag_for_reread(&self, key: &StoreKey, head: &SessionHead) -> Result<(), StoreError> {
        swap(&*self.store, &*self.clock, key, |entry| {
            let flagged = entry.and_then(|entry| Some((entry, with_reread_flag(&entry.value)?)));
            Ok::<_, StoreError>(match flagged {
                // Written even if the flag is already set: a request that is re-reading the user
                // now must not clear this flag.
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

/// More than the writes of concurrent requests of one session while a user is read.
const MAX_ATTEMPTS: usize = 8;
