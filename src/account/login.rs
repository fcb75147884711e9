//! Logging in by name and password, and what an account's owner may change.

use std::{fmt, sync::Arc, time::Duration};

use serde::Serialize;

use super::{
    attempt::{Credentials, LoginError, NewDevice, Origin},
    builder::AccountsBuilder,
    password::{Outcome, Passwords},
    throttle::{Attempt, Throttle},
    users::{ReadFrom, User, Users},
};
use crate::{
    clock::Clock,
    error::StoreError,
    event::{Event, EventKind, Events},
    grant::Grant,
    identity::{Factor, Identity},
    refresh::{self, ReadUser, TokenPair, TokenPairs},
    rejection::Rejection,
    secret::Secret,
    session::{self, NewSession, Session, Sessions},
};

/// Logs users in by name and password, changes passwords, and logs out everywhere, whichever engines keep what follows.
///
/// It is a handle: cloning it is cheap. See the [module](super) for the rules.
pub struct Accounts<U> {
    pub(super) inner: Arc<Inner<U>>,
}

pub(super) struct Inner<U> {
    pub(super) users: Arc<dyn Users<U>>,
    pub(super) passwords: Passwords,
    pub(super) throttle: Throttle,
    pub(super) pairs: TokenPairs<U>,
    pub(super) sessions: Option<Sessions<U>>,
    pub(super) events: Events,
    pub(super) clock: Arc<dyn Clock>,
}

/// Reads users anew for [`TokenPairs::builder`].
pub fn reread<U: Send + 'static>(users: Arc<dyn Users<U>>) -> impl ReadUser<U> {
    ReadFrom(users)
}

/// A user whose password was right, on the way to what follows.
pub struct Proved<U> {
    grant: Grant<U>,
    pairs_epoch: refresh::Epoch,
    sessions_epoch: Option<session::Epoch>,
}

