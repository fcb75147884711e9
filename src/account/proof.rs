//! A user who has proved the first factor, and how the attempt is counted.

use std::fmt;

use serde::Serialize;

use super::{
    attempt::{LoginError, Origin},
    login::Accounts,
    users::User,
};
#[cfg(feature = "dpop")]
use crate::token::dpop::ProofKey;
use crate::{
    event::{EventKind, EventSource},
    grant::Grant,
    password::{HashingSlot, Requester},
    refresh,
    rejection::Rejection,
    secret, session,
    throttle::Attempt,
};

/// A user who has proved the first factor, on the way to a login.
pub struct Proved<U> {
    pub(super) grant: Grant<U>,
    /// The account that the token of the known device will be for.
    pub(super) device_account: String,
    /// The account that the token of a remembered device will be for, if the user gave a code.
    pub(super) remembered_account: Option<String>,
    /// If set, nothing is issued before a one-time code is given.
    pub(super) needs_second_step: bool,
    pub(super) pairs_epoch: refresh::DeviceEpoch,
    pub(super) sessions_epoch: Option<session::SessionEpoch>,
    /// The origin of the request, for events.
    pub(super) source: EventSource,
    /// The key that the tokens are bound to.
    #[cfg(feature = "dpop")]
    pub(super) key: Option<ProofKey>,
}

#[cfg(feature = "dpop")]
impl<U> Proved<U> {
    /// Binds the tokens of this login to `key`: they are useless without a proof of it (RFC 9449).
    #[must_use]
    pub fn bound_to(mut self, key: ProofKey) -> Self {
        self.key = Some(key);
        self
    }
}

impl<U: Serialize + Send + Sync + 'static> Accounts<U> {
    /// Reserves a slot in the hashing queue, before any work is spent on the request.
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

/// The account name under which attempts are counted. All spellings of the name of one user of
/// `issuer` share it, as long as the password is the same. An unknown name stands for itself.
pub(super) fn throttle_key<U>(issuer: &str, user: Option<&User<U>>, name: &str) -> String {
    // The length keeps the issuer's text apart from the name.
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

impl<U> fmt::Debug for Proved<U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proved").finish_non_exhaustive()
    }
}
