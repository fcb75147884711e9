//! The settings of token pairs, with their defaults and reasons.

use std::{fmt, sync::Arc, time::Duration};

use super::{
    account::{Bind, OnLimit, Terms},
    engine::{Inner, TokenPairs},
    fingerprint::FingerprintKeys,
    outages::WatchedStore,
    token::TokenKeys,
};
use crate::{
    error::ConfigError,
    event::Events,
    grant::ReadUser,
    secret::{MasterSecret, random, record::RecordKeys},
    store::Store,
    token::Engine,
};

/// What the end of a device means for its tokens.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[allow(clippy::exhaustive_enums, reason = "there is no fourth way")]
pub enum Blacklist {
    /// Its refresh tokens are refused. An access token lives on until it expires.
    Refresh,
    /// Its access tokens are refused too, at once and on every node: each request looks at the account, which
    /// a [near-cache](crate::store::near) answers from memory.
    #[default]
    Both,
    /// A logout ends nothing: it is the client that forgets its tokens, and whoever has a copy goes on. What an
    /// administrator or "log out everywhere" ends is ended all the same, for refresh tokens.
    DangerousNone,
}

/// Builds a [`TokenPairs`].
#[must_use]
pub struct TokenPairsBuilder<U> {
    access: Engine<U>,
    store: Arc<dyn Store>,
    users: Arc<dyn ReadUser<U>>,
    secret: MasterSecret,
    terms: Terms,
    blacklist: Blacklist,
    events: Events,
}

impl<U> TokenPairsBuilder<U> {
    pub(super) fn new(
        access: Engine<U>,
        store: Arc<dyn Store>,
        secret: &MasterSecret,
        users: Arc<dyn ReadUser<U>>,
    ) -> Self {
        let terms = Terms {
            idle: DEFAULT_IDLE,
            absolute: DEFAULT_ABSOLUTE,
            rotates: true,
            grace: DEFAULT_GRACE,
            outage_grace: DEFAULT_OUTAGE_GRACE,
            max_devices: DEFAULT_DEVICES,
            on_limit: OnLimit::default(),
            bind: Bind::default(),
        };
        Self {
            access,
            store,
            users,
            secret: secret.clone(),
            terms,
            blacklist: Blacklist::default(),
            events: Events::default(),
        }
    }

    /// How long a device may go without a refresh. Default: 3 days, so that a weekend logs nobody out.
    pub const fn idle(mut self, idle: Duration) -> Self {
        self.terms.idle = idle;
        self
    }

    /// How long a device may be logged in, whatever it does. Default: 7 days.
    pub const fn absolute(mut self, absolute: Duration) -> Self {
        self.terms.absolute = absolute;
        self
    }

    /// Whether each refresh gives a new refresh token and ends the old one. Default: true, as RFC 9700
    /// section 2.2.2 asks of clients that cannot prove who they are; without it a stolen token is not noticed.
    pub const fn rotate(mut self, rotates: bool) -> Self {
        self.terms.rotates = rotates;
        self
    }

    /// How long after a rotation the same request gets the same answer. Default: 10 seconds, longer than a
    /// browser's retry, or its second tab, takes. Time in which the store did not answer
    /// [does not count](Self::outage_grace); between nodes, whose clocks differ, the window is 30 seconds longer.
    ///
    /// With zero the second of two concurrent refreshes counts as theft and ends the device, the first one's new
    /// token included.
    pub const fn grace(mut self, grace: Duration) -> Self {
        self.terms.grace = grace;
        self
    }

    /// How much time the grace window does not count in which the store did not answer, as far as this node knows; at
    /// most one hour. A client whose refresh ends in 503 tries again with the same token, and the write of its
    /// first attempt may have been made. Default: 5 minutes.
    ///
    /// For as long as the store was away, the window is longer for everybody: also for a thief, who gets
    /// the same successor as the client.
    pub const fn outage_grace(mut self, grace: Duration) -> Self {
        self.terms.outage_grace = grace;
        self
    }

