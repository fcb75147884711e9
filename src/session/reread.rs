//! Re-reads the users of live sessions.
//!
//! A session holds its user as of the login. If the engine has
//! [users](super::SessionsBuilder::users), a user that was read too long ago is re-read before the
//! session is accepted. A user who was deleted or disabled is logged out, and changed roles, scopes
//! or data are written to the session. If the store or the user table does not answer, the result
//! is an error, never a decision.

use std::sync::Arc;

use super::{
    inner::SessionsInner,
    opened::{Lookup, OpenSession},
    record::{SessionHead, SessionRecord, with_reread_flag},
    users::UserSnapshot,
};
use crate::{
    error::StoreError,
    event::EventKind,
    store::{
        StoreKey, Write,
        swap::{Step, swap},
    },
};

/// The result of re-reading the user.
pub(super) enum RereadOutcome {
    /// The session is unchanged.
    AsFound,
    /// The session with its current user.
    Changed(OpenSession),
    /// The user was deleted or disabled, or the session has been revoked.
    Gone,
}

/// Whether the user must be re-read before the session is accepted.
pub(super) fn is_required(sessions: &SessionsInner, opened: &OpenSession) -> bool {
    let reread = sessions.reread.as_ref();
    reread.is_some_and(|reread| reread.is_required(&opened.record.head, sessions.clock.now()))
}

/// Re-reads the user.
pub(super) async fn reread(
    sessions: &SessionsInner,
    opened: &OpenSession,
) -> Result<RereadOutcome, StoreError> {
    let (Some(reread), Some(owner)) = (&sessions.reread, opened.owner()) else {
        return Ok(RereadOutcome::AsFound);
    };
    let mut opened = opened.clone();
    for _ in 0..MAX_ATTEMPTS {
        let Some(snapshot) = reread.users.read(&owner.id).await? else {
            if sessions.store.take(&opened.key).await?.is_some() {
                sessions.emit(EventKind::SessionRevoked, &opened);
            }
            return Ok(RereadOutcome::Gone);
        };
        let head = &opened.record.head;
        if reread.max_age.is_zero() && !head.needs_reread && snapshot.is_in(&opened.record) {
            return Ok(RereadOutcome::AsFound);
        }
        match write_snapshot(sessions, &opened, &snapshot).await? {
            Some((changed, true)) => return Ok(RereadOutcome::Changed(changed)),
            // Another request has written in the meantime, possibly a user that was read after
            // this one.
            Some((current, false))
                if !reread.is_required(&current.record.head, sessions.clock.now()) =>
            {
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
    sessions: &SessionsInner,
    opened: &OpenSession,
    snapshot: &UserSnapshot,
) -> Result<Option<(OpenSession, bool)>, StoreError> {
    let key = &opened.key;
    swap(&*sessions.store, &*sessions.clock, key, |entry| {
        let Lookup::Live(current) = sessions.unseal(&opened.token, key, entry) else {
            return Ok(Step::Keep(None));
        };
        if current.version != opened.version {
            return Ok(Step::Keep(Some((current, false))));
        }
        let mut record = SessionRecord::clone(&current.record);
        snapshot.write_to(&mut record);
        let now = sessions.clock.now();
        record.head.mark_used(sessions.lifetime.idle, now);
        record.head.read_at = now;
        record.head.needs_reread = false;
        let write = sessions.write(&record, &opened.token, key)?;
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
pub(super) async fn reread_all(sessions: &SessionsInner, subject: &str) -> Result<(), StoreError> {
    // A session that the listing misses belongs to a login in progress and starts with the flag
    // set.
    for (key, head) in sessions.list(subject).await? {
        flag_for_reread(sessions, &key, &head).await?;
    }
    Ok(())
}

/// The flag is outside of the sealed part, since only the holder of the session can seal. A
/// party that clears it in the store gains no more than the age that a user may have anyway.
async fn flag_for_reread(
    sessions: &SessionsInner,
    key: &StoreKey,
    head: &SessionHead,
) -> Result<(), StoreError> {
    swap(&*sessions.store, &*sessions.clock, key, |entry| {
        let flagged = entry.and_then(|entry| Some((entry, with_reread_flag(&entry.value)?)));
        Ok::<_, StoreError>(match flagged {
            // Written even if the flag is already set: a request that is re-reading the user
            // now must not clear this flag.
            Some((entry, value)) => {
                let write = Write::new(value, entry.expires_at);
                Step::Swap(sessions.in_group(head, write), ())
            }
            None => Step::Keep(()),
        })
    })
    .await
}

/// More than the writes of concurrent requests of one session while a user is read.
const MAX_ATTEMPTS: usize = 8;
