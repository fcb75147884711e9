//! The end of every login: a token pair or a session, unless a code is required first.

use serde::Serialize;

use super::{
    attempt::{LoginError, NewDevice},
    challenge::{CHALLENGE_LIFE, Challenge},
    inner::AccountsInner,
    pending::PendingLogin,
    proved::Proved,
};
use crate::{
    event::EventKind,
    refresh::TokenPair,
    session::{NewSession, Session},
};

/// See [`Accounts::finish_login`](super::Accounts::finish_login).
pub(super) async fn finish_login<U: Serialize + Send + Sync + 'static>(
    inner: &AccountsInner<U>,
    proved: Proved<U>,
    device: NewDevice,
) -> Result<TokenPair, LoginError> {
    let device = device.within_limits()?;
    if proved.needs_second_step {
        let challenge = begin_second_step(inner, proved, device).await?;
        return Err(LoginError::OtpRequired(challenge));
    }
    let mut pair = inner
        .pairs
        .issue(proved.grant)
        .since(proved.epochs.pairs)
        .source(proved.source);
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

/// See [`Accounts::finish_session`](super::Accounts::finish_session).
pub(super) async fn finish_session<U: Serialize + Send + Sync + 'static>(
    inner: &AccountsInner<U>,
    proved: Proved<U>,
    session: &Session,
) -> Result<NewSession, LoginError> {
    if proved.needs_second_step {
        let challenge = begin_second_step(inner, proved, NewDevice::default()).await?;
        return Err(LoginError::OtpRequired(challenge));
    }
    let event = inner
        .event(EventKind::LoginSucceeded)
        .of(proved.grant.subject())
        .with_source(proved.source);
    let mut login = session.login(proved.grant);
    if let Some(epoch) = proved.epochs.sessions {
        login = login.since(epoch);
    }
    let session = login.await?;
    inner.events.tell(&event.in_session(&session.id));
    Ok(session)
}

/// Stores a pending login and returns its challenge.
async fn begin_second_step<U>(
    inner: &AccountsInner<U>,
    proved: Proved<U>,
    device: NewDevice,
) -> Result<Challenge, LoginError> {
    let second = inner.require_second_factor()?;
    let now = inner.clock.now();
    let expires_at = now.after(CHALLENGE_LIFE);
    let proofs = proved.grant.proofs(now);
    let subject = proved.grant.subject();
    let pending = PendingLogin::new(subject, proofs, proved.epochs, device, expires_at);
    let pending = pending.bound_to(proved.key);
    let stored = pending.store(second.store(), &inner.challenges);
    Ok(stored.await?)
}
