//! The limit of a hundred consecutive failures for one password (NIST SP 800-63B-4 section 3.2.2).
//!
//! The throttle limits how fast somebody may guess; this limits how often in all. Devices on which
//! the user has logged in before have a counter of their own, so strangers cannot disable the
//! password there. A right password resets both counters, as do a new password and a login by
//! another factor.

use std::time::Duration;

use super::{attempt::Origin, inner::AccountsInner, throttle_key::throttle_key, users::User};
use crate::{
    clock::Timestamp,
    error::StoreError,
    event::EventKind,
    rejection::{Rejection, RejectionKind},
    secret,
    store::{Namespace, StoreKey},
};

/// One guess at a password. It is counted before the comparison, so that no concurrent guess is
/// missed.
pub(super) struct Guess {
    counters: Option<[StoreKey; 2]>,
    /// The index of the counter that counts it.
    index: usize,
    failures: i64,
}

impl Guess {
    /// Whether the limit was exceeded: then even the right password is wrong.
    pub(super) const fn is_over_limit(&self) -> bool {
        self.failures > MAX_FAILURES
    }
}

/// Counts a guess at the password of `user`. A guess at an unknown user costs the same write,
/// to one of a few dummy counters: a counter per made-up name would fill the store.
pub(super) async fn count_guess<U>(
    inner: &AccountsInner<U>,
    user: Option<&User<U>>,
    origin: &Origin,
) -> Result<Guess, StoreError> {
    let throttle = &inner.throttle;
    let Some(user) = user else {
        let [one, ..] = secret::random::<1>();
        let counter = &failure_counters(&format!("nobody {one}"))[0];
        let expires_at = inner.clock.now().after(DUMMY_TTL);
        throttle.store().add(counter, 1, expires_at).await?;
        return Ok(Guess {
            counters: None,
            index: 0,
            failures: 0,
        });
    };
    let account = throttle_key(inner.issuer(), Some(user), "");
    let device = origin.device.as_ref();
    let is_known = throttle.is_known_device(&account, device.map(|it| it.expose().as_str()));
    let (counters, index) = (failure_counters(&account), usize::from(is_known));
    let failures = throttle.store().add(&counters[index], 1, Timestamp::NEVER);
    Ok(Guess {
        failures: failures.await?,
        counters: Some(counters),
        index,
    })
}

/// Resets the counters after a right password. A failure of the store does not fail the login.
pub(super) async fn guess_succeeded<U>(inner: &AccountsInner<U>, user: &User<U>) {
    if let Err(error) = reset_guesses(inner, user).await {
        tracing::error!(%error, "failures before a right password could not be reset");
    }
}

/// Sends one event, for the guess that reaches the limit.
pub(super) fn guess_failed<U>(inner: &AccountsInner<U>, guess: &Guess, user: &User<U>) {
    if guess.failures == MAX_FAILURES {
        let event = inner.event(EventKind::PasswordCapped);
        inner.events.tell(&event.of(user.grant.subject()));
    }
}

/// Removes a guess if its password was not compared.
pub(super) async fn refund_guess<U>(inner: &AccountsInner<U>, guess: &Guess, refused: &Rejection) {
    if matches!(refused.kind(), RejectionKind::Throttled { .. }) {
        inner.events.tell(&inner.event(EventKind::Throttled));
    }
    let Some(counters) = &guess.counters else {
        return;
    };
    let store = inner.throttle.store();
    let refunded = store.add(&counters[guess.index], -1, Timestamp::NEVER);
    if let Err(error) = refunded.await {
        tracing::error!(%error, "a guess could not be refunded");
    }
}

/// See [`Accounts::accept_password_again`](super::Accounts::accept_password_again).
pub(super) async fn accept_password_again<U: 'static>(
    inner: &AccountsInner<U>,
    subject: &str,
) -> Result<(), StoreError> {
    match inner.users.read(subject).await? {
        Some(user) => reset_guesses(inner, &user).await,
        None => Ok(()),
    }
}

/// Resets the counters of `user`.
pub(super) async fn reset_guesses<U>(
    inner: &AccountsInner<U>,
    user: &User<U>,
) -> Result<(), StoreError> {
    for counter in failure_counters(&throttle_key(inner.issuer(), Some(user), "")) {
        inner.throttle.store().take(&counter).await?;
    }
    Ok(())
}

/// The counters of unknown and of known devices.
fn failure_counters(account: &str) -> [StoreKey; 2] {
    let counter = |devices: &[u8]| StoreKey::new(NAMESPACE, &[account.as_bytes(), devices]);
    [counter(b"others"), counter(b"known")]
}

const NAMESPACE: Namespace = Namespace::new("password-failures");
/// How long a dummy counter is stored.
const DUMMY_TTL: Duration = Duration::from_secs(60);
const MAX_FAILURES: i64 = 100;
