//! The record of a subject's devices, and the decisions on it.
//!
//! A decision is a pure function of the record, the request and the time. It takes effect only once
//! the new record has replaced the one that it was made on.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    device::{Hash256, StoredDevice},
    outages::{Outage, outage_between},
    policy::{DeviceLimitPolicy, FingerprintPolicy},
};
use crate::{
    clock::{SKEW, Timestamp},
    secret::{self, equal},
};

/// All devices of one subject.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct DeviceRecord {
    /// Zero at first, and a new random value for each "log out everywhere". A login that began
    /// before fails. Epochs are compared, never ordered.
    pub(super) epoch: u64,
    /// The time of the last "log out everywhere". A login that began before it fails, even if it
    /// read no epoch.
    pub(super) revoked_at: Timestamp,
    pub(super) subject: String,
    pub(super) devices: Vec<StoredDevice>,
}

/// The settings that decisions on devices follow.
#[derive(Clone, Debug)]
pub(super) struct DevicePolicy {
    pub(super) idle: Duration,
    pub(super) absolute: Duration,
    pub(super) rotates: bool,
    pub(super) grace: Duration,
    /// The maximum outage of the store that the grace window does not count.
    pub(super) outage_grace: Duration,
    pub(super) max_devices: usize,
    pub(super) on_limit: DeviceLimitPolicy,
    pub(super) bind: FingerprintPolicy,
}

/// The time of a decision, and what the deciding node knows about time.
#[derive(Clone, Copy)]
pub(super) struct Moment<'a> {
    pub(super) now: Timestamp,
    /// The id of the node. Another node has another clock.
    pub(super) node: u64,
    /// The times in which the store did not answer.
    pub(super) outages: &'a [Outage],
}

impl DevicePolicy {
    /// Whether requests from before the last rotation may still arrive, including those that were
    /// in flight for the whole window.
    ///
    /// Time in which the store did not answer does not count. The clock of another node may be off
    /// by the [skew](SKEW) that is tolerated everywhere.
    fn is_in_grace(&self, device: &StoredDevice, moment: Moment<'_>) -> bool {
        if self.grace.is_zero() {
            return false;
        }
        let Moment { now, node, outages } = moment;
        let skew = if device.rotated_on == node {
            Duration::ZERO
        } else {
            SKEW
        };
        let outage = outage_between(outages, device.rotated_at, now).min(self.outage_grace);
        now <= device.rotated_at.after(self.grace + skew + outage)
    }
}

/// The content of a refresh token whose tag was verified.
pub(super) struct PresentedRefresh {
    pub(super) family: Hash256,
    pub(super) generation: u32,
    /// The thumbprint of the key that the client has proved to hold.
    pub(super) key: Option<String>,
}

/// The decision on a refresh.
pub(super) enum RefreshDecision {
    /// The device advanced to a new generation.
    Rotated {
        device: StoredDevice,
        is_fingerprint_changed: bool,
    },
    /// A repetition of the last rotation, which returns the same successor.
    Repeated { device: StoredDevice },
    /// The token was replaced within the grace window, but not by the last rotation, or the client
    /// is not the one that rotated it.
    Replaced,
    /// The fingerprint differs from that of the login.
    FingerprintChanged { device: StoredDevice },
    /// The token was replaced longer ago than the grace window. The device is revoked.
    Reused { device: StoredDevice },
    /// The token's generation was never recorded. The device is revoked.
    Ahead { device: StoredDevice },
    /// The device is bound to a key, and the client has not proved to hold it. Nothing changes, so
    /// the token alone allows no harm.
    KeyNotProved,
    /// There is no such device, or no longer.
    Gone,
}

/// The decision on a login.
pub(super) enum LoginDecision {
    Admitted {
        evicted: Vec<StoredDevice>,
    },
    /// All devices were revoked after the login began.
    Withdrawn,
    /// There are too many devices, and the policy evicts none.
    Full,
}

impl DeviceRecord {
    pub(super) fn new(subject: &str) -> Self {
        Self {
            epoch: 0,
            revoked_at: Timestamp::from_millis(0),
            subject: subject.to_owned(),
            devices: Vec::new(),
        }
    }

    /// Returns the time from which the record is no longer needed. An empty one is kept for its
    /// epoch, for as long as a login that has read it may take.
    pub(super) fn expires_at(&self, now: Timestamp) -> Timestamp {
        let last = self.devices.iter().map(|device| device.absolute_at).max();
        last.unwrap_or(now).max(now.after(EPOCH_LIFE))
    }

    pub(super) fn live(&self, now: Timestamp) -> impl Iterator<Item = &StoredDevice> {
        self.devices
            .iter()
            .filter(move |device| device.is_live(now))
    }

    /// Adds a device.
    pub(super) fn add(
        &mut self,
        device: StoredDevice,
        since: Option<u64>,
        policy: &DevicePolicy,
        now: Timestamp,
    ) -> LoginDecision {
        if since.is_some_and(|since| since != self.epoch) {
            return LoginDecision::Withdrawn;
        }
        self.devices.retain(|device| device.is_live(now));
        let mut evicted = Vec::new();
        // The response to an earlier write was lost, and another write succeeded before this retry.
        if self.find(&device.family, now).is_some() {
            return LoginDecision::Admitted { evicted };
        }
        while self.devices.len() >= policy.max_devices {
            let last_time = |device: &StoredDevice| match policy.on_limit {
                DeviceLimitPolicy::EvictLeastRecentlyUsed => device.used_at,
                DeviceLimitPolicy::EvictOldest | DeviceLimitPolicy::Reject => device.created_at,
            };
            let oldest = (0..self.devices.len()).min_by_key(|at| last_time(&self.devices[*at]));
            match oldest {
                Some(at) if policy.on_limit != DeviceLimitPolicy::Reject => {
                    evicted.push(self.devices.remove(at));
                }
                _ => return LoginDecision::Full,
            }
        }
        self.devices.push(device);
        LoginDecision::Admitted { evicted }
    }

