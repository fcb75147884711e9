//! Users whom somebody else has identified.

use std::{future::Future, sync::Arc};

use serde::Serialize;

use super::{
    attempt::Origin,
    login::Accounts,
    proof::{Proved, throttle_key},
};
use crate::{
    clock::Timestamp,
    error::{IssueError, StoreError},
    identity::Factor,
    oauth2::Login,
    rejection::Rejection,
    session,
    store::StoreFuture,
};

/// Finds the user of this application whom a provider has identified.
///
/// A closure from the [`Login`] to a future is one.
pub trait LinkUser: Send + Sync + 'static {
    /// The id of the user with this [profile](crate::oauth2::Profile), as [`Users::read`](super::Users::read) knows it. `None`
    /// if there is none, and none is made.
    ///
    /// Look it up by [`Profile::key`](crate::oauth2::Profile::key). To find a user by the e-mail address is to hand the account to
    /// whoever gets that address at any of the providers.
    fn link(&self, login: Login) -> StoreFuture<'_, Option<String>>;
}

impl<F, A> LinkUser for F
where
    F: Fn(Login) -> A + Send + Sync + 'static,
    A: Future<Output = Result<Option<String>, StoreError>> + Send,
{
    fn link(&self, login: Login) -> StoreFuture<'_, Option<String>> {
        Box::pin(async move { self(login).await })
    }
}

impl LinkUser for Arc<dyn LinkUser> {
    fn link(&self, login: Login) -> StoreFuture<'_, Option<String>> {
        (**self).link(login)
    }
}

impl<U: Serialize + Send + Sync + 'static> Accounts<U> {
    /// Takes another party's word for who somebody is, given at `at`: the user `subject`, with the [factor](Factor) `fed` as
    /// its only proof. `None` if there is no such user, or it may not log in (any more). What follows is
    /// [`finish_login`](Self::finish_login) or [`finish_session`](Self::finish_session), where a user with a second factor is
    /// asked for a code as after a password. `origin` is where the request comes from, if that is known: it is told of,
    /// and its cookie may say that the device gives no code.
    ///
    /// `started_at` is when the login began, with the provider or before: one that began before the last
    /// [`logout_all`](Self::logout_all) comes to nothing. It is by the clock of the node that began it, so a
    /// difference of clocks lets in a login that began that much earlier.
    ///
    /// # Errors
    ///
    /// An invalid [`Rejection`] for a login that began before the last `logout_all`, an unavailable one when the
    /// store or the table of users does not answer.
    pub async fn prove_external(
        &self,
        subject: &str,
        at: Timestamp,
        started_at: Timestamp,
        origin: Option<&Origin>,
    ) -> Result<Option<Proved<U>>, Rejection> {
        let inner = &*self.inner;
        let remembered = origin.and_then(|origin| origin.remembered.as_ref());
        let pairs_epoch = inner.pairs.epoch(subject).await?;
        let sessions_epoch = match &inner.sessions {
            Some(sessions) => Some(sessions.epoch(subject).await?),
            None => None,
        };
        let revoked_at = sessions_epoch.map(|epoch: session::Epoch| epoch.revoked_at);
        if Some(started_at) <= revoked_at || started_at <= pairs_epoch.revoked_at {
            return Err(IssueError::Withdrawn.into());
        }
        // The user that counts is one that was read after the epochs, as for a password.
        let Some(user) = inner.users.read(subject).await? else {
            return Ok(None);
        };
        // Another way of proving who it is was just taken.
        self.reset_guesses(&user).await?;
        let device_account = throttle_key(self.issuer(), Some(&user), subject);
        let at = at.min(inner.clock.now());
        Ok(Some(Proved {
            needs_second_step: self.needs_second_step(&user, remembered).await?,
            remembered_account: None,
            #[cfg(feature = "dpop")]
            key: None,
            grant: user.grant.factor_at(FEDERATED, at),
            device_account,
            pairs_epoch,
            sessions_epoch,
            source: origin.map(Origin::source).unwrap_or_default(),
        }))
    }
}

/// What identity providers call it in `amr`.
const FEDERATED: Factor = Factor::Other(std::borrow::Cow::Borrowed("fed"));
