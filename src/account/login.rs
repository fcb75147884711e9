//! The first step of a login: a name and a password.

use serde::Serialize;

use super::{
    admission::{admit, refund_unless_wrong, take_attempt},
    attempt::{Credentials, LoginError, Origin},
    inner::AccountsInner,
    password_check::check_password,
    proved::Proved,
    second_step::needs_second_step,
    throttle_key::throttle_key,
    users::User,
};
use crate::{event::EventSource, identity::Factor, password::HashingSlot};

/// See [`Accounts::prove`](super::Accounts::prove).
pub(super) async fn prove<U: Serialize + Send + Sync + 'static>(
    inner: &AccountsInner<U>,
    credentials: &Credentials,
    origin: &Origin,
) -> Result<Proved<U>, LoginError> {
    let name = inner.users.canonical(&credentials.name);
    let source = inner.source(origin, &name);
    let slot = admit(inner, &name, origin, &source)?;
    let found = inner.users.find(&credentials.name).await?;
    let key = throttle_key(inner.issuer(), found.as_ref(), &name);
    let attempt = take_attempt(inner, &key, origin, &source).await?;
    let compared = compare(inner, &slot, found, credentials, origin, source).await;
    refund_unless_wrong(attempt, compared).await
}

async fn compare<U: Serialize + Send + Sync + 'static>(
    inner: &AccountsInner<U>,
    slot: &HashingSlot,
    found: Option<User<U>>,
    credentials: &Credentials,
    origin: &Origin,
    source: EventSource,
) -> Result<Proved<U>, LoginError> {
    // The epochs of an unknown user are read too, so that the response time reveals nothing.
    let subject = found
        .as_ref()
        .map_or(&*credentials.name, |user| user.grant.subject());
    let epochs = inner.epochs(subject).await?;
    // The hash must be read after the epochs. Otherwise, after a password change in between, the
    // old password would still be accepted.
    let current = inner.users.read(subject).await?;
    let (user, password) = (found.and(current), &credentials.password);
    let user = check_password(inner, slot, user, password, (origin, &source)).await?;
    let device_account = throttle_key(inner.issuer(), Some(&user), &credentials.name);
    Ok(Proved {
        needs_second_step: needs_second_step(inner, &user, origin.remembered.as_ref()).await?,
        grant: user.grant.factor_at(Factor::Password, inner.clock.now()),
        device_account,
        remembered_account: None,
        key: None,
        epochs,
        source,
    })
}