    /// On how many devices a user may be logged in at one time, 1 to 100. Default: 10.
    pub const fn max_devices(mut self, devices: usize) -> Self {
        self.terms.max_devices = devices;
        self
    }

    /// What gives way when there are too many. Default: the device that was used least recently.
    pub const fn on_limit(mut self, on_limit: OnLimit) -> Self {
        self.terms.on_limit = on_limit;
        self
    }

    /// What a changed fingerprint means. Default: an event tells of it.
    pub const fn bind(mut self, bind: Bind) -> Self {
        self.terms.bind = bind;
        self
    }

    /// What the end of a device means for its access tokens. Default: they are refused at once.
    pub const fn blacklist(mut self, blacklist: Blacklist) -> Self {
        self.blacklist = blacklist;
        self
    }

    /// Where events go. Default: to `tracing` alone.
    pub fn events(mut self, events: Events) -> Self {
        self.events = events;
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// When the idle time is less than a second or exceeds the absolute one, the grace window exceeds a minute or the
    /// [`outage_grace`](Self::outage_grace) an hour, the number of devices is not 1 to 100, or the access tokens state
    /// no issuer.
    pub fn build(self) -> Result<TokenPairs<U>, ConfigError> {
        let Terms {
            idle,
            absolute,
            grace,
            max_devices,
            ..
        } = self.terms;
        if idle < Duration::from_secs(1) {
            return Err(ConfigError::new("idle", "is less than one second"));
        }
        if absolute < idle {
            // It may be the default that is told of.
            let reason = format!("is {} seconds, less than `idle`", absolute.as_secs());
            return Err(ConfigError::new("absolute", reason));
        }
        if self.terms.outage_grace > MAX_OUTAGE_GRACE {
            return Err(ConfigError::new("outage_grace", "is more than one hour"));
        }
        if grace > MAX_GRACE {
            return Err(ConfigError::new("grace", "is more than 60 seconds"));
        }
        if !(1..=MAX_DEVICES).contains(&max_devices) {
            return Err(ConfigError::new("max_devices", "is not 1 to 100"));
        }
        let reason = "token pairs need access tokens that state their issuer";
        let issuer = self.access.issuer();
        let issuer = issuer.ok_or_else(|| ConfigError::new("issuer", reason))?;
        Ok(TokenPairs::new(Inner {
            issuer: issuer.to_owned(),
            store: WatchedStore::new(Arc::clone(&self.store), self.access.clock()),
            cached: self.store,
            node: u64::from_be_bytes(random()),
            clock: self.access.clock(),
            keys: TokenKeys::new(&self.secret, issuer),
            records: RecordKeys::new(&self.secret, "tower-jam devices", issuer),
            fingerprints: FingerprintKeys::new(&self.secret, issuer),
            #[cfg(feature = "account")]
            secret: self.secret,
            access: self.access,
            users: self.users,
            terms: self.terms,
            blacklist: self.blacklist,
            events: self.events,
        }))
    }
}

impl<U> fmt::Debug for TokenPairsBuilder<U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenPairsBuilder")
            .field("terms", &self.terms)
            .field("blacklist", &self.blacklist)
            .finish_non_exhaustive()
    }
}

const DEFAULT_IDLE: Duration = Duration::from_secs(3 * 24 * 60 * 60);
const DEFAULT_ABSOLUTE: Duration = Duration::from_secs(7 * 24 * 60 * 60);
const DEFAULT_GRACE: Duration = Duration::from_secs(10);
const DEFAULT_OUTAGE_GRACE: Duration = Duration::from_secs(5 * 60);
const MAX_OUTAGE_GRACE: Duration = Duration::from_secs(60 * 60);
const MAX_GRACE: Duration = Duration::from_secs(60);
const DEFAULT_DEVICES: usize = 10;
/// An account of so many devices is some 40 KB, which is read and written whole.
const MAX_DEVICES: usize = 100;
