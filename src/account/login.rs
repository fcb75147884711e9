//! Login by name and password, and "log out everywhere".

use std::{fmt, sync::Arc};

use base64_simd::URL_SAFE_NO_PAD;
use serde::Serialize;

use super::{
    attempt::{Credentials, LoginError, NewDevice, Origin},
    builder::AccountsBuilder,
    challenge::ChallengeKeys,
    proof::{Proved, refund_unless_wrong, throttle_key},
    second_factor::SecondFactor,
    users::{User, UserReader, Users},
};
use crate::{
    clock::Clock,
    env::Env,
    error::StoreError,
    event::{Event, EventKind, EventSource, Events},
    identity::Factor,
    password::{HashingSlot, Passwords},
    refresh::{ReadUser, TokenPair, TokenPairs},
    rejection::Rejection,
    secret::{Secret, tag::TagKey},
    session::{NewSession, Session, Sessions},
    throttle::{Attempt, Throttle},
};

/// Logs users in by name and password, changes passwords, and logs out everywhere, on all engines
/// together.
///
/// It is a handle: cloning it is cheap. See the [module](super) for the rules.
///
/// ```
/// # use tower_jam::{Accounts, Claims, Secret, account::*};
/// # async fn run(accounts: Accounts<Claims>, ip: std::net::IpAddr) -> Result<(), LoginError> {
/// let credentials = Credentials { name: "alice".into(), password: Secret::new("…".into()) };
/// let pair = accounts.login(&credentials, &Origin::new(ip), NewDevice::default()).await?;
/// # Ok(())
/// # }
/// ```
#[doc(alias("login", "logout", "sign in", "lockout"))]
pub struct Accounts<U> {
    pub(crate) inner: Arc<AccountsInner<U>>,
}

pub(crate) struct AccountsInner<U> {
    pub(super) users: Arc<dyn Users<U>>,
    pub(super) passwords: Passwords,
    pub(super) throttle: Throttle,
    pub(super) pairs: TokenPairs<U>,
    pub(super) sessions: Option<Sessions<U>>,
    pub(super) second_factor: Option<SecondFactor>,
    pub(super) challenges: ChallengeKeys,
    /// Hashes attempted names, for events.
    pub(super) names: TagKey,
    pub(super) events: Events,
    pub(crate) clock: Arc<dyn Clock>,
}

/// Returns a reader of users for [`TokenPairs::builder`].
pub fn user_reader<U: Send + 'static>(users: Arc<dyn Users<U>>) -> impl ReadUser<U> {
    UserReader(users)
}

impl<U> Accounts<U> {
    pub(crate) fn token_pairs(&self) -> &TokenPairs<U> {
        &self.inner.pairs
    }
}