    /// Decides on a refresh. The record is changed if the decision is `Rotated`, `Reused` or
    /// `Ahead`.
    pub(super) fn decide_refresh(
        &mut self,
        presented: &PresentedRefresh,
        fingerprints: &[Hash256],
        kid: [u8; 4],
        policy: &DevicePolicy,
        moment: Moment<'_>,
    ) -> RefreshDecision {
        let now = moment.now;
        let Some(at) = self.find(&presented.family, now) else {
            return RefreshDecision::Gone;
        };
        let device = &self.devices[at];
        if device.key.is_some() && device.key != presented.key {
            return RefreshDecision::KeyNotProved;
        }
        let is_fingerprint_changed =
            policy.bind != FingerprintPolicy::Ignore && !device.is_bound_to(fingerprints);
        let is_rejected = is_fingerprint_changed && policy.bind == FingerprintPolicy::Refuse;
        let is_same_client =
            policy.bind == FingerprintPolicy::Ignore || device.was_rotated_by(fingerprints);
        let in_grace = policy.is_in_grace(device, moment);
        match presented.generation {
            n if n > device.generation => RefreshDecision::Ahead {
                device: self.devices.remove(at),
            },
            n if n == device.generation && is_rejected => RefreshDecision::FingerprintChanged {
                device: device.clone(),
            },
            n if n == device.generation => {
                let device = &mut self.devices[at];
                if policy.rotates {
                    device.generation += 1;
                    device.rotated_at = now;
                    device.rotated_on = moment.node;
                    device.kid = kid;
                }
                // The client will retry with its current fingerprint. A client that omits it once
                // remains bound to the known one.
                device.rotated_by = fingerprints.first().copied();
                device.fingerprint = device
                    .fingerprint
                    .map(|known| device.rotated_by.unwrap_or(known));
                device.used_at = now;
                device.idle_at = now.after(policy.idle).min(device.absolute_at);
                RefreshDecision::Rotated {
                    device: device.clone(),
                    is_fingerprint_changed,
                }
            }
            n if in_grace && n + 1 == device.generation && is_same_client => {
                RefreshDecision::Repeated {
                    device: device.clone(),
                }
            }
            _ if in_grace => RefreshDecision::Replaced,
            _ => RefreshDecision::Reused {
                device: self.devices.remove(at),
            },
        }
    }

    /// Revokes the device of a token, whatever its generation.
    pub(super) fn revoke_family(
        &mut self,
        family: &Hash256,
        now: Timestamp,
    ) -> Option<StoredDevice> {
        let at = self.find(family, now)?;
        Some(self.devices.remove(at))
    }

    /// Revokes the device with this public id.
    pub(super) fn revoke(&mut self, id: &str, now: Timestamp) -> Option<StoredDevice> {
        let mut devices = self.devices.iter();
        let at = devices.position(|device| device.is_live(now) && device.id() == id)?;
        Some(self.devices.remove(at))
    }

    /// Revokes every device except that of the presented token. The device must be live and have
    /// the id `id`, and the token must be its current one, or its previous one within the grace
    /// window.
    pub(super) fn revoke_others(
        &mut self,
        id: &str,
        presented: &PresentedRefresh,
        policy: &DevicePolicy,
        moment: Moment<'_>,
    ) -> Option<Vec<StoredDevice>> {
        let now = moment.now;
        let at = self.find(&presented.family, now)?;
        let device = &self.devices[at];
        let in_grace = policy.is_in_grace(device, moment);
        let is_current = presented.generation == device.generation
            || (in_grace && presented.generation + 1 == device.generation);
        if !is_current || device.id() != id {
            return None;
        }
        let kept = self.devices.remove(at);
        let revoked = std::mem::replace(&mut self.devices, vec![kept]);
        Some(revoked.into_iter().filter(|it| it.is_live(now)).collect())
    }

    /// Returns the device of a token that is valid now: the current one, or the previous one within
    /// the grace window.
    pub(super) fn device_of_valid(
        &self,
        presented: &PresentedRefresh,
        policy: &DevicePolicy,
        moment: Moment<'_>,
    ) -> Option<&StoredDevice> {
        let device = &self.devices[self.find(&presented.family, moment.now)?];
        let is_previous = presented.generation + 1 == device.generation;
        let is_valid = presented.generation == device.generation
            || (is_previous && policy.is_in_grace(device, moment));
        is_valid.then_some(device)
    }

    /// Revokes all devices. Logins in progress fail.
    pub(super) fn revoke_all(&mut self, now: Timestamp) -> Vec<StoredDevice> {
        self.epoch = u64::from_be_bytes(secret::random());
        self.revoked_at = now;
        std::mem::take(&mut self.devices)
    }

    fn find(&self, family: &Hash256, now: Timestamp) -> Option<usize> {
        self.devices
            .iter()
            .position(|device| device.is_live(now) && equal(&device.family.0, &family.0))
    }
}

/// Much longer than any login takes after it has read the record.
const EPOCH_LIFE: Duration = Duration::from_secs(24 * 60 * 60);
