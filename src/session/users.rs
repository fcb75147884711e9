//! Users as sessions store them, and when they are re-read.

use std::{marker::PhantomData, sync::Arc, time::Duration};

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use super::record::{SessionHead, SessionRecord};
use crate::{
    clock::Timestamp,
    error::StoreError,
    grant::{Grant, ReadUser},
    store::StoreFuture,
};

/// How users are re-read, independent of their type.
pub(super) struct RereadPolicy {
    pub(super) users: Arc<dyn ReadUserSnapshot>,
    pub(super) max_age: Duration,
}

impl RereadPolicy {
    pub(super) fn new(users: Arc<dyn ReadUserSnapshot>, max_age: Duration) -> Self {
        Self { users, max_age }
    }

    /// Whether the user must be re-read before the session is accepted.
    pub(super) fn is_required(&self, head: &SessionHead, now: Timestamp) -> bool {
        head.owner.is_some() && (head.needs_reread || now.since(head.read_at) >= self.max_age)
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
    pub(super) fn is_in(&self, record: &SessionRecord) -> bool {
        let user = record.body.user.as_ref().map(|user| user.get());
        record.head.owner.as_ref().is_some_and(|owner| {
            owner.roles == self.roles
                && owner.scopes == self.scopes
                && user == Some(self.user.get())
        })
    }

    pub(super) fn write_to(&self, record: &mut SessionRecord) {
        if let Some(owner) = &mut record.head.owner {
            owner.roles.clone_from(&self.roles);
            owner.scopes.clone_from(&self.scopes);
        }
        record.body.user = Some(self.user.clone());
    }
}
