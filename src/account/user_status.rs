//! Disabling, enabling, removing and refreshing users.

use std::sync::Arc;

use serde::Serialize;

use super::{
    inner::AccountsInner,
    revocation::{revoke_everything, run_to_completion},
};
use crate::{error::StoreError, event::EventKind};

/// See [`Accounts::disable`](super::Accounts::disable).
pub(super) async fn disable<U: Serialize + Send + Sync + 'static>(
    inner: &Arc<AccountsInner<U>>,
    subject: &str,
) -> Result<bool, StoreError> {
    let (inner, subject) = (Arc::clone(inner), subject.to_owned());
    run_to_completion(async move {
        let exists = inner.users.set_disabled(&subject, true).await?;
        revoke_everything(&inner, &subject).await?;
        if exists {
            inner.send_event(EventKind::UserDisabled, &subject);
        }
        Ok(exists)
    })
    .await
}

/// See [`Accounts::enable`](super::Accounts::enable).
pub(super) async fn enable<U: 'static>(
    inner: &AccountsInner<U>,
    subject: &str,
) -> Result<bool, StoreError> {
    let exists = inner.users.set_disabled(subject, false).await?;
    if exists {
        inner.send_event(EventKind::UserEnabled, subject);
    }
    Ok(exists)
}

/// See [`Accounts::remove`](super::Accounts::remove).
pub(super) async fn remove<U: Serialize + Send + Sync + 'static>(
    inner: &Arc<AccountsInner<U>>,
    subject: &str,
) -> Result<bool, StoreError> {
    disable(inner, subject).await?;
    if let Some(second) = &inner.second_factor {
        second.otp.dangerous_disable(subject).await?;
    }
    let is_removed = inner.users.remove(subject).await?;
    if is_removed {
        inner.send_event(EventKind::UserRemoved, subject);
    }
    Ok(is_removed)
}

/// See [`Accounts::refresh_user`](super::Accounts::refresh_user).
pub(super) async fn refresh<U: Serialize + Send + Sync + 'static>(
    inner: &AccountsInner<U>,
    subject: &str,
) -> Result<(), StoreError> {
    match &inner.sessions {
        Some(sessions) => sessions.refresh_user(subject).await,
        None => Ok(()),
    }
}
