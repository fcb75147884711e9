//! The second step of a login, and what the owner of a second factor may do with it.

use std::{fmt, time::Duration};

use serde::Serialize;

use super::{
    attempt::{LoginError, NewDevice, Origin},
    challenge::PendingLogin,
    cookies::CHALLENGE_LIFE,
    login::Accounts,
    proof::{Proved, throttle_key},
    remembered::RememberedDevices,
    users::User,
};
use crate::{
    error::StoreError,
    event::{EventKind, EventSource},
    identity::{Factor, Identity},
    otp::{Enrollment, Otp, RecoveryCodes},
    rejection::{Rejection, RejectionKind},
    secret::Secret,
    store::Store,
};

/// The one-time codes of accounts.
pub(super) struct SecondFactor {
    pub(super) otp: Otp,
    /// The tokens of devices that give no code, if there may be any.
    pub(super) remembered: Option<RememberedDevices>,
}

impl SecondFactor {
    pub(super) const fn new(otp: Otp) -> Self {
        Self {
            otp,
            remembered: None,
        }
    }

    pub(super) fn store(&self) -> &dyn Store {
        self.otp.store()
    }

    /// Which user, password and authenticator a remembered device is for.
    async fn remembered_account<U>(
        &self,
        issuer: &str,
        user: &User<U>,
    ) -> Result<Option<String>, StoreError> {
        let subject = user.grant.subject();
        let enrolment = self.otp.enrolment(subject).await?;
        Ok(enrolment
            .map(|number| format!("{number:08x} {}", throttle_key(issuer, Some(user), subject))))
    }
}

