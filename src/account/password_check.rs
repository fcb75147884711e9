//! Comparing a password with the hash of its user.

use serde::Serialize;

use super::{
    attempt::{LoginError, Origin},
    failures::{count_guess, guess_failed, guess_succeeded, refund_guess},
    inner::AccountsInner,
    users::User,
};
use crate::{
    event::{EventKind, EventSource},
    password::{HashingSlot, Outcome},
    secret::Secret,
};

/// Compares the password, and stores a new hash if the old one is outdated.
pub(super) async fn check_password<U: Serialize + Send + Sync + 'static>(
    inner: &AccountsInner<U>,
    slot: &HashingSlot,
    user: Option<User<U>>,
    password: &Secret<String>,
    (origin, source): (&Origin, &EventSource),
) -> Result<User<U>, LoginError> {
    let guess = count_guess(inner, user.as_ref(), origin).await?;
    let stored = user
        .as_ref()
        .map(|user| user.password_hash.expose().as_str());
    let stored = stored.filter(|hash| !hash.is_empty() && !guess.is_over_limit());
    let outcome = match slot.verify(password.expose(), stored).await {
        Ok(outcome) => outcome,
        Err(refused) => {
            refund_guess(inner, &guess, &refused).await;
            return Err(refused.into());
        }
    };
    match (user, outcome) {
        (Some(mut user), Outcome::Verified { new_hash }) => {
            guess_succeeded(inner, &user).await;
            if let Some(new_hash) = new_hash
                && rehash(inner, &user, &new_hash).await
            {
                user.password_hash = new_hash;
            }
            Ok(user)
        }
        (Some(user), Outcome::Wrong) => {
            let event = inner.event(EventKind::WrongPassword);
            let event = event.with_source(source.clone());
            inner.events.tell(&event.of(user.grant.subject()));
            guess_failed(inner, &guess, &user);
            Err(LoginError::WrongCredentials)
        }
        (None, _) => {
            let event = inner.event(EventKind::UnknownUser);
            inner.events.tell(&event.with_source(source.clone()));
            Err(LoginError::WrongCredentials)
        }
    }
}

/// The old hash remains valid, so a failure is retried at the next login.
async fn rehash<U: 'static>(
    inner: &AccountsInner<U>,
    user: &User<U>,
    new: &Secret<String>,
) -> bool {
    let old = user.password_hash.expose();
    let replaced = inner
        .users
        .replace_hash(user.grant.subject(), old, new.expose());
    replaced.await.unwrap_or_else(|error| {
        tracing::warn!(error = %error, "a new password hash was not stored");
        false
    })
}