impl<U: Serialize + Send + Sync + 'static> Accounts<U> {
    /// Returns a builder of accounts for `users`. `throttle` limits their attempts, and `pairs`
    /// issues their tokens. Build `pairs` with [`user_reader`] of the same users.
    pub fn builder(
        env: &Env,
        users: Arc<dyn Users<U>>,
        passwords: Passwords,
        throttle: Throttle,
        pairs: TokenPairs<U>,
    ) -> AccountsBuilder<U> {
        AccountsBuilder::new(env, users, passwords, throttle, pairs)
    }

    /// Returns the issuer, which is that of the token pairs.
    #[must_use]
    pub fn issuer(&self) -> &str {
        self.inner.pairs.issuer()
    }

    /// Returns the token pairs.
    #[must_use]
    pub fn pairs(&self) -> &TokenPairs<U> {
        &self.inner.pairs
    }

    /// Returns the sessions, if there are any.
    #[must_use]
    pub fn sessions(&self) -> Option<&Sessions<U>> {
        self.inner.sessions.as_ref()
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
        device.check()?;
        let proved = self.prove(credentials, origin).await?;
        self.finish_login(proved, device).await
    }

    /// Logs in to the session that the browser presented, or to a new one.
    ///
    /// # Errors
    ///
    /// See [`LoginError`].
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
        let name = self.inner.users.canonical(&credentials.name);
        let source = self.source(origin, &name);
        let slot = self.admit(&name, origin, &source)?;
        let found = self.inner.users.find(&credentials.name).await?;
        let key = throttle_key(self.issuer(), found.as_ref(), &name);
        let attempt = self.attempt(&key, origin, &source).await?;
        let compared = self
            .compare(&slot, found, credentials, origin, source)
            .await;
        refund_unless_wrong(attempt, compared).await
    }

    /// The source of an attempt on `name`. The name is hashed with a key of the issuer, so that a
    /// reader of the log cannot test names against it.
    pub(super) fn source(&self, origin: &Origin, name: &str) -> EventSource {
        let hash = self.inner.names.tag(name.as_bytes());
        EventSource {
            name_hash: Some(URL_SAFE_NO_PAD.encode_to_string(hash)),
            ..origin.source()
        }
    }

    async fn compare(
        &self,
        slot: &HashingSlot,
        found: Option<User<U>>,
        credentials: &Credentials,
        origin: &Origin,
        source: EventSource,
    ) -> Result<Proved<U>, LoginError> {
        let inner = &*self.inner;
        // The epochs of an unknown user are read too, so that the response time reveals nothing.
        let subject = found
            .as_ref()
            .map_or(&*credentials.name, |user| user.grant.subject());
        let pairs_epoch = inner.pairs.epoch(subject).await?;
        let sessions_epoch = match &inner.sessions {
            Some(sessions) => Some(sessions.epoch(subject).await?),
            None => None,
        };
        // The hash must be read after the epochs. Otherwise, after a password change in between,
        // the old password would still be accepted.
        let current = inner.users.read(subject).await?;
        let user = self
            .check_password(
                slot,
                found.and(current),
                &credentials.password,
                (origin, &source),
            )
            .await?;
        let device_account = throttle_key(self.issuer(), Some(&user), &credentials.name);
        Ok(Proved {
            needs_second_step: self
                .needs_second_step(&user, origin.remembered.as_ref())
                .await?,
            grant: user.grant.factor_at(Factor::Password, inner.clock.now()),
            device_account,
            remembered_account: None,
            #[cfg(feature = "dpop")]
            key: None,
            pairs_epoch,
            sessions_epoch,
            source,
        })
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
        let device = device.within_limits()?;
        if proved.needs_second_step {
            return Err(self.begin_second_step(proved, device).await?);
        }
        let mut pair = self
            .inner
            .pairs
            .issue(proved.grant)
            .since(proved.pairs_epoch)
            .source(proved.source);
        #[cfg(feature = "dpop")]
        if let Some(key) = &proved.key {
            pair = pair.bound_to(key);
        }
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
        if proved.needs_second_step {
            let device = NewDevice::default();
            return Err(self.begin_second_step(proved, device).await?);
        }
        let event = self
            .event(EventKind::LoginSucceeded)
            .of(proved.grant.subject())
            .with_source(proved.source);
        let mut login = session.login(proved.grant);
        if let Some(epoch) = proved.sessions_epoch {
            login = login.since(epoch);
        }
        let session = login.await?;
        self.inner.events.tell(&event.in_session(&session.id));
        Ok(session)
    }

    /// Returns the throttle, which also issues the tokens of known devices.
    #[must_use]
    pub fn throttle(&self) -> &Throttle {
        &self.inner.throttle
    }

    /// Returns the cookie value that identifies the device of this login as known from now on. It
    /// is valid until the password changes. See [`Throttle::device_token`].
    #[must_use]
    pub fn device_token(&self, proved: &Proved<U>) -> Secret<String> {
        self.inner.throttle.device_token(&proved.device_account)
    }

    /// Revokes every token pair, session and remembered device of `subject`, including logins under
    /// way.
    ///
    /// # Errors
    ///
    /// When a store does not answer. Some of them may then still be valid, so call it again.
    pub async fn revoke_all(&self, subject: &str) -> Result<(), StoreError> {
        self.revoke_everything(subject).await?;
        let event = self.event(EventKind::AllDevicesRevoked).of(subject);
        self.inner.events.tell(&event);
        Ok(())
    }

    pub(super) async fn revoke_everything(&self, subject: &str) -> Result<(), StoreError> {
        self.inner.pairs.end_all(subject).await?;
        if let Some(sessions) = &self.inner.sessions {
            sessions.revoke_all(subject).await?;
        }
        // Last: a device that is remembered after this point belongs to a login that will be
        // refused.
        self.revoke_all_remembered(subject).await
    }

    pub(super) async fn attempt(
        &self,
        account: &str,
        origin: &Origin,
        source: &EventSource,
    ) -> Result<Attempt, Rejection> {
        let device = origin
            .device
            .as_ref()
            .map(|device| device.expose().as_str());
        self.inner
            .throttle
            .attempt_with_source(account, origin.address, device, source)
            .await
    }

    pub(super) fn event(&self, kind: EventKind) -> Event {
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