impl<U: Serialize + Send + Sync + 'static> Accounts<U> {
    /// Accounts of `users`, whose attempts are limited by `throttle`, and who get tokens of `pairs`. Build `pairs` with
    /// [`reread`] of the same users.
    pub fn builder(
        users: Arc<dyn Users<U>>,
        passwords: Passwords,
        throttle: Throttle,
        pairs: TokenPairs<U>,
    ) -> AccountsBuilder<U> {
        AccountsBuilder::new(users, passwords, throttle, pairs)
    }

    /// The token pairs.
    #[must_use]
    pub fn pairs(&self) -> &TokenPairs<U> {
        &self.inner.pairs
    }

    /// Logs in, and issues a pair of tokens.
    ///
    /// # Errors
    ///
    /// See [`LoginError`].
    pub async fn login(
        &self,
        asked: &Credentials,
        origin: &Origin,
        device: NewDevice,
    ) -> Result<TokenPair, LoginError> {
        let proved = self.prove(asked, origin).await?;
        self.finish_login(proved, device).await
    }

    /// Logs in to the session that the browser presented, or to a new one.
    ///
    /// # Errors
    ///
    /// See [`LoginError`].
    pub async fn login_session(
        &self,
        asked: &Credentials,
        origin: &Origin,
        session: &Session,
    ) -> Result<NewSession, LoginError> {
        let proved = self.prove(asked, origin).await?;
        self.finish_session(proved, session).await
    }

    /// Checks a name and a password. An unknown name takes as long as a wrong password, and every wrong one counts.
    ///
    /// # Errors
    ///
    /// See [`LoginError`].
    pub async fn prove(
        &self,
        asked: &Credentials,
        origin: &Origin,
    ) -> Result<Proved<U>, LoginError> {
        let inner = &*self.inner;
        let attempt = self.attempt(&asked.name, origin).await?;
        let user = inner.users.find(&asked.name).await?;
        // An unknown user's are read too, so that the time tells nothing.
        let subject = user
            .as_ref()
            .map_or(&*asked.name, |user| user.grant.subject());
        let pairs_epoch = inner.pairs.epoch(subject).await?;
        let sessions_epoch = match &inner.sessions {
            Some(sessions) => Some(sessions.epoch(subject).await?),
            None => None,
        };
        let user = self.check(user, &asked.password).await?;
        attempt.succeeded().await;
        Ok(Proved {
            grant: user.grant.factor_at(Factor::Password, inner.clock.now()),
            pairs_epoch,
            sessions_epoch,
        })
    }

    /// Issues tokens to whoever has proved enough. Every way of logging in ends here or in
    /// [`finish_session`](Self::finish_session).
    ///
    /// # Errors
    ///
    /// See [`LoginError`].
    pub async fn finish_login(
        &self,
        proved: Proved<U>,
        device: NewDevice,
    ) -> Result<TokenPair, LoginError> {
        let mut pair = self
            .inner
            .pairs
            .issue(proved.grant)
            .since(proved.pairs_epoch);
        if let Some(name) = device.name {
            pair = pair.device_name(name);
        }
        if let Some(user_agent) = device.user_agent {
            pair = pair.user_agent(user_agent);
        }
        if let Some(fingerprint) = device.fingerprint {
            pair = pair.fingerprint(fingerprint);
        }
        Ok(pair.await?)
    }

    /// Logs whoever has proved enough in to a session.
    ///
    /// # Errors
    ///
    /// See [`LoginError`].
    pub async fn finish_session(
        &self,
        proved: Proved<U>,
        session: &Session,
    ) -> Result<NewSession, LoginError> {
        let event = self
            .event(EventKind::LoginSucceeded)
            .of(proved.grant.subject());
        let mut login = session.login(proved.grant);
        if let Some(epoch) = proved.sessions_epoch {
            login = login.since(epoch);
        }
        let session = login.await?;
        self.inner.events.tell(&event.in_session(&session.id));
        Ok(session)
    }

    /// Changes the password of `caller`, who gives the present one again and must have logged in within five minutes,
    /// and ends everything of the user, this login included.
    ///
    /// # Errors
    ///
    /// See [`LoginError`].
    pub async fn change_password(
        &self,
        caller: &Identity,
        current: &Secret<String>,
        new: &str,
        origin: &Origin,
    ) -> Result<(), LoginError> {
        let inner = &*self.inner;
        let proved_at = caller.proved_at(&Factor::Password);
        let age = proved_at.map(|at| inner.clock.now().since(at));
        if age.is_none_or(|age| age > FRESH) {
            return Err(Rejection::step_up(Some(FRESH), None, "the login is too long ago").into());
        }
        let subject = caller.subject().id();
        let attempt = self.attempt(subject, origin).await?;
        let user = inner.users.read(subject).await?;
        let user = self.check(user, current).await?;
        attempt.succeeded().await;
        let new = inner
            .passwords
            .check_new(new)
            .await
            .map_err(LoginError::NewPassword)?;
        let hash = inner.passwords.hash(&new).await?;
        // Before, so that no failure leaves the new password and the old logins; after, for those who came between.
        self.logout_all(subject).await?;
        let old = user.password_hash.expose();
        if !inner
            .users
            .replace_hash(subject, old, hash.expose())
            .await?
        {
            return Err(StoreError::Contended.into());
        }
        inner
            .events
            .tell(&self.event(EventKind::PasswordChanged).of(subject));
        Ok(self.logout_all(subject).await?)
    }

    /// The limits of attempts, which also know devices.
    #[must_use]
    pub fn throttle(&self) -> &Throttle {
        &self.inner.throttle
    }

    /// Ends every pair and every session of `subject`, logins under way included.
    ///
    /// # Errors
    ///
    /// When a store does not answer; something may then be left, so ask again.
    pub async fn logout_all(&self, subject: &str) -> Result<(), StoreError> {
        self.inner.pairs.logout_all(subject).await?;
        if let Some(sessions) = &self.inner.sessions {
            sessions.clear(subject).await?;
        }
        Ok(())
    }

    async fn attempt(&self, account: &str, origin: &Origin) -> Result<Attempt, Rejection> {
        let device = origin
            .device
            .as_ref()
            .map(|device| device.expose().as_str());
        self.inner
            .throttle
            .attempt(account, origin.address, device)
            .await
    }

    /// Compares the password, and stores a new hash where the old one is not made as hashes are made now.
    async fn check(
        &self,
        user: Option<User<U>>,
        password: &Secret<String>,
    ) -> Result<User<U>, LoginError> {
        let inner = &*self.inner;
        let stored = user
            .as_ref()
            .map(|user| user.password_hash.expose().as_str());
        let stored = stored.filter(|hash| !hash.is_empty());
        let outcome = inner.passwords.verify(password.expose(), stored).await?;
        match (user, outcome) {
            (Some(user), Outcome::Verified { new_hash }) => {
                if let Some(new_hash) = new_hash {
                    self.rehash(&user, &new_hash).await;
                }
                Ok(user)
            }
            (Some(user), Outcome::Wrong) => {
                let event = self.event(EventKind::WrongPassword);
                inner.events.tell(&event.of(user.grant.subject()));
                Err(LoginError::WrongCredentials)
            }
            (None, _) => {
                inner.events.tell(&self.event(EventKind::UnknownUser));
                Err(LoginError::WrongCredentials)
            }
        }
    }

    /// The old hash is as good as it was, so a failure waits for the next login.
    async fn rehash(&self, user: &User<U>, new: &Secret<String>) {
        let old = user.password_hash.expose();
        let replaced = self
            .inner
            .users
            .replace_hash(user.grant.subject(), old, new.expose());
        if let Err(error) = replaced.await {
            tracing::warn!(error = %error, "a new password hash was not stored");
        }
    }

    fn event(&self, kind: EventKind) -> Event {
        Event::new(kind, self.inner.clock.now())
    }
}

impl<U> Clone for Accounts<U> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
        }
    }
}

impl<U> fmt::Debug for Accounts<U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accounts")
            .field("pairs", &self.inner.pairs)
            .finish_non_exhaustive()
    }
}

impl<U> fmt::Debug for Proved<U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proved").finish_non_exhaustive()
    }
}

/// How old a login may be for what only its owner should do.
const FRESH: Duration = Duration::from_secs(5 * 60);
