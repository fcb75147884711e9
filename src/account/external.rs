//! Users identified by another party.

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
    oauth2::ProviderLogin,
    rejection::Rejection,
    session,
    store::StoreFuture,
};

/// Maps a user identified by a provider to a user of this application.
///
/// Implemented for closures from a [`ProviderLogin`] to a future.
pub trait LinkUser: Send + Sync + 'static {
    /// Returns the id of the user with this [profile](crate::oauth2::Profile), as
    /// [`Users::read`](super::Users::read) knows it. Returns `None` if there is no such user and
    /// none is created.
    ///
    /// Look the user up by [`Profile::key`](crate::oauth2::Profile::key). A lookup by e-mail
    /// address hands the account to anybody who obtains that address at any of the providers.
    fn link(&self, login: ProviderLogin) -> StoreFuture<'_, Option<String>>;
}

impl<F, A> LinkUser for F
where
    F: Fn(ProviderLogin) -> A + Send + Sync + 'static,
    A: Future<Output = Result<Option<String>, StoreError>> + Send,
{
    fn link(&self, login: ProviderLogin) -> StoreFuture<'_, Option<String>> {
        Box::pin(async move { self(login).await })
    }
}

impl LinkUser for Arc<dyn LinkUser> {
    fn link(&self, login: ProviderLogin) -> StoreFuture<'_, Option<String>> {
        (**self).link(login)
    }
}

impl<U: Serialize + Send + Sync + 'static> Accounts<U> {
    /// Accepts the statement of another party, made at `at`, that the caller is the user `subject`.
    /// Its only proof is the [factor](Factor) `fed`. Returns `None` if there is no such user, or
    /// the user may not log in. Continue with [`finish_login`](Self::finish_login) or
    /// [`finish_session`](Self::finish_session), which require a code of a user with a second
    /// factor, as after a password. `origin` is where the request comes from, if known: events
    /// contain it, and its cookie may identify a remembered device.
    ///
    /// `started_at` is when the login began, with the provider or before. A login that began before
    /// the last [`logout_all`](Self::logout_all) is refused. The time is by the clock of the node
    /// that began the login, so clock skew admits logins that began that much earlier.
    ///
    /// # Errors
    ///
    /// [`RejectionKind::Invalid`](crate::RejectionKind::Invalid) for a login that began before the
    /// last `logout_all`, [`RejectionKind::Unavailable`](crate::RejectionKind::Unavailable) when
    /// the store or the table of users does not answer.
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
        let revoked_at = sessions_epoch.map(|epoch: session::SessionEpoch| epoch.revoked_at);
        if Some(started_at) <= revoked_at || started_at <= pairs_epoch.revoked_at {
            return Err(IssueError::Withdrawn.into());
        }
        // The user must be read after the epochs, as for a password.
        let Some(user) = inner.users.read(subject).await? else {
            return Ok(None);
        };
        // The user has been identified by another factor.
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

/// The name that identity providers use in `amr`.
const FEDERATED: Factor = Factor::Other(std::borrow::Cow::Borrowed("fed"));
