//! The requester of a hash, whose slots are limited.

use std::net::IpAddr;

use crate::{secret, throttle::site};

/// The quotas that a slot in the queue counts against.
pub(crate) struct Requester {
    account: Option<QuotaKey>,
    account_network: Option<QuotaKey>,
    device: Option<QuotaKey>,
    /// Networks take turns in the queue.
    pub(super) network: QuotaKey,
}

#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) enum QuotaKey {
    Account([u8; 32]),
    /// An account, from one network.
    AccountNetwork([u8; 32]),
    Device([u8; 32]),
    Network(Vec<u8>),
    /// The application itself, for example when it imports users.
    Internal,
}

impl Requester {
    /// An attempt at `account` from `address`, with the text of the device cookie if there is one.
    pub(crate) fn new(account: &str, address: IpAddr, device: Option<&[u8]>) -> Self {
        let account_hash = secret::hash([account.as_bytes()]);
        let from_here = secret::hash([account_hash.as_slice(), &site(address)]);
        Self {
            account: Some(QuotaKey::Account(account_hash)),
            account_network: Some(QuotaKey::AccountNetwork(from_here)),
            device: device.map(|device| QuotaKey::Device(secret::hash([device]))),
            network: QuotaKey::Network(site(address)),
        }
    }

    pub(super) const fn internal() -> Self {
        Self {
            account: None,
            account_network: None,
            device: None,
            network: QuotaKey::Internal,
        }
    }

    pub(super) fn quota_keys(&self) -> impl Iterator<Item = &QuotaKey> {
        [
            self.account.as_ref(),
            self.account_network.as_ref(),
            self.device.as_ref(),
            Some(&self.network),
        ]
        .into_iter()
        .flatten()
    }
}
