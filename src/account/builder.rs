//! The settings of accounts.

use std::{fmt, sync::Arc};

use super::{
    login::{Accounts, Inner},
    password::Passwords,
    throttle::Throttle,
    users::Users,
};
use crate::{
    clock::{Clock, SystemClock},
    event::Events,
    refresh::TokenPairs,
    session::Sessions,
};

/// The settings of [`Accounts`].
#[must_use]
pub struct AccountsBuilder<U>(Inner<U>);

impl<U> AccountsBuilder<U> {
    pub(super) fn new(
        users: Arc<dyn Users<U>>,
        passwords: Passwords,
        throttle: Throttle,
        pairs: TokenPairs<U>,
    ) -> Self {
        Self(Inner {
            users,
            passwords,
            throttle,
            pairs,
            sessions: None,
            events: Events::default(),
            clock: Arc::new(SystemClock),
        })
    }

    /// Also logs in to sessions, and ends those where it ends everything. Default: there are none.
    pub fn sessions(mut self, sessions: Sessions<U>) -> Self {
        self.0.sessions = Some(sessions);
        self
    }

    /// Tells `events` of what happens. Default: `tracing` alone.
    pub fn events(mut self, events: Events) -> Self {
        self.0.events = events;
        self
    }

    /// Goes by `clock`. Default: the operating system's.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.0.clock = clock;
        self
    }

    /// The accounts.
    #[must_use]
    pub fn build(self) -> Accounts<U> {
        Accounts {
            inner: Arc::new(self.0),
        }
    }
}

impl<U> fmt::Debug for AccountsBuilder<U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccountsBuilder").finish_non_exhaustive()
    }
}
