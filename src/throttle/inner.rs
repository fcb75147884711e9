//! The budgets of a throttle and their counters in the store.

use std::{net::IpAddr, sync::Arc};

use super::{
    address::{TrustedProxies, networks, site},
    budget::Budget,
    device::DeviceTokens,
};
use crate::{
    clock::{Clock, Timestamp},
    event::Events,
    store::{Namespace, Store, StoreKey},
};

pub(super) struct ThrottleInner {
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) events: Events,
    pub(super) purpose: &'static str,
    pub(super) account: Budget,
    pub(super) account_network: Budget,
    pub(super) address: Budget,
    pub(super) device: Budget,
    pub(super) work: Budget,
    pub(super) proxies: TrustedProxies,
    pub(super) devices: DeviceTokens,
}

impl ThrottleInner {
    pub(super) fn account_counter(&self, account: &str) -> Counter {
        self.counter(self.account, &[b"account", account.as_bytes()])
    }

    pub(super) fn account_network_counter(&self, account: &str, address: IpAddr) -> Counter {
        let parts: [&[u8]; 3] = [b"account network", account.as_bytes(), &site(address)];
        self.counter(self.account_network, &parts)
    }

    pub(super) fn address_counters(&self, address: IpAddr) -> Vec<Counter> {
        let networks = networks(address).into_iter().zip([1, 4, 16]);
        networks
            .map(|(network, factor)| {
                self.counter(self.address.times(factor), &[b"address", &network])
            })
            .collect()
    }

    pub(super) fn work_counter(&self, account: &str) -> Counter {
        self.counter(self.work, &[b"work", account.as_bytes()])
    }

    pub(super) fn device_counter(&self, account: &str, id: &[u8]) -> Counter {
        self.counter(self.device, &[b"device", account.as_bytes(), id])
    }

    fn counter(&self, budget: Budget, parts: &[&[u8]]) -> Counter {
        let purpose = [self.purpose.as_bytes()];
        Counter {
            key: StoreKey::new(THROTTLE, &[&purpose, parts].concat()),
            budget,
            ends_at: Timestamp::NEVER,
        }
    }
}

/// A number in the store, and its budget.
pub(super) struct Counter {
    pub(super) key: StoreKey,
    pub(super) budget: Budget,
    pub(super) ends_at: Timestamp,
}

/// A bounded store may evict counters when it is full.
const THROTTLE: Namespace = Namespace::new("throttle").evictable();
