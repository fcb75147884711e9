//! The settings of a throttle, with their defaults and reasons.

use std::{fmt, sync::Arc, time::Duration};

use super::{Budget, Throttle, ThrottleInner, TrustedProxies, device::DeviceTokens};
use crate::{
    clock::{Clock, SystemClock},
    event::Events,
    secret::MasterSecret,
    store::Store,
};

/// Builds a [`Throttle`].
#[must_use]
pub struct ThrottleBuilder {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    secret: MasterSecret,
    events: Events,
    purpose: &'static str,
    account: Budget,
    account_network: Budget,
    address: Budget,
    device: Budget,
    work: Budget,
    device_life: Duration,
    proxies: TrustedProxies,
}

impl ThrottleBuilder {
    pub(super) fn new(store: Arc<dyn Store>, secret: &MasterSecret) -> Self {
        Self {
            store,
            clock: Arc::new(SystemClock),
            secret: secret.clone(),
            events: Events::default(),
            purpose: "login",
            account: Budget::of(100),
            account_network: Budget::of(10),
            address: Budget::of(100),
            device: Budget::of(10),
            work: Budget::of(1_000),
            device_life: DEFAULT_DEVICE_LIFE,
            proxies: TrustedProxies::new(0),
        }
    }

    /// What one account takes from all devices that have never logged in to it, wherever they are. Default: 100 in 15
    /// minutes, so that it takes ten networks to lock its owner out of new devices, and 9600 guesses a day are all that a
    /// crowd of strangers has.
    pub const fn account(mut self, budget: Budget) -> Self {
        self.account = budget;
        self
    }

    /// What one account takes from one network, an IPv4 address or an IPv6 /48, by devices that have never logged in to it.
    /// Default: 10 in 15 minutes, more than somebody needs who has three passwords in mind.
    pub const fn account_network(mut self, budget: Budget) -> Self {
        self.account_network = budget;
        self
    }

    /// What one address takes over all accounts. Default: 100 in 15 minutes, so that an office behind one address can mistype
    /// on a Monday morning. Of IPv6 it is what a /64 takes; a /56 takes four times, a /48 sixteen times as much.
    pub const fn address(mut self, budget: Budget) -> Self {
        self.address = budget;
        self
    }

    /// What one device takes that has logged in to the account before. Default: 10 in 15 minutes, as for an account.
    pub const fn device(mut self, budget: Budget) -> Self {
        self.device = budget;
        self
    }

    /// How many passwords of one account are compared in all, right ones included, from wherever. Default: 1000 in 15
    /// minutes, which no user needs and a flood of logins uses up.
    pub const fn work(mut self, budget: Budget) -> Self {
        self.work = budget;
        self
    }

    /// How long a device is remembered after a login. Default: 180 days. A stolen token gives a budget of its own
    /// for that long, and nothing else.
    pub const fn device_life(mut self, life: Duration) -> Self {
        self.device_life = life;
        self
    }

    /// How many proxies of one's own stand before the server, each adding its client's address to `X-Forwarded-For`. Default:
    /// none, so that the header is not looked at. Behind a proxy that is not counted here, all clients are one address.
    pub const fn trusted_proxies(mut self, proxies: TrustedProxies) -> Self {
        self.proxies = proxies;
        self
    }

    /// What the attempts are at. Throttles for different purposes share no counter. Default: `login`.
    pub const fn purpose(mut self, purpose: &'static str) -> Self {
        self.purpose = purpose;
        self
    }

    /// Reads the time from `clock`, which must be the store's. Default: the system's.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Where a [`Throttled`](crate::event::EventKind::Throttled) goes for each attempt refused, with nobody's name in it.
    /// Default: to `tracing` alone.
    pub fn events(mut self, events: Events) -> Self {
        self.events = events;
        self
    }

    /// The throttle. Budgets are valid by their type.
    #[must_use]
    pub fn build(self) -> Throttle {
        Throttle(Arc::new(ThrottleInner {
            store: self.store,
            clock: self.clock,
            events: self.events,
            purpose: self.purpose,
            account: self.account,
            account_network: self.account_network,
            address: self.address,
            device: self.device,
            work: self.work,
            proxies: self.proxies,
            // Accounts state their issuer in what a token is for.
            devices: DeviceTokens::new(
                &self.secret,
                "tower-jam device token",
                self.purpose,
                self.device_life,
            ),
        }))
    }
}

impl fmt::Debug for ThrottleBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThrottleBuilder")
            .field("purpose", &self.purpose)
            .field("account", &self.account)
            .field("account_network", &self.account_network)
            .field("address", &self.address)
            .field("device", &self.device)
            .field("work", &self.work)
            .finish_non_exhaustive()
    }
}

/// Longer than most people stay away, as browsers keep cookies.
const DEFAULT_DEVICE_LIFE: Duration = Duration::from_secs(180 * 24 * 60 * 60);
