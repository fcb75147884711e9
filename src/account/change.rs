//! Changing a password.

use std::time::Duration;

use serde::Serialize;

use super::{
    attempt::{LoginError, Origin},
    login::Accounts,
    proof::{refund_unless_wrong, throttle_key},
};
use crate::{
    error::StoreError,
    event::EventKind,
    identity::{Factor, Identity},
    secret::Secret,
};

impl<U: Serialize + Send + Sync + 'static> Accounts<U> {
    /// Changes the password of `caller` and revokes everything of the user, including this login.
    /// The caller must give the current password and must have logged in at most five minutes ago.
    ///
    /// Once the current password has been verified, the change runs to completion on its own task,
    /// even if the caller disconnects.
    ///
    /// # Errors
    ///
    /// See [`LoginError`]. After [`RejectionKind::Unavailable`](crate::RejectionKind::Unavailable)
    /// the password may be the old or the new one.
    pub async fn change_password(
        &self,
        caller: &Identity,
        current: &Secret<String>,
        new: &str,
        origin: &Origin,
    ) -> Result<(), LoginError> {
        let inner = &*self.inner;
        self.require(caller, &Factor::Password)?;
        let subject = caller.subject().id();
        let source = self.source(origin, subject);
        let slot = self.admit(subject, origin, &source)?;
        let user = inner.users.read(subject).await?;
        let attempt = self
            .attempt(
                &throttle_key(self.issuer(), user.as_ref(), subject),
                origin,
                &source,
            )
            .await?;
        let user = refund_unless_wrong(
            attempt,
            self.check_password(&slot, user, current, (origin, &source))
                .await,
        )
        .await?;
        let new = inner
            .passwords
            .check_new_for(new, [subject, caller.subject().issuer()])
            .await
            .map_err(LoginError::NewPassword)?;
        let hash = slot.hash(&new).await?;
        let (accounts, subject) = (self.clone(), subject.to_owned());
        let change = async move {
            accounts
                .replace_hash(&subject, &user.password_hash, &hash)
                .await
        };
        Ok(run_to_completion(change).await?)
    }

    /// Returns the token that identifies a known device of this user from now on, after a password
    /// change on that device. Returns `None` if the user no longer exists. See
    /// [`device_token`](Self::device_token).
    ///
    /// # Errors
    ///
    /// When the users cannot be read.
    pub async fn device_token_of(
        &self,
        subject: &str,
    ) -> Result<Option<Secret<String>>, StoreError> {
        let user = self.inner.users.read(subject).await?;
        let account = user.map(|user| throttle_key(self.issuer(), Some(&user), subject));
        Ok(account.map(|account| self.inner.throttle.device_token(&account)))
    }

    /// Revokes everything before the change, so that no failure leaves the new password with the
    /// old logins. Revokes again after it, for logins by the old password in between.
    async fn replace_hash(
        &self,
        subject: &str,
        old: &Secret<String>,
        new: &Secret<String>,
    ) -> Result<(), StoreError> {
        let inner = &*self.inner;
        self.revoke_everything(subject).await?;
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
        let changed = self.event(EventKind::PasswordChanged).of(subject);
        inner.events.tell(&changed);
        let mut pause = FIRST_PAUSE;
        loop {
            match self.revoke_all(subject).await {
                Err(error) if pause > LAST_PAUSE => return Err(error),
                Err(_) => tokio::time::sleep(pause).await,
                Ok(()) => return Ok(()),
            }
            pause *= 2;
        }
    }
}

/// Runs `work` to completion on its own task, even if the caller is dropped.
pub(super) async fn run_to_completion<T: Send + 'static>(
    work: impl Future<Output = Result<T, StoreError>> + Send + 'static,
) -> Result<T, StoreError> {
    let joined = tokio::spawn(work).await;
    joined.map_err(|error| StoreError::Unavailable(error.into()))?
}

/// Most store outages are short.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LAST_PAUSE: Duration = Duration::from_secs(2);
