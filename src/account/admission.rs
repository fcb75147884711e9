//! How an attempt is admitted and counted, before a password is compared.

use super::{
    attempt::{LoginError, Origin},
    inner::AccountsInner,
};
use crate::{
    event::{EventKind, EventSource},
    password::{HashingSlot, Requester},
    rejection::Rejection,
    throttle::Attempt,
};

/// Reserves a slot in the hashing queue, before any work is spent on the request.
pub(super) fn admit<U>(
    inner: &AccountsInner<U>,
    account: &str,
    origin: &Origin,
    source: &EventSource,
) -> Result<HashingSlot, Rejection> {
    let device = origin.device.as_ref().map(|it| it.expose().as_bytes());
    let slot = inner
        .passwords
        .admit(Requester::new(account, origin.address, device));
    slot.inspect_err(|_| {
        let throttled = inner.event(EventKind::Throttled);
        inner.events.tell(&throttled.with_source(source.clone()));
    })
}

/// Takes one attempt from every budget that applies.
pub(super) async fn take_attempt<U>(
    inner: &AccountsInner<U>,
    account: &str,
    origin: &Origin,
    source: &EventSource,
) -> Result<Attempt, Rejection> {
    let device = origin
        .device
        .as_ref()
        .map(|device| device.expose().as_str());
    inner
        .throttle
        .attempt_with_source(account, origin.address, device, source)
        .await
}

/// Refunds the attempt unless the password was wrong: a login refused for another reason is not a
/// guess.
pub(super) async fn refund_unless_wrong<T>(
    attempt: Attempt,
    outcome: Result<T, LoginError>,
) -> Result<T, LoginError> {
    if !matches!(outcome, Err(LoginError::WrongCredentials)) {
        attempt.give_back().await;
    }
    outcome
}
