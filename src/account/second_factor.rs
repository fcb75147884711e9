//! The operations of the owner of a second factor, and of an operator who resets it.

use std::{fmt, time::Duration};

use super::{
    attempt::{LoginError, NewDevice},
    fresh::{FRESH, require_fresh},
    inner::AccountsInner,
    proved::Proved,
    remembered::RememberedDevice,
};
use crate::{
    error::StoreError,
    identity::{Factor, Identity},
    otp::{Enrollment, Otp, RecoveryCodes},
    rejection::{Rejection, RejectionKind},
    secret::Secret,
};

/// The second factors of users: one-time codes, and the devices that skip them. See
/// [`Accounts::second_factor`](super::Accounts::second_factor).
pub struct SecondFactor<'a, U>(pub(super) &'a AccountsInner<U>);

impl<'a, U: 'static> SecondFactor<'a, U> {
    /// Starts an enrolment of the caller, who must have logged in at most five minutes ago. A
    /// caller who already has a second factor must have given a code of it. `account` is the label
    /// that the authenticator shows.
    ///
    /// # Errors
    ///
    /// [`RejectionKind::StepUp`] for a proof that is too old; otherwise the errors of
    /// [`Otp::enroll`].
    pub async fn enroll(
        self,
        caller: &Identity,
        account: Option<&str>,
    ) -> Result<Enrollment, Rejection> {
        let otp = self.otp()?;
        let (caller, has_second_factor) = self.require_owner(caller).await?;
        let subject = caller.subject().id();
        let mut enrollment = otp.enroll(subject).replacing(&caller);
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
    /// As [`enroll`](Self::enroll); [`LoginError::WrongCode`] for a wrong code.
    pub async fn confirm(self, caller: &Identity, code: &str) -> Result<RecoveryCodes, LoginError> {
        let otp = self.otp()?;
        let (caller, _) = self.require_owner(caller).await?;
        let subject = caller.subject().id();
        let codes = otp.confirm(subject, code).await;
        let codes = codes.map_err(|refusal| match refusal.kind() {
            RejectionKind::Invalid => LoginError::WrongCode,
            _ => LoginError::Rejected(refusal),
        })?;
        self.set_flag(subject, true).await?;
        Ok(codes)
    }

    /// Removes the second factor of the caller, who must have given a code of it just now.
    ///
    /// # Errors
    ///
    /// [`RejectionKind::StepUp`] without such a code, [`RejectionKind::Unavailable`] when a store
    /// does not answer.
    pub async fn disable(self, caller: &Identity) -> Result<(), Rejection> {
        let otp = self.otp()?;
        require_fresh(caller, &Factor::Otp, self.0.clock.now())?;
        // The proof is checked in full first: a refusal halfway would leave the flag cleared.
        let subject = otp.proved(caller)?;
        // In this order: a flag without a record would lock the owner out.
        self.set_flag(subject, false).await?;
        otp.dangerous_disable(subject).await?;
        Ok(())
    }

    /// Removes the second factor of `subject` without a code. Returns `false` if there was none.
    ///
    /// This is for an operator who has verified in another way that the owner asks for it: the
    /// phone and recovery codes are lost, or the record of codes
    /// [cannot be read](RejectionKind::FactorLost). The next login requires only the password, and
    /// a new factor is enrolled like a first one. Devices that are remembered now must then give
    /// codes of the new factor.
    ///
    /// # Errors
    ///
    /// When there is no such user, or a store does not answer.
    pub async fn dangerous_reset(self, subject: &str) -> Result<bool, Rejection> {
        let user = self.0.read_user(subject).await?;
        // In this order: a flag without a record would lock the owner out.
        if user.has_second_factor {
            self.0.users.set_second_factor(subject, false).await?;
        }
        let was_enrolled = match &self.0.second_factor {
            Some(second) => second.otp.dangerous_disable(subject).await?,
            None => false,
        };
        Ok(user.has_second_factor || was_enrolled)
    }

    /// Remembers the device of a login that gave a code, so that it skips the code for a while.
    /// Returns the token for its cookie, and how long it is valid. Returns `None` if devices are
    /// [not remembered](super::AccountsBuilder::remember_devices). A new password, a new
    /// authenticator, [`Accounts::revoke_all`](super::Accounts::revoke_all) and
    /// [`revoke_remembered_device`](Self::revoke_remembered_device) revoke it.
    ///
    /// Call it before the login is finished: a concurrent "log out everywhere" then also revokes
    /// the device.
    ///
    /// # Errors
    ///
    /// When the store does not answer.
    pub async fn remember_device(
        self,
        proved: &Proved<U>,
        device: &NewDevice,
    ) -> Result<Option<(Secret<String>, Duration)>, StoreError> {
        let (Some((store, devices)), Some(account)) =
            (self.0.remembered(), &proved.remembered_account)
        else {
            return Ok(None);
        };
        let store_and_clock = (store, &*self.0.clock);
        let name = device.name.as_deref().or(device.user_agent.as_deref());
        let token = devices.remember(store_and_clock, proved.grant.subject(), account, name);
        Ok(Some((token.await?, devices.life())))
    }

    /// Returns the devices on which `subject` skips the one-time code, oldest first.
    ///
    /// # Errors
    ///
    /// When the store does not answer.
    pub async fn remembered_devices(
        self,
        subject: &str,
    ) -> Result<Vec<RememberedDevice>, StoreError> {
        match self.0.remembered() {
            Some((store, devices)) => devices.list(store, subject, self.0.clock.now()).await,
            None => Ok(Vec::new()),
        }
    }

    /// Revokes the remembered device of `subject` with this public id, so that it must give codes
    /// again. Returns `false` if there is none.
    ///
    /// # Errors
    ///
    /// When the store does not answer.
    pub async fn revoke_remembered_device(
        self,
        subject: &str,
        id: &str,
    ) -> Result<bool, StoreError> {
        match self.0.remembered() {
            Some((store, devices)) => devices.revoke((store, &*self.0.clock), subject, id).await,
            None => Ok(false),
        }
    }

    /// Returns the caller if it may change its second factor, and whether it has one. It needs a
    /// fresh login, or a fresh code if it has a second factor.
    async fn require_owner(self, caller: &Identity) -> Result<(Identity, bool), Rejection> {
        let now = self.0.clock.now();
        let caller = caller.clone().checked_again_at(now);
        let user = self.0.read_user(caller.subject().id()).await?;
        // Any login counts, including one with a provider, which no password can renew.
        let factors = || caller.factors().iter().map(|(factor, _)| factor);
        let logged_in = factors().any(|factor| caller.is_fresh(factor, FRESH));
        if user.has_second_factor {
            require_fresh(&caller, &Factor::Otp, now)?;
        } else if !logged_in {
            // The caller can repeat the factor with which it logged in.
            let has_password = factors().any(|factor| *factor == Factor::Password);
            let factor = if has_password {
                &Factor::Password
            } else {
                factors().next().unwrap_or(&Factor::Password)
            };
            require_fresh(&caller, factor, now)?;
        }
        Ok((caller, user.has_second_factor))
    }

    async fn set_flag(self, subject: &str, is_set: bool) -> Result<(), Rejection> {
        let users = &self.0.users;
        if users.set_second_factor(subject, is_set).await? {
            Ok(())
        } else {
            Err(Rejection::invalid("the user no longer exists"))
        }
    }

    fn otp(self) -> Result<&'a Otp, Rejection> {
        Ok(&self.0.require_second_factor()?.otp)
    }
}

impl<U> Clone for SecondFactor<'_, U> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<U> Copy for SecondFactor<'_, U> {}

impl<U> fmt::Debug for SecondFactor<'_, U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecondFactor").finish_non_exhaustive()
    }
}
