//! The first step of a login: another party has identified the user.

use serde::Serialize;

use super::{
    attempt::Origin, failures::reset_guesses, inner::AccountsInner, proved::Proved,
    second_step::needs_second_step, throttle_key::throttle_key,
};
use crate::{clock::Timestamp, error::IssueError, identity::Factor, rejection::Rejection};

/// See [`Accounts::prove_external`](super::Accounts::prove_external).
pub(super) async fn prove_external<U: Serialize + Send + Sync + 'static>(
    inner: &AccountsInner<U>,
    subject: &str,
    at: Timestamp,
    started_at: Timestamp,
    origin: Option<&Origin>,
) -> Result<Option<Proved<U>>, Rejection> {
    let remembered = origin.and_then(|origin| origin.remembered.as_ref());
    let epochs = inner.epochs(subject).await?;
    let revoked_at = epochs.sessions.map(|epoch| epoch.revoked_at);
    if Some(started_at) <= revoked_at || started_at <= epochs.pairs.revoked_at {
        return Err(IssueError::Withdrawn.into());
    }
    // The user must be read after the epochs, as for a password.
    let Some(user) = inner.users.read(subject).await? else {
        return Ok(None);
    };
    // The user has been identified by another factor.
    reset_guesses(inner, &user).await?;
    let device_account = throttle_key(inner.issuer(), Some(&user), subject);
    let at = at.min(inner.clock.now());
    Ok(Some(Proved {
        needs_second_step: needs_second_step(inner, &user, remembered).await?,
        remembered_account: None,
        key: None,
        grant: user.grant.factor_at(FEDERATED, at),
        device_account,
        epochs,
        source: origin.map(Origin::source).unwrap_or_default(),
    }))
}

/// The name that identity providers use in `amr`.
const FEDERATED: Factor = Factor::Other(std::borrow::Cow::Borrowed("fed"));
