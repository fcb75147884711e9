//! "Log out everywhere".

use serde::Serialize;

use super::inner::AccountsInner;
use crate::{error::StoreError, event::EventKind};

/// See [`Accounts::revoke_all`](super::Accounts::revoke_all).
pub(super) async fn revoke_all<U: Serialize + Send + Sync + 'static>(
    inner: &AccountsInner<U>,
    subject: &str,
) -> Result<(), StoreError> {
    revoke_everything(inner, subject).await?;
    inner.send_event(EventKind::AllDevicesRevoked, subject);
    Ok(())
}

/// Like [`revoke_all`], without an event.
pub(super) async fn revoke_everything<U: Serialize + Send + Sync + 'static>(
    inner: &AccountsInner<U>,
    subject: &str,
) -> Result<(), StoreError> {
    inner.pairs.end_all(subject).await?;
    if let Some(sessions) = &inner.sessions {
        sessions.revoke_all(subject).await?;
    }
    // Last: a device that is remembered after this point belongs to a login that will be refused.
    match inner.remembered() {
        Some((store, devices)) => devices.revoke_all(store, subject).await,
        None => Ok(()),
    }
}

/// Runs `work` to completion on its own task, even if the caller is dropped.
pub(super) async fn run_to_completion<T: Send + 'static>(
    work: impl Future<Output = Result<T, StoreError>> + Send + 'static,
) -> Result<T, StoreError> {
    let joined = tokio::spawn(work).await;
    joined.map_err(|error| StoreError::Unavailable(error.into()))?
}
