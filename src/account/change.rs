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
    /// Changes the password of `caller`, who gives the present one again and must have logged in within five minutes,
    /// and ends everything of the user, this login included.
    ///
    /// Once the present password was found right the change is made to its end, on a task of its own, though its caller
    /// goes away.
    ///
    /// # Errors
    ///
    /// See [`LoginError`]. After an unavailable one the password may be the old or the new one.
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

    /// The token by which a device is known from now on, of the user with this id, who has just changed the password there;
    /// `None` if there is no such user any more. See [`device_token`](Self::device_token).
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

    /// Ends everything before, so that no failure leaves the new password and the old logins, and after, for the logins
    /// by the old password that came between.
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
                match found.is_some_and(|user| user.password_hash == *new) {
                    true => true,
                    false => return Err(StoreError::Unknown(lost)),
                }
            }
            answer => answer?,
        };
        if !is_replaced {
            return Err(StoreError::Contended);
        }
        let changed = self.event(EventKind::PasswordChanged).of(subject);
        inner.events.tell(&changed);
        let mut pause = FIRST_PAUSE;
        loop {
            match self.logout_all(subject).await {
                Err(error) if pause > LAST_PAUSE => return Err(error),
                Err(_) => tokio::time::sleep(pause).await,
                Ok(()) => return Ok(()),
            }
            pause *= 2;
        }
    }
}

/// Does what is begun to its end, on a task of its own, though its caller goes away.
pub(super) async fn run_to_completion<T: Send + 'static>(
    work: impl Future<Output = Result<T, StoreError>> + Send + 'static,
) -> Result<T, StoreError> {
    let done = tokio::spawn(work).await;
    done.map_err(|error| StoreError::Unavailable(error.into()))?
}

/// A store that was there a moment ago is mostly there again soon.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LAST_PAUSE: Duration = Duration::from_secs(2);
