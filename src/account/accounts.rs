//! The handle through which an application uses its accounts.

use std::{fmt, sync::Arc};

use serde::Serialize;

use super::{
    attempt::{Credentials, LoginError, NewDevice, Origin},
    builder::AccountsBuilder,
    external, failures, finish,
    inner::AccountsInner,
    login, password_change,
    proved::Proved,
    revocation,
    second_factor::SecondFactor,
    second_step,
    throttle_key::throttle_key,
    user_status,
    users::Users,
};
use crate::{
    clock::Timestamp,
    env::Env,
    error::StoreError,
    identity::Identity,
    otp::Otp,
    password::Passwords,
    refresh::{TokenPair, TokenPairs},
    rejection::Rejection,
    secret::Secret,
    session::{NewSession, Session, Sessions},
    throttle::Throttle,
};

/// Logs users in by name and password, changes passwords, and logs out everywhere, on all engines
/// together.
///
/// It is a handle: cloning it is cheap. See the [module](super) for the rules.
#[doc(alias("login", "logout", "sign in", "lockout"))]
pub struct Accounts<U>(Arc<AccountsInner<U>>);

impl<U> Accounts<U> {
    pub(super) fn new(inner: AccountsInner<U>) -> Self {
        Self(Arc::new(inner))
    }

    /// Returns the issuer, which is that of the token pairs.
    #[must_use]
    pub fn issuer(&self) -> &str {
        self.0.issuer()
    }

    /// Returns the token pairs.
    #[must_use]
    pub fn pairs(&self) -> &TokenPairs<U> {
        &self.0.pairs
    }

    /// Returns the sessions, if there are any.
    #[must_use]
    pub fn sessions(&self) -> Option<&Sessions<U>> {
        self.0.sessions.as_ref()
    }

    /// Returns the one-time codes, if the accounts have any.
    #[must_use]
    pub fn otp(&self) -> Option<&Otp> {
        self.0.second_factor.as_ref().map(|second| &second.otp)
    }

    /// Returns the operations on the second factors of users.
    #[must_use]
    pub fn second_factor(&self) -> SecondFactor<'_, U> {
        SecondFactor(&self.0)
    }

    /// Returns the throttle, which also issues the tokens of known devices.
    #[must_use]
    pub fn throttle(&self) -> &Throttle {
        &self.0.throttle
    }

    #[cfg(feature = "oauth2")]
    pub(crate) fn now(&self) -> Timestamp {
        self.0.clock.now()
    }
}

