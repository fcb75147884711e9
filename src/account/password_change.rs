//! Changing a password.

use std::{sync::Arc, time::Duration};

use serde::Serialize;

use super::{
    admission::{admit, refund_unless_wrong, take_attempt},
    attempt::{LoginError, Origin},
    fresh::require_fresh,
    inner::AccountsInner,
    password_check::check_password,
    revocation::{revoke_all, revoke_everything, run_to_completion},
    throttle_key::throttle_key,
};
use crate::{
    error::StoreError,
    event::EventKind,
    identity::{Factor, Identity},
    secret::Secret,
};

/// See [`Accounts::change_password`](super::Accounts::change_password).
pub(super) async fn change_password<U: Serialize + Send + Sync + 'static>(
    inner: &Arc<AccountsInner<U>>,
    caller: &Identity,
    current: &Secret<String>,
    new: &str,
    origin: &Origin,
) -> Result<(), LoginError> {
    require_fresh(caller, &Factor::Password, inner.clock.now())?;
    let subject = caller.subject().id();
    let source = inner.source(origin, subject);
    let slot = admit(inner, subject, origin, &source)?;
    let user = inner.users.read(subject).await?;
    let key = throttle_key(inner.issuer(), user.as_ref(), subject);
    let attempt = take_attempt(inner, &key, origin, &source).await?;
    let compared = check_password(inner, &slot, user, current, (origin, &source)).await;
    let user = refund_unless_wrong(attempt, compared).await?;
    let new = inner
        .passwords
        .check_new_for(new, [subject, caller.subject().issuer()])
        .await
        .map_err(LoginError::NewPassword)?;
    let hash = slot.hash(&new).await?;
    let (inner, subject) = (Arc::clone(inner), subject.to_owned());
    let change = async move { replace_hash(&inner, &subject, &user.password_hash, &hash).await };
    Ok(run_to_completion(change).await?)
}

/// Revokes everything before the change, so that no failure leaves the new password with the old
/// logins. Revokes again after it, for logins by the old password in between.
async fn replace_hash<U: Serialize + Send + Sync + 'static>(
    inner: &AccountsInner<U>,
    subject: &str,
    old: &Secret<String>,
    new: &Secret<String>,
) -> Result<(), StoreError> {
    revoke_everything(inner, subject).await?;
    let replaced = inner
        .users
        .replace_hash(subject, old.expose(), new.expose());
    let is_replaced = match replaced.await {
        Err(StoreError::Unknown(lost)) => {
            let found = inner.users.read(subject).await?;
            if !found.is_some_and(|user| user.password_hash == *new) {
                return Err(StoreError::Unknown(lost));
            }
            true
        }
        result => result?,
    };
    if !is_replaced {
        return Err(StoreError::Contended);
    }
    inner.send_event(EventKind::PasswordChanged, subject);
    let mut pause = FIRST_PAUSE;
    loop {
        match revoke_all(inner, subject).await {
            Err(error) if pause > LAST_PAUSE => return Err(error),
            Err(_) => tokio::time::sleep(pause).await,
            Ok(()) => return Ok(()),
        }
        pause *= 2;
    }
}

/// Most store outages are short.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LAST_PAUSE: Duration = Duration::from_secs(2);
