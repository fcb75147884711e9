//! The settings of a throttle, with their defaults and reasons.

use std::{fmt, sync::Arc, time::Duration};

use super::{Budget, Throttle, TrustedProxies, device::DeviceTokens, inner::ThrottleInner};
use crate::env::Env;

/// Builds a [`Throttle`].
#[must_use]
pub struct ThrottleBuilder {
    env: Env,
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
    pub(super) fn new(env: &Env) -> Self {
        Self {
            env: env.clone(),
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

    /// Sets the budget of one account for all devices that have never logged in to it, from
    /// anywhere. Default: 100 in 15 minutes. It takes ten networks to lock the owner out of new
    /// devices, and strangers together have 9600 guesses a day.
    pub const fn account(mut self, budget: Budget) -> Self {
        self.account = budget;
        self
    }

    /// Sets the budget of one account from one network (an IPv4 address or an IPv6 /48), for
    /// devices that have never logged in to it. Default: 10 in 15 minutes, more than a user needs
    /// who hesitates between three passwords.
    pub const fn account_network(mut self, budget: Budget) -> Self {
        self.account_network = budget;
        self
    }

    /// Sets the budget of one address over all accounts. Default: 100 in 15 minutes, enough for the
    /// typing errors of an office behind one address. For IPv6 it applies to a /64; a /56 has four
    /// times and a /48 sixteen times as much.
    pub const fn address(mut self, budget: Budget) -> Self {
        self.address = budget;
        self
    }

    /// Sets the budget of one device that has logged in to the account before. Default: 10 in 15
    /// minutes, as for an account from one network.
    pub const fn device(mut self, budget: Budget) -> Self {
        self.device = budget;
        self
    }

    /// Sets how many passwords of one account are compared in all, including right ones, from
    /// anywhere. Default: 1000 in 15 minutes, which no user needs and a flood of logins uses up.
    pub const fn work(mut self, budget: Budget) -> Self {
        self.work = budget;
        self
    }

    /// Sets how long a device stays known after a login. Default: 180 days. A stolen token grants a
    /// separate budget for that long, and nothing else.
    pub const fn device_life(mut self, life: Duration) -> Self {
        self.device_life = life;
        self
    }

    /// Sets the number of trusted proxies in front of the server, each of which appends its
    /// client's address to `X-Forwarded-For`. Default: none, so the header is not read. Behind a
    /// proxy that is not counted here, all clients share one address.
    pub const fn trusted_proxies(mut self, proxies: TrustedProxies) -> Self {
        self.proxies = proxies;
        self
    }

    /// Sets what the attempts are for. Throttles with different purposes share no counter. Default:
    /// `login`.
    pub const fn purpose(mut self, purpose: &'static str) -> Self {
        self.purpose = purpose;
        self
    }

    /// Builds the throttle. Budgets are valid by their type.
    #[must_use]
    pub fn build(self) -> Throttle {
        Throttle(Arc::new(ThrottleInner {
            store: self.env.store,
            clock: self.env.clock,
            events: self.env.events,
            purpose: self.purpose,
            account: self.account,
            account_network: self.account_network,
            address: self.address,
            device: self.device,
            work: self.work,
            proxies: self.proxies,
            // Accounts include their issuer in the account name.
            devices: DeviceTokens::new(
                &self.env.secret,
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

/// Longer than most people stay away, and no longer than browsers keep cookies.
const DEFAULT_DEVICE_LIFE: Duration = Duration::from_secs(180 * 24 * 60 * 60);
