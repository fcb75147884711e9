//! The second step of a login, and the operations of the owner of a second factor.

use std::{fmt, time::Duration};

use serde::Serialize;

use super::{
    attempt::{LoginError, NewDevice, Origin},
    challenge::{CHALLENGE_LIFE, PendingLogin},
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
    /// The tokens of remembered devices, if those are allowed.
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

    /// The account that a remembered device is for: the user with its current password and
    /// authenticator.
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
    /// Returns the one-time codes, if the accounts have any.
    #[must_use]
    pub fn otp(&self) -> Option<&Otp> {
        self.inner.second_factor.as_ref().map(|second| &second.otp)
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
        let second = self.second_factor()?;
        let pending = self.pending_login(second, challenge).await?;
        let source = origin.source();
        self.prove_pending(pending, challenge, code, source).await
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
        let second = self.second_factor()?;
        let pending = self.pending_login(second, challenge).await?;
        if pending.key.is_some() && pending.key.as_deref() != thumbprint {
            let reason = "the login began with a proof of a different key";
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
        let verdict = if code.len() > MAX_OTP_BYTES {
            let used = second.otp.use_recovery_code(&pending.subject, code);
            used.await.map(|(at, _)| at)
        } else {
            second.otp.verify(&pending.subject, code).await
        };
        let at = verdict.map_err(|refusal| match refusal.kind() {
            RejectionKind::Invalid => {
                let event = self.event(EventKind::WrongCode).of(&*pending.subject);
                inner.events.tell(&event.with_source(source.clone()));
                LoginError::WrongCode
            }
            _ => LoginError::Rejected(refusal),
        })?;
        // Only now, so that a mistyped code does not require the password again.
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

    /// Whether a login of `user` requires a code.
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

    /// Stores a pending login and returns its challenge, as [`LoginError::OtpRequired`].
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

    /// Starts an enrolment of the caller, who must have logged in at most five minutes ago. A
    /// caller who already has a second factor must have given a code of it. `account` is the label
    /// that the authenticator shows.
    ///
    /// # Errors
    ///
    /// [`RejectionKind::StepUp`] for a proof that is too old; otherwise the errors of
    /// [`Otp::enroll`].
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
            // Without the flag no code is required, so the record is left over from an unfinished
            // enrolment.
            enrollment = enrollment.replacing_what_is_left();
        }
        if let Some(account) = account {
            enrollment = enrollment.account(account);
        }
        enrollment.await
    }

    /// Completes the caller's enrolment with its first code, and returns the recovery codes. From
    /// then on logins require a code.
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

    /// Removes the second factor of the caller, who must have given a code of it just now.
    ///
    /// # Errors
    ///
    /// [`RejectionKind::StepUp`] without such a code, [`RejectionKind::Unavailable`] when a store
    /// does not answer.
    pub async fn disable_otp(&self, caller: &Identity) -> Result<(), Rejection> {
        let second = self.second_factor()?;
        self.require(caller, &Factor::Otp)?;
        // The proof is checked in full first: a refusal halfway would leave the flag cleared.
        let subject = second.otp.proved(caller)?;
        // In this order: a flag without a record would lock the owner out.
        self.set_second_factor(subject, false).await?;
        second.otp.dangerous_disable(subject).await?;
        Ok(())
    }

    /// Returns the caller if it may change its second factor, and whether it has one. It needs a
    /// fresh login, or a fresh code if it has a second factor.
    async fn require_owner(&self, caller: &Identity) -> Result<(Identity, bool), Rejection> {
        let caller = caller.clone().checked_again_at(self.inner.clock.now());
        let user = self.inner.users.read(caller.subject().id()).await?;
        let user = user.ok_or_else(|| Rejection::invalid("the user no longer exists"))?;
        // Any login counts, including one with a provider, which no password can renew.
        let factors = || caller.factors().iter().map(|(factor, _)| factor);
        let logged_in = factors().any(|factor| caller.is_fresh(factor, FRESH));
        if user.has_second_factor {
            self.require(&caller, &Factor::Otp)?;
        } else if !logged_in {
            // The caller can repeat the factor with which it logged in.
            let has_password = factors().any(|factor| *factor == Factor::Password);
            let factor = if has_password {
                &Factor::Password
            } else {
                factors().next().unwrap_or(&Factor::Password)
            };
            self.require(&caller, factor)?;
        }
        Ok((caller, user.has_second_factor))
    }

    pub(super) fn require(&self, caller: &Identity, factor: &Factor) -> Result<(), Rejection> {
        let caller = caller.clone().checked_again_at(self.inner.clock.now());
        if caller.is_fresh(factor, FRESH) {
            return Ok(());
        }
        let acr = factor.as_amr().to_owned().into();
        let reason = "the proof is too old or missing";
        Err(Rejection::step_up(Some(FRESH), Some(acr), reason))
    }

    async fn set_second_factor(&self, subject: &str, is_set: bool) -> Result<(), Rejection> {
        if self.inner.users.set_second_factor(subject, is_set).await? {
            Ok(())
        } else {
            Err(Rejection::invalid("the user no longer exists"))
        }
    }

    fn second_factor(&self) -> Result<&SecondFactor, Rejection> {
        self.inner.second_factor.as_ref().ok_or_else(|| {
            Rejection::misconfigured(
                "a user has a second factor, but the accounts were built without `otp`",
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

/// The maximum age of a proof for operations that only the owner should perform.
pub(crate) const FRESH: Duration = Duration::from_secs(5 * 60);
/// A one-time code has at most eight digits, a recovery code 24 characters.
const MAX_OTP_BYTES: usize = 12;
