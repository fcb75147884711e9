//! Logs a user in to a session.

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use super::{
    epoch::SessionEpoch,
    inner::{IdChange, SessionsInner},
    opened::OpenSession,
    record::{SessionBody, SessionHead, SessionOwner, SessionRecord},
};
use crate::{
    clock::Timestamp, error::IssueError, event::EventKind, grant::Grant, identity::Factor,
};

/// A checked grant, ready to be written to a record.
pub(super) struct PreparedLogin {
    owner: SessionOwner,
    user: Box<RawValue>,
    proofs: Vec<(Factor, Timestamp)>,
}

/// Checks a grant.
pub(super) fn prepare<U: Serialize>(
    sessions: &SessionsInner,
    grant: &Grant<U>,
    device: Option<&str>,
) -> Result<PreparedLogin, IssueError> {
    grant.check()?;
    if device.is_some_and(|name| name.len() > MAX_DEVICE_BYTES) {
        return Err(IssueError::Grant(
            "the device's name has more than 256 bytes",
        ));
    }
    let proofs = grant.proofs(sessions.clock.now());
    let mut owner = SessionOwner {
        issuer: sessions.issuer.clone(),
        id: grant.subject.clone(),
        proofs: Vec::new(),
        roles: grant.roles.clone(),
        scopes: grant.scopes.clone(),
        device: device.map(str::to_owned),
    };
    owner.add_proofs(proofs.iter().cloned());
    let user = to_raw_value(&grant.user).map_err(|error| IssueError::User(error.into()))?;
    Ok(PreparedLogin {
        owner,
        user,
        proofs,
    })
}

/// Logs a user in. `current` is the session that the browser presented.
///
/// * A session of the same subject continues. Its id is cycled and the new proofs are added.
/// * An anonymous session is replaced by a new record, which keeps its values.
/// * A session of another subject is replaced by an empty one.
///
/// The login fails if all sessions of the subject were revoked after `since`.
pub(super) async fn log_in(
    sessions: &SessionsInner,
    current: Option<OpenSession>,
    prepared: PreparedLogin,
    since: Option<SessionEpoch>,
) -> Result<OpenSession, IssueError> {
    let subject = prepared.owner.id.clone();
    let epoch = sessions.epoch(&subject).await?;
    if since.is_some_and(|since| since != epoch) {
        return Err(IssueError::Withdrawn);
    }
    // A session that continues needs no second check of the epoch, since revoking all sessions
    // removes this record, before or after. Nothing may fail once the old id is invalid, or the
    // user would be logged out.
    if let Some(opened) = &current
        && opened.belongs_to(&prepared.owner)
        && let Some(continued) = log_in_again(sessions, opened, &prepared).await?
    {
        return Ok(continued);
    }
    let created = sessions
        .insert(record_of(sessions, prepared, current.as_ref()))
        .await?;
    if sessions.epoch(&subject).await? != epoch {
        sessions.store.take(&created.key).await?;
        return Err(IssueError::Withdrawn);
    }
    match current {
        Some(previous) => retire_previous(sessions, previous, created).await,
        None => Ok(created),
    }
}

async fn log_in_again(
    sessions: &SessionsInner,
    opened: &OpenSession,
    prepared: &PreparedLogin,
) -> Result<Option<OpenSession>, IssueError> {
    let edit = |record: &mut SessionRecord| -> Result<(), IssueError> {
        if let Some(owner) = &mut record.head.owner {
            owner.add_proofs(prepared.proofs.iter().cloned());
            owner.roles.clone_from(&prepared.owner.roles);
            owner.scopes.clone_from(&prepared.owner.scopes);
            if prepared.owner.device.is_some() {
                owner.device.clone_from(&prepared.owner.device);
            }
        }
        record.body.user = Some(prepared.user.clone());
        // The user may have changed after the login read it.
        record.head.needs_reread = true;
        Ok(())
    };
    let changed = sessions
        .change(&opened.token, IdChange::Cycle, edit)
        .await?;
    Ok(changed.map(|((), opened)| opened))
}

fn record_of(
    sessions: &SessionsInner,
    prepared: PreparedLogin,
    current: Option<&OpenSession>,
) -> SessionRecord {
    let mut head = SessionHead::new(&sessions.lifetime, sessions.clock.now());
    head.owner = Some(prepared.owner);
    // The user may have changed after the login read it.
    head.needs_reread = true;
    let values = match current {
        Some(opened) if opened.owner().is_none() => opened.record.body.values.clone(),
        _ => serde_json::Map::new(),
    };
    let body = SessionBody {
        user: Some(prepared.user),
        values,
    };
    SessionRecord { head, body }
}

/// Revokes the `previous` session. Values that an anonymous one gained after it was read are
/// copied.
async fn retire_previous(
    sessions: &SessionsInner,
    previous: OpenSession,
    created: OpenSession,
) -> Result<OpenSession, IssueError> {
    let is_anonymous = previous.owner().is_none();
    let Some(last) = sessions.retire(&previous).await? else {
        return Ok(created);
    };
    sessions.emit(EventKind::SessionLoggedOut, &previous);
    if !is_anonymous || last.body.values == previous.record.body.values {
        return Ok(created);
    }
    let copy_values = |record: &mut SessionRecord| -> Result<(), IssueError> {
        record.body.values.extend(last.body.values.clone());
        Ok(())
    };
    let changed = sessions
        .change(&created.token, IdChange::Keep, copy_values)
        .await?;
    // The session is gone: another node logged the user out between the two writes.
    changed
        .map(|((), opened)| opened)
        .ok_or(IssueError::Withdrawn)
}

/// Sufficient for a trimmed user agent and for any name that a user chooses.
const MAX_DEVICE_BYTES: usize = 256;
