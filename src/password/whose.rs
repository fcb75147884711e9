//! On whose behalf a hash is computed.

use std::net::IpAddr;

use crate::{secret, throttle::site};

/// The holders that a place in the queue is counted for.
pub(crate) struct Whose {
    account: Option<Holder>,
    account_network: Option<Holder>,
    device: Option<Holder>,
    /// Whose turn it is goes by network.
    pub(super) network: Holder,
}

#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) enum Holder {
    Account([u8; 32]),
    /// An account from one network.
    AccountNetwork([u8; 32]),
    Device([u8; 32]),
    Network(Vec<u8>),
    /// The application itself, as where it imports users.
    Nobody,
}

impl Whose {
    /// An attempt at `account` from `address`, by a device that is known or is not.
    pub(crate) fn new(account: &str, address: IpAddr, device: Option<&[u8]>) -> Self {
        let account_hash = secret::hash([account.as_bytes()]);
        let from_here = secret::hash([account_hash.as_slice(), &site(address)]);
        Self {
            account: Some(Holder::Account(account_hash)),
            account_network: Some(Holder::AccountNetwork(from_here)),
            device: device.map(|device| Holder::Device(secret::hash([device]))),
            network: Holder::Network(site(address)),
        }
    }

    pub(super) const fn nobody() -> Self {
        Self {
            account: None,
            account_network: None,
            device: None,
            network: Holder::Nobody,
        }
    }

    pub(super) fn holders(&self) -> impl Iterator<Item = &Holder> {
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
