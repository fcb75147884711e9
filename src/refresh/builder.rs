//! Settings of token pairs, with their defaults.

use std::{fmt, sync::Arc, time::Duration};

use super::{
    devices::DevicePolicy,
    fingerprint::FingerprintKeys,
    inner::TokenPairsInner,
    outages::WatchedStore,
    pairs::TokenPairs,
    policy::{DeviceLimitPolicy, FingerprintPolicy, RevocationCheck},
    records::DeviceRecords,
    token::TokenKeys,
};
use crate::{
    env::Env, error::ConfigError, grant::ReadUser, secret::random, store::sealed::RecordKeys,
    token::Engine,
};

/// Builds a [`TokenPairs`].
#[must_use]
pub struct TokenPairsBuilder<U> {
    access: Engine<U>,
    env: Env,
    users: Arc<dyn ReadUser<U>>,
    policy: DevicePolicy,
    blacklist: RevocationCheck,
}

impl<U> TokenPairsBuilder<U> {
    pub(super) fn new(env: &Env, access: Engine<U>, users: Arc<dyn ReadUser<U>>) -> Self {
        let policy = DevicePolicy {
            idle: DEFAULT_IDLE,
            absolute: DEFAULT_ABSOLUTE,
            rotates: true,
            grace: DEFAULT_GRACE,
            outage_grace: DEFAULT_OUTAGE_GRACE,
            max_devices: DEFAULT_DEVICES,
            on_limit: DeviceLimitPolicy::default(),
            bind: FingerprintPolicy::default(),
        };
        Self {
            env: env.clone(),
            access,
            users,
            policy,
            blacklist: RevocationCheck::default(),
        }
    }

    /// Sets how long a device may go without a refresh. Default: 3 days, so that a weekend logs no
    /// user out.
    pub const fn idle_timeout(mut self, idle: Duration) -> Self {
        self.policy.idle = idle;
        self
    }

    /// Sets the total lifetime of a device, regardless of its use. Default: 7 days.
    pub const fn absolute_timeout(mut self, absolute: Duration) -> Self {
        self.policy.absolute = absolute;
        self
    }

    /// Sets whether each refresh issues a new refresh token and replaces the old one. Default:
    /// true, as RFC 9700 section 2.2.2 requires for clients that cannot prove their identity.
    /// Without rotation, a stolen token goes undetected.
    pub const fn rotate(mut self, rotates: bool) -> Self {
        self.policy.rotates = rotates;
        self
    }

    /// Sets how long after a rotation the same request gets the same response. Default: 10 seconds,
    /// longer than a retry or a second tab of a browser takes. Time in which the store did not
    /// answer [does not count](Self::outage_grace). Between nodes, whose clocks differ, the window
    /// is 30 seconds longer.
    ///
    /// With zero, the second of two concurrent refreshes counts as theft and revokes the device,
    /// including the first one's new token.
    pub const fn grace(mut self, grace: Duration) -> Self {
        self.policy.grace = grace;
        self
    }

    /// Sets the maximum outage of the store, as far as this node has noticed it, that the grace
    /// window does not count; at most one hour. A client whose refresh ends in 503 retries with the
    /// same token, and the write of its first attempt may have been made. Default: 5 minutes.
    ///
    /// The window is extended by the outage for every client, which includes a thief, who gets the
    /// same successor as the client.
    pub const fn outage_grace(mut self, grace: Duration) -> Self {
        self.policy.outage_grace = grace;
        self
    }

    /// Sets the maximum number of devices of a user, 1 to 100. Default: 10.
    pub const fn max_devices(mut self, devices: usize) -> Self {
        self.policy.max_devices = devices;
        self
    }

    /// Sets the policy for a login beyond the maximum. Default: evict the least recently used
    /// device.
    pub const fn on_limit(mut self, on_limit: DeviceLimitPolicy) -> Self {
        self.policy.on_limit = on_limit;
        self
    }

    /// Sets the policy for a changed fingerprint. Default: emit an event.
    pub const fn bind(mut self, bind: FingerprintPolicy) -> Self {
        self.policy.bind = bind;
        self
    }

    /// Sets which tokens of a revoked device are rejected. Default: both kinds, immediately.
    pub const fn blacklist(mut self, blacklist: RevocationCheck) -> Self {
        self.blacklist = blacklist;
        self
    }

    /// Validates the settings and builds the engine.
    ///
    /// # Errors
    ///
    /// Returns an error if the idle timeout is less than one second or exceeds the absolute one,
    /// the grace window exceeds a minute, the [`outage_grace`](Self::outage_grace) exceeds an hour,
    /// the number of devices is not 1 to 100, or the access tokens state no issuer.
    pub fn build(self) -> Result<TokenPairs<U>, ConfigError> {
        self.validate()
            .map_err(|error| error.in_engine("TokenPairs"))
    }

    fn validate(self) -> Result<TokenPairs<U>, ConfigError> {
        let DevicePolicy {
            idle,
            absolute,
            grace,
            max_devices,
            ..
        } = self.policy;
        if idle < Duration::from_secs(1) {
            return Err(ConfigError::new("idle_timeout", "is less than one second"));
        }
        if absolute < idle {
            // The value may be the default, so the message states it.
            let reason = format!(
                "is {} seconds, less than the idle timeout",
                absolute.as_secs()
            );
            return Err(ConfigError::new("absolute_timeout", reason));
        }
        if self.policy.outage_grace > MAX_OUTAGE_GRACE {
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
        if issuer != self.env.issuer {
            let reason = "is not that of the access tokens";
            return Err(ConfigError::new("issuer", reason));
        }
        let records = DeviceRecords {
            store: WatchedStore::new(Arc::clone(&self.env.store), self.access.clock()),
            cached: self.env.store,
            node: u64::from_be_bytes(random()),
            clock: self.access.clock(),
            issuer: issuer.to_owned(),
            keys: RecordKeys::new(&self.env.secret, "tower-jam devices", issuer),
            events: self.env.events,
        };
        Ok(TokenPairs::new(TokenPairsInner {
            keys: TokenKeys::new(&self.env.secret, issuer),
            fingerprints: FingerprintKeys::new(&self.env.secret, issuer),
            records,
            secret: self.env.secret,
            access: self.access,
            users: self.users,
            policy: self.policy,
            revocation: self.blacklist,
        }))
    }
}

impl<U> fmt::Debug for TokenPairsBuilder<U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenPairsBuilder")
            .field("policy", &self.policy)
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
/// A record of 100 devices is about 40 KB, and is read and written as a whole.
const MAX_DEVICES: usize = 100;