impl<U: Serialize + Send + Sync + 'static> Accounts<U> {
    /// The one-time codes, if accounts have any.
    #[must_use]
    pub fn otp(&self) -> Option<&Otp> {
        self.inner.second_factor.as_ref().map(|second| &second.otp)
    }

    /// The second step: proves by a one-time code, or by a recovery code, who waits with `challenge`. Returns also what was
    /// noted of the device at the first step.
    ///
    /// # Errors
    ///
    /// [`LoginError::ChallengeOver`] for a challenge that is none, too old or used; [`LoginError::WrongCode`] for a code
    /// that is wrong or used, with which the challenge may be tried again; see [`LoginError`] for the rest.
    pub async fn prove_second(
        &self,
        challenge: &str,
        code: &str,
        origin: &Origin,
    ) -> Result<(Proved<U>, NewDevice), LoginError> {
        let second = self.second_factor()?;
        let pending = self.pending_login(second, challenge).await?;
        let source = origin.source();
        self.prove_pending(pending, challenge, code, source).await
    }

    /// The same for a request that proves to hold the key with this thumbprint. A login that began with a key goes on with it.
    pub(super) async fn prove_second_with_key(
        &self,
        challenge: &str,
        code: &str,
        origin: &Origin,
        held: Option<&str>,
    ) -> Result<(Proved<U>, NewDevice), LoginError> {
        let second = self.second_factor()?;
        let pending = self.pending_login(second, challenge).await?;
        if pending.key.is_some() && pending.key.as_deref() != held {
            let reason = "the login began with a proof of another key";
            return Err(LoginError::Rejected(Rejection::invalid(reason)));
        }
        let source = origin.source();
        self.prove_pending(pending, challenge, code, source).await
    }

    async fn pending_login(
        &self,
        second: &SecondFactor,
        challenge: &str,
    ) -> Result<PendingLogin, LoginError> {
        let now = self.inner.clock.now();
        let pending =
            PendingLogin::find(second.store(), &self.inner.challenges, challenge, now).await?;
        pending.ok_or(LoginError::ChallengeOver)
    }

    async fn prove_pending(
        &self,
        pending: PendingLogin,
        challenge: &str,
        code: &str,
        source: EventSource,
    ) -> Result<(Proved<U>, NewDevice), LoginError> {
        let (inner, second) = (&*self.inner, self.second_factor()?);
        let user = inner.users.read(&pending.subject).await?;
        let user = user.ok_or(LoginError::ChallengeOver)?;
        let verdict = match code.len() > MAX_OTP_BYTES {
            true => {
                let used = second.otp.use_recovery_code(&pending.subject, code);
                used.await.map(|(at, _)| at)
            }
            false => second.otp.verify(&pending.subject, code).await,
        };
        let at = verdict.map_err(|refusal| match refusal.kind() {
            RejectionKind::Invalid => {
                let event = self.event(EventKind::WrongCode).of(&*pending.subject);
                inner.events.tell(&event.with_source(source.clone()));
                LoginError::WrongCode
            }
            _ => LoginError::Rejected(refusal),
        })?;
        // Only now, so that a mistyped code does not ask for the password again.
        if !PendingLogin::take(second.store(), &inner.challenges, challenge).await? {
            return Err(LoginError::ChallengeOver);
        }
        let device_account = throttle_key(self.issuer(), Some(&user), &pending.subject);
        let remembered_account = match &second.remembered {
            Some(_) => second.remembered_account(self.issuer(), &user).await?,
            None => None,
        };
        let mut grant = user.grant;
        for (factor, at) in pending.proofs() {
            grant = grant.factor_at(factor, at);
        }
        let (pairs_epoch, sessions_epoch) = pending.epochs();
        let proved = Proved {
            grant: grant.factor_at(Factor::Otp, at),
            device_account,
            remembered_account,
            needs_second_step: false,
            #[cfg(feature = "dpop")]
            key: pending.key()?,
            pairs_epoch,
            sessions_epoch,
            source,
        };
        Ok((proved, pending.device()))
    }

    /// Whether a login of `user` has to wait for a code.
    pub(super) async fn needs_second_step(
        &self,
        user: &User<U>,
        remembered: Option<&Secret<String>>,
    ) -> Result<bool, Rejection> {
        if !user.has_second_factor {
            return Ok(false);
        }
        let second = self.second_factor()?;
        let (Some(devices), Some(token)) = (&second.remembered, remembered) else {
            return Ok(true);
        };
        let Some(account) = second.remembered_account(self.issuer(), user).await? else {
            return Ok(true);
        };
        let store_and_clock = (second.store(), &*self.inner.clock);
        let subject = user.grant.subject();
        let is_known = devices.is_remembered(store_and_clock, subject, &account, token.expose());
        Ok(!is_known.await?)
    }

    /// Has whoever is `proved` wait for the second step.
    pub(super) async fn begin_second_step(
        &self,
        proved: Proved<U>,
        device: NewDevice,
    ) -> Result<LoginError, LoginError> {
        let second = self.second_factor()?;
        let now = self.inner.clock.now();
        let epochs = (proved.pairs_epoch, proved.sessions_epoch);
        let expires_at = now.after(CHALLENGE_LIFE);
        let proofs = proved.grant.proofs(now);
        let pending = PendingLogin::new(proved.grant.subject(), proofs, epochs, device, expires_at);
        #[cfg(feature = "dpop")]
        let pending = pending.bound_to(proved.key);
        let challenge = pending
            .store(second.store(), &self.inner.challenges)
            .await?;
        Ok(LoginError::OtpRequired(challenge))
    }

    /// Begins an enrolment of the caller, who must have logged in within five minutes, and who has a second factor
    /// already must have given a code of it. `account` is what the authenticator shows.
    ///
    /// # Errors
    ///
    /// A step-up [`Rejection`] for a proof that is too old, those of [`Otp::enroll`] otherwise.
    pub async fn enroll_otp(
        &self,
        caller: &Identity,
        account: Option<&str>,
    ) -> Result<Enrollment, Rejection> {
        let second = self.second_factor()?;
        let (caller, has_second_factor) = self.require_owner(caller).await?;
        let subject = caller.subject().id();
        let mut enrollment = second.otp.enroll(subject).replacing(&caller);
        if !has_second_factor {
            // An authenticator of whom no code is asked is what an enrolment has left that did not come to its end.
            enrollment = enrollment.replacing_what_is_left();
        }
        if let Some(account) = account {
            enrollment = enrollment.account(account);
        }
        enrollment.await
    }

    /// Ends the caller's enrolment with its first code, from which on logins ask for one. Returns the recovery codes.
    ///
    /// # Errors
    ///
    /// As [`enroll_otp`](Self::enroll_otp); [`LoginError::WrongCode`] for a wrong code.
    pub async fn confirm_otp(
        &self,
        caller: &Identity,
        code: &str,
    ) -> Result<RecoveryCodes, LoginError> {
        let second = self.second_factor()?;
        let (caller, _) = self.require_owner(caller).await?;
        let subject = caller.subject().id();
        let codes = second.otp.confirm(subject, code).await;
        let codes = codes.map_err(|refusal| match refusal.kind() {
            RejectionKind::Invalid => LoginError::WrongCode,
            _ => LoginError::Rejected(refusal),
        })?;
        self.set_second_factor(subject, true).await?;
        Ok(codes)
    }

    /// Takes the caller's second factor away, who has just given a code of it.
    ///
    /// # Errors
    ///
    /// A step-up [`Rejection`] when it has not, an unavailable one when a store does not answer.
    pub async fn disable_otp(&self, caller: &Identity) -> Result<(), Rejection> {
        let second = self.second_factor()?;
        self.require(caller, &Factor::Otp)?;
        // Whatever is asked of the proof is asked now: a refusal half way would leave the flag away.
        let subject = second.otp.proved(caller)?;
        // In this order: a flag without a record would lock its owner out.
        self.set_second_factor(subject, false).await?;
        second.otp.dangerous_disable(subject).await?;
        Ok(())
    }

    /// The caller, if it may change its second factor: by a login of a moment ago, and by a code where it has one, which the
    /// second half says.
    async fn require_owner(&self, caller: &Identity) -> Result<(Identity, bool), Rejection> {
        let caller = caller.clone().checked_again_at(self.inner.clock.now());
        let user = self.inner.users.read(caller.subject().id()).await?;
        let user = user.ok_or_else(|| Rejection::invalid("the user is gone"))?;
        // By whatever the login was, a provider's word included, which no password renews.
        let factors = || caller.factors().iter().map(|(factor, _)| factor);
        let logged_in = factors().any(|factor| caller.is_fresh(factor, FRESH));
        if user.has_second_factor {
            self.require(&caller, &Factor::Otp)?;
        } else if !logged_in {
            // What it has proved itself by it can do again.
            let has_password = factors().any(|factor| *factor == Factor::Password);
            let again = match has_password {
                true => &Factor::Password,
                false => factors().next().unwrap_or(&Factor::Password),
            };
            self.require(&caller, again)?;
        }
        Ok((caller, user.has_second_factor))
    }

    pub(super) fn require(&self, caller: &Identity, factor: &Factor) -> Result<(), Rejection> {
        let caller = caller.clone().checked_again_at(self.inner.clock.now());
        match caller.is_fresh(factor, FRESH) {
            true => Ok(()),
            false => {
                let acr = factor.as_amr().to_owned().into();
                let reason = "the proof is too old, or was never given";
                Err(Rejection::step_up(Some(FRESH), Some(acr), reason))
            }
        }
    }

    async fn set_second_factor(&self, subject: &str, is_set: bool) -> Result<(), Rejection> {
        match self.inner.users.set_second_factor(subject, is_set).await? {
            true => Ok(()),
            false => Err(Rejection::invalid("the user is gone")),
        }
    }

    fn second_factor(&self) -> Result<&SecondFactor, Rejection> {
        self.inner.second_factor.as_ref().ok_or_else(|| {
            Rejection::misconfigured(
                "a user has a second factor, and the accounts were built without `otp`",
            )
        })
    }
}

impl fmt::Debug for SecondFactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecondFactor")
            .field("otp", &self.otp)
            .finish_non_exhaustive()
    }
}

/// How old a proof may be for what only its owner should do.
pub(super) const FRESH: Duration = Duration::from_secs(5 * 60);
/// A one-time code has eight digits at most, a recovery code 24 characters.
const MAX_OTP_BYTES: usize = 12;
