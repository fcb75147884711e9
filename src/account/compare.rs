//! Comparing a password with the hash of its user.

use serde::Serialize;

use super::{
    attempt::{LoginError, Origin},
    login::Accounts,
    users::User,
};
use crate::{
    event::{EventKind, EventSource},
    password::{HashingSlot, Outcome},
    secret::Secret,
};

impl<U: Serialize + Send + Sync + 'static> Accounts<U> {
    /// Compares the password, and stores a new hash if the old one is outdated.
    pub(super) async fn check_password(
        &self,
        slot: &HashingSlot,
        user: Option<User<U>>,
        password: &Secret<String>,
        (origin, source): (&Origin, &EventSource),
    ) -> Result<User<U>, LoginError> {
        let inner = &*self.inner;
        let guess = self.count_guess(user.as_ref(), origin).await?;
        let stored = user
            .as_ref()
            .map(|user| user.password_hash.expose().as_str());
        let stored = stored.filter(|hash| !hash.is_empty() && !guess.is_over_limit());
        let outcome = match slot.verify(password.expose(), stored).await {
            Ok(outcome) => outcome,
            Err(refused) => {
                self.refund_guess(&guess, &refused).await;
                return Err(refused.into());
            }
        };
        match (user, outcome) {
            (Some(mut user), Outcome::Verified { new_hash }) => {
                self.guess_succeeded(&user).await;
                if let Some(new_hash) = new_hash
                    && self.rehash(&user, &new_hash).await
                {
                    user.password_hash = new_hash;
                }
                Ok(user)
            }
            (Some(user), Outcome::Wrong) => {
                let event = self.event(EventKind::WrongPassword);
                let event = event.with_source(source.clone());
                inner.events.tell(&event.of(user.grant.subject()));
                self.guess_failed(&guess, &user);
                Err(LoginError::WrongCredentials)
            }
            (None, _) => {
                let event = self.event(EventKind::UnknownUser);
                inner.events.tell(&event.with_source(source.clone()));
                Err(LoginError::WrongCredentials)
            }
        }
    }

    /// The old hash remains valid, so a failure is retried at the next login.
    async fn rehash(&self, user: &User<U>, new: &Secret<String>) -> bool {
        let old = user.password_hash.expose();
        let replaced = self
            .inner
            .users
            .replace_hash(user.grant.subject(), old, new.expose());
        replaced.await.unwrap_or_else(|error| {
            tracing::warn!(error = %error, "a new password hash was not stored");
            false
        })
    }
}
