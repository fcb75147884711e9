//! What a password that was compared leads to, and what the attempt costs.

use std::fmt;

use serde::Serialize;

use super::{
    attempt::{LoginError, Origin},
    login::Accounts,
    password::{HashingSlot, Requester},
    throttle::Attempt,
    users::User,
};
#[cfg(feature = "dpop")]
use crate::token::dpop::ProofKey;
use crate::{
    event::{EventKind, EventSource},
    grant::Grant,
    refresh,
    rejection::Rejection,
    secret, session,
};

/// A user whose password was right, on the way to what follows.
pub struct Proved<U> {
    pub(super) grant: Grant<U>,
    /// What the token of its device will be for.
    pub(super) device_account: String,
    /// What the token is for by which its device gives no code, if there is a code to give.
    pub(super) remembered_account: Option<String>,
    /// Nothing is issued before a one-time code was given too.
    pub(super) needs_second_step: bool,
    pub(super) pairs_epoch: refresh::Epoch,
    pub(super) sessions_epoch: Option<session::Epoch>,
    /// Where it came from.
    pub(super) source: EventSource,
    /// The key that the tokens are bound to.
    #[cfg(feature = "dpop")]
    pub(super) key: Option<ProofKey>,
}

#[cfg(feature = "dpop")]
impl<U> Proved<U> {
    /// Binds the tokens of this login to `key`: they open nothing without a proof of it (RFC 9449).
    #[must_use]
    pub fn bound_to(mut self, key: ProofKey) -> Self {
        self.key = Some(key);
        self
    }
}

impl<U: Serialize + Send + Sync + 'static> Accounts<U> {
    /// A place in the queue of hashes, before anything is spent on the request.
    pub(super) fn admit(
        &self,
        account: &str,
        origin: &Origin,
        source: &EventSource,
    ) -> Result<HashingSlot, Rejection> {
        let inner = &*self.inner;
        let device = origin.device.as_ref().map(|it| it.expose().as_bytes());
        let slot = inner
            .passwords
            .admit(Requester::new(account, origin.address, device));
        slot.inspect_err(|_| {
            let throttled = self.event(EventKind::Throttled);
            inner.events.tell(&throttled.with_source(source.clone()));
        })
    }
}

/// Requester attempts count together: those on one user of `issuer` under its present password, however its
/// name is spelt; those on a name that is nobody's.
pub(super) fn throttle_key<U>(issuer: &str, user: Option<&User<U>>, name: &str) -> String {
    // With its length, so that no issuer's text runs into a name.
    let length = issuer.len();
    let Some(user) = user else {
        return format!("{length} {issuer} name {name}");
    };
    let [a, b, c, d, ..] = secret::hash([user.password_hash.expose().as_bytes()]);
    let password = u32::from_be_bytes([a, b, c, d]);
    format!(
        "{length} {issuer} user {password:08x} {}",
        user.grant.subject()
    )
}

/// Gives the attempt back unless a password was found wrong: whoever was turned away for another reason has guessed
/// nothing.
pub(super) async fn refund_unless_wrong<T>(
    attempt: Attempt,
    outcome: Result<T, LoginError>,
) -> Result<T, LoginError> {
    if !matches!(outcome, Err(LoginError::WrongCredentials)) {
        attempt.give_back().await;
    }
    outcome
}

impl<U> fmt::Debug for Proved<U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proved").finish_non_exhaustive()
    }
}
