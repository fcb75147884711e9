//! The second step of a login: a one-time code or a recovery code.

use serde::Serialize;

use super::{
    attempt::{LoginError, NewDevice, Origin},
    inner::{AccountsInner, SecondFactorEngines},
    pending::PendingLogin,
    proved::Proved,
    throttle_key::throttle_key,
    users::User,
};
use crate::{
    error::StoreError,
    event::{EventKind, EventSource},
    identity::Factor,
    rejection::{Rejection, RejectionKind},
    secret::Secret,
};

/// See [`Accounts::prove_second`](super::Accounts::prove_second).
pub(super) async fn prove_second<U: Serialize + Send + Sync + 'static>(
    inner: &AccountsInner<U>,
    challenge: &str,
    code: &str,
    origin: &Origin,
) -> Result<(Proved<U>, NewDevice), LoginError> {
    let pending = pending_login(inner, challenge).await?;
    prove_pending(inner, pending, challenge, code, origin.source()).await
}

/// See [`Accounts::prove_second_with_key`](super::Accounts::prove_second_with_key).
pub(super) async fn prove_second_with_key<U: Serialize + Send + Sync + 'static>(
    inner: &AccountsInner<U>,
    challenge: &str,
    code: &str,
    origin: &Origin,
    thumbprint: Option<&str>,
) -> Result<(Proved<U>, NewDevice), LoginError> {
    let pending = pending_login(inner, challenge).await?;
    if pending.key.is_some() && pending.key.as_deref() != thumbprint {
        let reason = "the login began with a proof of a different key";
        return Err(LoginError::Rejected(Rejection::invalid(reason)));
    }
    prove_pending(inner, pending, challenge, code, origin.source()).await
}

async fn pending_login<U>(
    inner: &AccountsInner<U>,
    challenge: &str,
) -> Result<PendingLogin, LoginError> {
    let second = inner.require_second_factor()?;
    let (keys, now) = (&inner.challenges, inner.clock.now());
    let pending = PendingLogin::find(second.store(), keys, challenge, now).await?;
    pending.ok_or(LoginError::ChallengeOver)
}

async fn prove_pending<U: Serialize + Send + Sync + 'static>(
    inner: &AccountsInner<U>,
    pending: PendingLogin,
    challenge: &str,
    code: &str,
    source: EventSource,
) -> Result<(Proved<U>, NewDevice), LoginError> {
    let second = inner.require_second_factor()?;
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
            let event = inner.event(EventKind::WrongCode).of(&*pending.subject);
            inner.events.tell(&event.with_source(source.clone()));
            LoginError::WrongCode
        }
        _ => LoginError::Rejected(refusal),
    })?;
    // Only now, so that a mistyped code does not require the password again.
    if !PendingLogin::take(second.store(), &inner.challenges, challenge).await? {
        return Err(LoginError::ChallengeOver);
    }
    let device_account = throttle_key(inner.issuer(), Some(&user), &pending.subject);
    let remembered_account = match &second.remembered {
        Some(_) => remembered_account(second, inner.issuer(), &user).await?,
        None => None,
    };
    let mut grant = user.grant;
    for (factor, at) in pending.proofs() {
        grant = grant.factor_at(factor, at);
    }
    let proved = Proved {
        grant: grant.factor_at(Factor::Otp, at),
        device_account,
        remembered_account,
        needs_second_step: false,
        key: pending.key()?,
        epochs: pending.epochs(),
        source,
    };
    Ok((proved, pending.device()))
}

/// Whether a login of `user` requires a code.
pub(super) async fn needs_second_step<U>(
    inner: &AccountsInner<U>,
    user: &User<U>,
    remembered: Option<&Secret<String>>,
) -> Result<bool, Rejection> {
    if !user.has_second_factor {
        return Ok(false);
    }
    let second = inner.require_second_factor()?;
    let (Some(devices), Some(token)) = (&second.remembered, remembered) else {
        return Ok(true);
    };
    let Some(account) = remembered_account(second, inner.issuer(), user).await? else {
        return Ok(true);
    };
    let store_and_clock = (second.store(), &*inner.clock);
    let subject = user.grant.subject();
    let is_known = devices.is_remembered(store_and_clock, subject, &account, token.expose());
    Ok(!is_known.await?)
}

/// The account that a remembered device is for: the user with its current password and
/// authenticator.
async fn remembered_account<U>(
    second: &SecondFactorEngines,
    issuer: &str,
    user: &User<U>,
) -> Result<Option<String>, StoreError> {
    let subject = user.grant.subject();
    let enrolment = second.otp.enrolment(subject).await?;
    Ok(enrolment
        .map(|number| format!("{number:08x} {}", throttle_key(issuer, Some(user), subject))))
}

/// A one-time code has at most eight digits, a recovery code 24 characters.
const MAX_OTP_BYTES: usize = 12;
