//! Who may log in at all: users are disabled, enabled and removed here, and read anew.

use serde::Serialize;

use super::{change::run_to_completion, login::Accounts};
use crate::{error::StoreError, event::EventKind};

impl<U: Serialize + Send + Sync + 'static> Accounts<U> {
    /// Disables `subject`: nobody logs in or refreshes as this user any more, and its pairs, sessions and
    /// remembered devices are revoked, those of logins under way included. `false` if there is no such user.
    ///
    /// The user is disabled first, so that a failure leaves nobody with more than before. It goes on to its end,
    /// on a task of its own, if its caller goes away.
    ///
    /// # Errors
    ///
    /// When a store or the table of users does not answer; the user may then be disabled and still be logged in, so
    /// ask again.
    pub async fn disable(&self, subject: &str) -> Result<bool, StoreError> {
        let (accounts, subject) = (self.clone(), subject.to_owned());
        run_to_completion(async move {
            let is_there = accounts.inner.users.set_disabled(&subject, true).await?;
            accounts.revoke_everything(&subject).await?;
            if is_there {
                accounts.send_event(EventKind::UserDisabled, &subject);
            }
            Ok(is_there)
        })
        .await
    }

    /// Lets `subject` log in again. `false` if there is no such user.
    ///
    /// # Errors
    ///
    /// When the table of users does not answer.
    pub async fn enable(&self, subject: &str) -> Result<bool, StoreError> {
        let is_there = self.inner.users.set_disabled(subject, false).await?;
        if is_there {
            self.send_event(EventKind::UserEnabled, subject);
        }
        Ok(is_there)
    }

    /// Removes `subject` with its authenticator, after [disabling](Self::disable) it. `false` if there was no
    /// such user.
    ///
    /// # Errors
    ///
    /// As for [`disable`](Self::disable); the user may then be there, disabled, so ask again.
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

    /// Reads `subject` anew wherever it is logged in: the sessions of the user at their next request, on every node.
    /// Call it when the user has lost a role. Pairs read their user at each refresh, so an access token keeps what it
    /// states until it expires; [`logout_all`](Self::logout_all) revokes it.
    ///
    /// # Errors
    ///
    /// When the store does not answer; sessions may then be left, so ask again.
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
