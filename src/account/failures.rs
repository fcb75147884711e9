//! The end of a password that was guessed at a hundred times in a row (NIST SP 800-63B-4 section 3.2.2).
//!
//! The throttle says how fast somebody may guess, and this how often in all. Devices on which the user has logged in before count
//! apart from all others, so that strangers take the password from nobody who is where they always are. A right password begins
//! both rows anew, and so do another password and a login by another factor.

use std::time::Duration;

use serde::Serialize;

use super::{attempt::Origin, login::Accounts, proof::throttle_key, users::User};
use crate::{
    clock::Timestamp,
    error::StoreError,
    event::EventKind,
    rejection::{Rejection, RejectionKind},
    secret,
    store::{Key, Namespace},
};

/// One guess at a password, counted before it is looked at, so that of many at once none goes uncounted.
pub(super) struct Guess {
    counters: Option<[Key; 2]>,
    /// Which of them counts it.
    at: usize,
    failures: i64,
}

impl Guess {
    /// Whether there were too many before: even the right password is wrong.
    pub(super) const fn is_over_limit(&self) -> bool {
        self.failures > MAX_FAILURES
    }
}

impl<U: Serialize + Send + Sync + 'static> Accounts<U> {
    /// Counts a guess at the password of `user`. One at nobody's is counted too, in one of a few rows that
    /// mean nothing, so that it costs the same: a row for each name that somebody makes up would fill the store.
    pub(super) async fn count_guess(
        &self,
        user: Option<&User<U>>,
        origin: &Origin,
    ) -> Result<Guess, StoreError> {
        let throttle = &self.inner.throttle;
        let Some(user) = user else {
            let [one, ..] = secret::random::<1>();
            let counter = &failure_counters(&format!("nobody {one}"))[0];
            let soon = self.inner.clock.now().after(A_MINUTE);
            throttle.store().add(counter, 1, soon).await?;
            return Ok(Guess {
                counters: None,
                at: 0,
                failures: 0,
            });
        };
        let account = throttle_key(self.issuer(), Some(user), "");
        let device = origin.device.as_ref();
        let is_known = throttle.is_known_device(&account, device.map(|it| it.expose().as_str()));
        let (counters, at) = (failure_counters(&account), usize::from(is_known));
        let failures = throttle.store().add(&counters[at], 1, Timestamp::NEVER);
        Ok(Guess {
            failures: failures.await?,
            counters: Some(counters),
            at,
        })
    }

    /// The password was right, so the row begins anew. A store that fails here fails no login.
    pub(super) async fn guess_succeeded(&self, user: &User<U>) {
        if let Err(error) = self.reset_guesses(user).await {
            tracing::error!(%error, "failures before a right password go on counting");
        }
    }

    /// The password was wrong. The last guess of a row is told of, once.
    pub(super) fn guess_failed(&self, guess: &Guess, user: &User<U>) {
        if guess.failures == MAX_FAILURES {
            let capped = self.event(EventKind::PasswordCapped);
            self.inner.events.tell(&capped.of(user.grant.subject()));
        }
    }

    /// Nobody has looked at the password, so it was no guess.
    pub(super) async fn refund_guess(&self, guess: &Guess, refused: &Rejection) {
        if matches!(refused.kind(), RejectionKind::Throttled { .. }) {
            self.inner.events.tell(&self.event(EventKind::Throttled));
        }
        let Some(counters) = &guess.counters else {
            return;
        };
        let store = self.inner.throttle.store();
        let given_back = store.add(&counters[guess.at], -1, Timestamp::NEVER);
        if let Err(error) = given_back.await {
            tracing::error!(%error, "a guess that was none goes on counting");
        }
    }

    /// Accepts the password of `subject` again after a hundred wrong ones in a row, for an application that has made sure who it
    /// is: by another factor, or by a link to an address that is the user's. A login with a provider does so by itself, and so
    /// does another password.
    ///
    /// # Errors
    ///
    /// When the table of users or the store does not answer.
    pub async fn accept_password_again(&self, subject: &str) -> Result<(), StoreError> {
        match self.inner.users.read(subject).await? {
            Some(user) => self.reset_guesses(&user).await,
            None => Ok(()),
        }
    }

    pub(super) async fn reset_guesses(&self, user: &User<U>) -> Result<(), StoreError> {
        for counter in failure_counters(&throttle_key(self.issuer(), Some(user), "")) {
            self.inner.throttle.store().take(&counter).await?;
        }
        Ok(())
    }
}

/// Of strangers' devices, and of those that are known.
fn failure_counters(account: &str) -> [Key; 2] {
    let counter = |devices: &[u8]| Key::new(NAMESPACE, &[account.as_bytes(), devices]);
    [counter(b"others"), counter(b"known")]
}

const NAMESPACE: Namespace = Namespace::new("password-failures");
/// How long a row that means nothing is kept.
const A_MINUTE: Duration = Duration::from_secs(60);
const MAX_FAILURES: i64 = 100;
