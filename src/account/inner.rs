//! What all steps of a login share: the engines that accounts combine.

use std::{fmt, sync::Arc};

use base64_simd::URL_SAFE_NO_PAD;
use serde::Serialize;

use super::{
    attempt::Origin,
    pending::ChallengeKeys,
    proved::Epochs,
    remembered::RememberedDevices,
    users::{User, Users},
};
use crate::{
    clock::Clock,
    error::StoreError,
    event::{Event, EventKind, EventSource, Events},
    otp::Otp,
    password::Passwords,
    refresh::TokenPairs,
    rejection::Rejection,
    secret::tag::TagKey,
    session::Sessions,
    store::Store,
    throttle::Throttle,
};

/// The engines and settings of [`Accounts`](super::Accounts).
pub(super) struct AccountsInner<U> {
    pub(super) users: Arc<dyn Users<U>>,
    pub(super) passwords: Passwords,
    pub(super) throttle: Throttle,
    pub(super) pairs: TokenPairs<U>,
    pub(super) sessions: Option<Sessions<U>>,
    pub(super) second_factor: Option<SecondFactorEngines>,
    pub(super) challenges: ChallengeKeys,
    /// Hashes attempted names, for events.
    pub(super) names: TagKey,
    pub(super) events: Events,
    pub(super) clock: Arc<dyn Clock>,
}

/// One-time codes, and the devices that skip them.
pub(super) struct SecondFactorEngines {
    pub(super) otp: Otp,
    /// The tokens of remembered devices, if those are allowed.
    pub(super) remembered: Option<RememberedDevices>,
}

impl SecondFactorEngines {
    pub(super) const fn new(otp: Otp) -> Self {
        Self {
            otp,
            remembered: None,
        }
    }

    pub(super) fn store(&self) -> &dyn Store {
        self.otp.store()
    }
}

impl<U> AccountsInner<U> {
    pub(super) fn issuer(&self) -> &str {
        self.pairs.issuer()
    }

    pub(super) fn event(&self, kind: EventKind) -> Event {
        Event::new(kind, self.clock.now())
    }

    /// Sends an event of `subject`.
    pub(super) fn send_event(&self, kind: EventKind, subject: &str) {
        self.events.tell(&self.event(kind).of(subject));
    }

    /// The source of an attempt on `name`. The name is hashed with a key of the issuer, so that a
    /// reader of the log cannot test names against it.
    pub(super) fn source(&self, origin: &Origin, name: &str) -> EventSource {
        let hash = self.names.tag(name.as_bytes());
        EventSource {
            name_hash: Some(URL_SAFE_NO_PAD.encode_to_string(hash)),
            ..origin.source()
        }
    }

    pub(super) fn require_second_factor(&self) -> Result<&SecondFactorEngines, Rejection> {
        self.second_factor.as_ref().ok_or_else(|| {
            Rejection::misconfigured(
                "a user has a second factor, but the accounts were built without `otp`",
            )
        })
    }

    /// The remembered devices and their store, if devices are remembered.
    pub(super) fn remembered(&self) -> Option<(&dyn Store, &RememberedDevices)> {
        let second = self.second_factor.as_ref()?;
        Some((second.store(), second.remembered.as_ref()?))
    }
}

impl<U: 'static> AccountsInner<U> {
    pub(super) async fn read_user(&self, subject: &str) -> Result<User<U>, Rejection> {
        let user = self.users.read(subject).await?;
        user.ok_or_else(|| Rejection::invalid("the user no longer exists"))
    }
}

impl<U: Serialize + Send + Sync + 'static> AccountsInner<U> {
    pub(super) async fn epochs(&self, subject: &str) -> Result<Epochs, StoreError> {
        let pairs = self.pairs.epoch(subject).await?;
        let sessions = match &self.sessions {
            Some(sessions) => Some(sessions.epoch(subject).await?),
            None => None,
        };
        Ok(Epochs { pairs, sessions })
    }
}

impl fmt::Debug for SecondFactorEngines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecondFactorEngines")
            .field("otp", &self.otp)
            .finish_non_exhaustive()
    }
}
