//! Disabling, enabling, removing and refreshing users.

use serde::Serialize;

use super::{change::run_to_completion, login::Accounts};
use crate::{error::StoreError, event::EventKind};

impl<U: Serialize + Send + Sync + 'static> Accounts<U> {
    /// Disables `subject`, so that nobody can log in or refresh as this user, and revokes its token
    /// pairs, sessions and remembered devices, including those of logins under way. Returns `false`
    /// if there is no such user.
    ///
    /// The user is disabled first, so that a failure leaves nobody with more access than before.
    /// The operation runs to completion on its own task, even if the caller is dropped.
    ///
    /// # Errors
    ///
    /// When a store or the table of users does not answer. The user may then be disabled and still
    /// logged in, so call it again.
    pub async fn disable(&self, subject: &str) -> Result<bool, StoreError> {
        let (accounts, subject) = (self.clone(), subject.to_owned());
        run_to_completion(async move {
            let exists = accounts.inner.users.set_disabled(&subject, true).await?;
            accounts.revoke_everything(&subject).await?;
            if exists {
                accounts.send_event(EventKind::UserDisabled, &subject);
            }
            Ok(exists)
        })
        .await
    }

    /// Allows `subject` to log in again. Returns `false` if there is no such user.
    ///
    /// # Errors
    ///
    /// When the table of users does not answer.
    pub async fn enable(&self, subject: &str) -> Result<bool, StoreError> {
        let exists = self.inner.users.set_disabled(subject, false).await?;
        if exists {
            self.send_event(EventKind::UserEnabled, subject);
        }
        Ok(exists)
    }

    /// [Disables](Self::disable) `subject`, then removes it with its authenticator. Returns `false`
    /// if there was no such user.
    ///
    /// # Errors
    ///
    /// As for [`disable`](Self::disable). The user may then still exist, disabled, so call it
    /// again.
    pub async fn remove(&self, subject: &str) -> Result<bool, StoreError> {
        self.disable(subject).await?;
        if let Some(otp) = self.otp() {
            otp.dangerous_disable(subject).await?;
        }
        let is_removed = self.inner.users.remove(subject).await?;
        if is_removed {
            self.send_event(EventKind::UserRemoved, subject);
        }
        Ok(is_removed)
    }

    /// Makes every session of `subject` read the user again at its next request, on every node.
    /// Call it when the user has lost a role. Token pairs read their user at each refresh, so an
    /// access token retains its claims until it expires; [`logout_all`](Self::logout_all) revokes
    /// it.
    ///
    /// # Errors
    ///
    /// When the store does not answer. Some sessions may then be unchanged, so call it again.
    pub async fn refresh_user(&self, subject: &str) -> Result<(), StoreError> {
        match &self.inner.sessions {
            Some(sessions) => sessions.refresh_user(subject).await,
            None => Ok(()),
        }
    }

    fn send_event(&self, kind: EventKind, subject: &str) {
        self.inner.events.tell(&self.event(kind).of(subject));
    }
}