impl<U: Serialize + Send + Sync + 'static> Accounts<U> {
    /// Returns a builder of accounts for `users`. `throttle` limits their attempts. `pairs` issues
    /// their tokens; build it with a [`user_reader`](super::user_reader) of the same users.
    pub fn builder(
        env: &Env,
        users: Arc<dyn Users<U>>,
        passwords: Passwords,
        throttle: Throttle,
        pairs: TokenPairs<U>,
    ) -> AccountsBuilder<U> {
        AccountsBuilder::new(env, users, passwords, throttle, pairs)
    }

    /// Logs in and issues a token pair.
    ///
    /// # Errors
    ///
    /// See [`LoginError`].
    pub async fn login(
        &self,
        credentials: &Credentials,
        origin: &Origin,
        device: NewDevice,
    ) -> Result<TokenPair, LoginError> {
        let device = device.within_limits()?;
        let proved = self.prove(credentials, origin).await?;
        self.finish_login(proved, device).await
    }

    /// Logs in to the session that the browser presented, or to a new one.
    ///
    /// # Errors
    ///
    /// As for [`login`](Self::login).
    pub async fn login_session(
        &self,
        credentials: &Credentials,
        origin: &Origin,
        session: &Session,
    ) -> Result<NewSession, LoginError> {
        let proved = self.prove(credentials, origin).await?;
        self.finish_session(proved, session).await
    }

    /// Verifies a name and a password. An unknown name takes as long as a wrong password, and every
    /// failure counts.
    ///
    /// # Errors
    ///
    /// See [`LoginError`].
    pub async fn prove(
        &self,
        credentials: &Credentials,
        origin: &Origin,
    ) -> Result<Proved<U>, LoginError> {
        login::prove(&self.0, credentials, origin).await
    }

    /// Accepts the statement of another party, made at `at`, that the caller is the user `subject`.
    /// Its only proof is the [factor](crate::Factor) `fed`. Returns `None` if there is no such
    /// user, or the user may not log in. `origin` is where the request comes from, if known: events
    /// contain it, and its cookie may identify a remembered device.
    ///
    /// A login that was `started_at` a time before the last [`revoke_all`](Self::revoke_all) is
    /// refused. The time is by the clock of the node that began the login, so clock skew admits
    /// logins that began that much earlier.
    ///
    /// # Errors
    ///
    /// [`RejectionKind::Invalid`](crate::RejectionKind::Invalid) for a login that began before the
    /// last `revoke_all`, [`RejectionKind::Unavailable`](crate::RejectionKind::Unavailable) when
    /// the store or the table of users does not answer.
    pub async fn prove_external(
        &self,
        subject: &str,
        at: Timestamp,
        started_at: Timestamp,
        origin: Option<&Origin>,
    ) -> Result<Option<Proved<U>>, Rejection> {
        external::prove_external(&self.0, subject, at, started_at, origin).await
    }

    /// Completes the second step of the login that `challenge` stands for, with a one-time code or
    /// a recovery code. Also returns the description of the device from the first step.
    ///
    /// # Errors
    ///
    /// [`LoginError::ChallengeOver`] for a challenge that is invalid, expired or already used.
    /// [`LoginError::WrongCode`] for a code that is wrong or already used; the challenge remains
    /// valid. See [`LoginError`] for the rest.
    pub async fn prove_second(
        &self,
        challenge: &str,
        code: &str,
        origin: &Origin,
    ) -> Result<(Proved<U>, NewDevice), LoginError> {
        second_step::prove_second(&self.0, challenge, code, origin).await
    }

    /// Like [`prove_second`](Self::prove_second), for a request that proves possession of the key
    /// with this thumbprint. A login that started with a key must continue with it.
    pub(crate) async fn prove_second_with_key(
        &self,
        challenge: &str,
        code: &str,
        origin: &Origin,
        thumbprint: Option<&str>,
    ) -> Result<(Proved<U>, NewDevice), LoginError> {
        second_step::prove_second_with_key(&self.0, challenge, code, origin, thumbprint).await
    }

    /// Issues tokens to a user who has given enough proof. Every login path ends here or in
    /// [`finish_session`](Self::finish_session); only these two decide whether a second factor is
    /// required.
    ///
    /// # Errors
    ///
    /// [`LoginError::OtpRequired`] if a second factor is required; see [`LoginError`] for the rest.
    pub async fn finish_login(
        &self,
        proved: Proved<U>,
        device: NewDevice,
    ) -> Result<TokenPair, LoginError> {
        finish::finish_login(&self.0, proved, device).await
    }

    /// Logs a user who has given enough proof in to a session.
    ///
    /// # Errors
    ///
    /// See [`LoginError`].
    pub async fn finish_session(
        &self,
        proved: Proved<U>,
        session: &Session,
    ) -> Result<NewSession, LoginError> {
        finish::finish_session(&self.0, proved, session).await
    }

    /// Returns the cookie value that identifies the device of this login as known from now on. It
    /// is valid until the password changes. See [`Throttle::device_token`].
    #[must_use]
    pub fn device_token(&self, proved: &Proved<U>) -> Secret<String> {
        self.0.throttle.device_token(&proved.device_account)
    }

    /// Like [`device_token`](Self::device_token), after a password change on a device. Returns
    /// `None` if the user no longer exists.
    ///
    /// # Errors
    ///
    /// When the users cannot be read.
    pub async fn device_token_of(
        &self,
        subject: &str,
    ) -> Result<Option<Secret<String>>, StoreError> {
        let user = self.0.users.read(subject).await?;
        let account = user.map(|user| throttle_key(self.issuer(), Some(&user), subject));
        Ok(account.map(|account| self.0.throttle.device_token(&account)))
    }

    /// Revokes every token pair, session and remembered device of `subject`, including logins under
    /// way.
    ///
    /// # Errors
    ///
    /// When a store does not answer. Some of them may then still be valid, so call it again.
    pub async fn revoke_all(&self, subject: &str) -> Result<(), StoreError> {
        revocation::revoke_all(&self.0, subject).await
    }

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
        password_change::change_password(&self.0, caller, current, new, origin).await
    }

    /// Accepts the password of `subject` again after a hundred consecutive failures, for an
    /// application that has verified the user in another way: by another factor, or by a link to an
    /// address of the user. A login with a provider and a new password have the same effect.
    ///
    /// # Errors
    ///
    /// When the table of users or the store does not answer.
    pub async fn accept_password_again(&self, subject: &str) -> Result<(), StoreError> {
        failures::accept_password_again(&self.0, subject).await
    }

    /// Disables `subject`, so that nobody can log in or refresh as this user, and revokes its token
    /// pairs, sessions and remembered devices, including those of logins under way. Returns `false`
    /// if there is no such user.
    ///
    /// The user is disabled first, so that a failure leaves nobody with more access than before.
    /// The operation runs to completion on its own task, even if the caller is dropped.
    ///
    /// # Errors
    ///
    /// When a store does not answer. The user may then be disabled but logged in: call it again.
    pub async fn disable(&self, subject: &str) -> Result<bool, StoreError> {
        user_status::disable(&self.0, subject).await
    }

    /// Allows `subject` to log in again. Returns `false` if there is no such user.
    ///
    /// # Errors
    ///
    /// When the table of users does not answer.
    pub async fn enable(&self, subject: &str) -> Result<bool, StoreError> {
        user_status::enable(&self.0, subject).await
    }

    /// [Disables](Self::disable) `subject`, then removes it with its authenticator. Returns `false`
    /// if there was no such user.
    ///
    /// # Errors
    ///
    /// As for [`disable`](Self::disable). The user may then still exist, disabled, so call it
    /// again.
    pub async fn remove(&self, subject: &str) -> Result<bool, StoreError> {
        user_status::remove(&self.0, subject).await
    }

    /// Makes every session of `subject` read the user again at its next request, on every node.
    /// Call it when the user has lost a role. Token pairs read their user at each refresh, so an
    /// access token retains its claims until it expires; [`revoke_all`](Self::revoke_all) revokes
    /// it.
    ///
    /// # Errors
    ///
    /// When the store does not answer. Some sessions may then be unchanged, so call it again.
    pub async fn refresh_user(&self, subject: &str) -> Result<(), StoreError> {
        user_status::refresh(&self.0, subject).await
    }
}

impl<U> Clone for Accounts<U> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<U> fmt::Debug for Accounts<U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accounts")
            .field("pairs", &self.0.pairs)
            .finish_non_exhaustive()
    }
}
