//! The record of one user's devices, and every decision on it.
//!
//! A decision is a pure function of the record, the request and the time. What it says becomes true only when
//! the new record has been written over the one it was made on.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    outages::{Outage, outage_between},
    record::{Device, Hash},
};
use crate::{
    clock::{SKEW, Timestamp},
    secret::{self, equal},
};

/// All devices of a user.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Account {
    /// Zero, and drawn anew by each "log out everywhere"; a login that began before comes to nothing. Compared,
    /// never ordered.
    pub(super) epoch: u64,
    /// When that was: a login that began before it comes to nothing, although it knew of no epoch.
    pub(super) revoked_at: Timestamp,
    pub(super) subject: String,
    pub(super) devices: Vec<Device>,
}

/// How devices live.
#[derive(Clone, Debug)]
pub(super) struct Terms {
    pub(super) idle: Duration,
    pub(super) absolute: Duration,
    pub(super) rotates: bool,
    pub(super) grace: Duration,
    /// How much time without a store the window does not count, at most.
    pub(super) outage_grace: Duration,
    pub(super) max_devices: usize,
    pub(super) on_limit: OnLimit,
    pub(super) bind: Bind,
}

/// When a node decides, and what it knows of time.
#[derive(Clone, Copy)]
pub(super) struct Moment<'a> {
    pub(super) now: Timestamp,
    /// Which node it is: another one has another clock.
    pub(super) node: u64,
    /// When the store did not answer.
    pub(super) outages: &'a [Outage],
}

impl Terms {
    /// Whether the last rotation was so short ago that requests from before it may still arrive: those that were
    /// under way for the whole window included.
    ///
    /// Time in which the store did not answer does not count, and what another node's clock states may be off by
    /// the [skew](SKEW) that is tolerated everywhere.
    fn is_in_grace(&self, device: &Device, moment: Moment<'_>) -> bool {
        if self.grace.is_zero() {
            return false;
        }
        let Moment { now, node, outages } = moment;
        let skew = match device.rotated_on == node {
            true => Duration::ZERO,
            false => SKEW,
        };
        let silence = outage_between(outages, device.rotated_at, now).min(self.outage_grace);
        now <= device.rotated_at.after(self.grace + skew + silence)
    }
}

/// What becomes of a login that would make one device too many.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[allow(clippy::exhaustive_enums, reason = "there is no fourth way")]
pub enum OnLimit {
    /// The device that logged in first is ended.
    EvictOldest,
    /// The device that was used least recently is ended.
    #[default]
    EvictLeastRecentlyUsed,
    /// The login is refused.
    Reject,
}

/// What becomes of a refresh that comes with another fingerprint than the login.
///
/// A fingerprint is what a client says of itself, so it is a hint and no proof: a thief can say the same.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[allow(clippy::exhaustive_enums, reason = "there is no fourth way")]
pub enum Bind {
    /// Nothing is compared.
    Ignore,
    /// It is granted and an event tells of it.
    #[default]
    Event,
    /// It is refused, and an event tells of it. The device stays logged in.
    Refuse,
}

/// What a refresh token states, once its tag was found to be ours.
pub(super) struct Presented {
    pub(super) family: Hash,
    pub(super) generation: u32,
    /// The thumbprint of the key that whoever asks has proved to hold.
    pub(super) key: Option<String>,
}

/// What the server's state says to a refresh.
pub(super) enum Turn {
    /// The device has a new generation.
    Rotated { device: Device, is_foreign: bool },
    /// The answer to the last rotation is asked for again: the same successor.
    Repeated { device: Device },
    /// A token that was replaced a moment ago, and not by the last rotation, or a client that is not bound.
    Late,
    /// The client does not look like the one that logged in.
    Foreign { device: Device },
    /// A token was used that was replaced long ago. The device is ended.
    Reused { device: Device },
    /// A token of a generation that was never recorded. The device is ended.
    Ahead { device: Device },
    /// The device is bound to a key, and nobody proved to hold it. Nothing changes: whoever has the token alone can do no
    /// harm with it.
    Unproved,
    /// There is no such device, or not any more.
    Gone,
}

/// What a login comes to.
pub(super) enum Entry {
    Entered {
        evicted: Vec<Device>,
    },
    /// Everything was ended since the login began.
    Withdrawn,
    /// There are too many devices, and none gives way.
    Full,
}

impl Account {
    pub(super) fn new(subject: &str) -> Self {
        Self {
            epoch: 0,
            revoked_at: Timestamp::from_millis(0),
            subject: subject.to_owned(),
            devices: Vec::new(),
        }
    }

    /// When nothing in the record matters any more. An empty one is kept for its epoch: for as long as any login
    /// that has read it may take.
    pub(super) fn expires_at(&self, now: Timestamp) -> Timestamp {
        let last = self.devices.iter().map(|device| device.absolute_at).max();
        last.unwrap_or(now).max(now.after(EPOCH_LIFE))
    }

    pub(super) fn live(&self, now: Timestamp) -> impl Iterator<Item = &Device> {
        self.devices
            .iter()
            .filter(move |device| device.is_live(now))
    }

    /// Adds a device.
    pub(super) fn enter(
        &mut self,
        device: Device,
        since: Option<u64>,
        terms: &Terms,
        now: Timestamp,
    ) -> Entry {
        if since.is_some_and(|since| since != self.epoch) {
            return Entry::Withdrawn;
        }
        self.devices.retain(|device| device.is_live(now));
        let mut evicted = Vec::new();
        // A write whose answer was lost, over which another was made before it was looked for.
        if self.find(&device.family, now).is_some() {
            return Entry::Entered { evicted };
        }
        while self.devices.len() >= terms.max_devices {
            let age = |device: &Device| match terms.on_limit {
                OnLimit::EvictLeastRecentlyUsed => device.used_at,
                OnLimit::EvictOldest | OnLimit::Reject => device.created_at,
            };
            let first = (0..self.devices.len()).min_by_key(|at| age(&self.devices[*at]));
            match first {
                Some(at) if terms.on_limit != OnLimit::Reject => {
                    evicted.push(self.devices.remove(at));
                }
                _ => return Entry::Full,
            }
        }
        self.devices.push(device);
        Entry::Entered { evicted }
    }

    /// Decides on a refresh. The record is changed where the answer is `Rotated`, `Reused` or `Ahead`.
    pub(super) fn turn(
        &mut self,
        presented: &Presented,
        fingerprints: &[Hash],
        kid: [u8; 4],
        terms: &Terms,
        moment: Moment<'_>,
    ) -> Turn {
        let now = moment.now;
        let Some(at) = self.find(&presented.family, now) else {
            return Turn::Gone;
        };
        let device = &self.devices[at];
        if device.key.is_some() && device.key != presented.key {
            return Turn::Unproved;
        }
        let is_foreign = terms.bind != Bind::Ignore && !device.is_bound_to(fingerprints);
        let is_refused = is_foreign && terms.bind == Bind::Refuse;
        let is_same_client = terms.bind == Bind::Ignore || device.was_rotated_by(fingerprints);
        let in_grace = terms.is_in_grace(device, moment);
        match presented.generation {
            n if n > device.generation => Turn::Ahead {
                device: self.devices.remove(at),
            },
            n if n == device.generation && is_refused => Turn::Foreign {
                device: device.clone(),
            },
            n if n == device.generation => {
                let device = &mut self.devices[at];
                if terms.rotates {
                    device.generation += 1;
                    device.rotated_at = now;
                    device.rotated_on = moment.node;
                    device.kid = kid;
                }
                // What the client looks like now is what it will look like when it asks again; one that says
                // nothing once is not let off for good.
                device.rotated_by = fingerprints.first().copied();
                device.fingerprint = device
                    .fingerprint
                    .map(|known| device.rotated_by.unwrap_or(known));
                device.used_at = now;
                device.idle_at = now.after(terms.idle).min(device.absolute_at);
                Turn::Rotated {
                    device: device.clone(),
                    is_foreign,
                }
            }
            n if in_grace && n + 1 == device.generation && is_same_client => Turn::Repeated {
                device: device.clone(),
            },
            _ if in_grace => Turn::Late,
            _ => Turn::Reused {
                device: self.devices.remove(at),
            },
        }
    }

    /// Ends the device that a token of whatever generation is for.
    pub(super) fn leave(&mut self, family: &Hash, now: Timestamp) -> Option<Device> {
        let at = self.find(family, now)?;
        Some(self.devices.remove(at))
    }

    /// Ends the device with this public id.
    pub(super) fn end(&mut self, id: &str, now: Timestamp) -> Option<Device> {
        let mut devices = self.devices.iter();
        let at = devices.position(|device| device.is_live(now) && device.id() == id)?;
        Some(self.devices.remove(at))
    }

    /// Ends every device but the one that this token is for, which must be the device `id`, live, and its token
    /// the current one or the one before it within the grace window.
    pub(super) fn end_others(
        &mut self,
        id: &str,
        presented: &Presented,
        terms: &Terms,
        moment: Moment<'_>,
    ) -> Option<Vec<Device>> {
        let now = moment.now;
        let at = self.find(&presented.family, now)?;
        let device = &self.devices[at];
        let in_grace = terms.is_in_grace(device, moment);
        let is_current = presented.generation == device.generation
            || (in_grace && presented.generation + 1 == device.generation);
        if !is_current || device.id() != id {
            return None;
        }
        let kept = self.devices.remove(at);
        let ended = std::mem::replace(&mut self.devices, vec![kept]);
        Some(ended.into_iter().filter(|it| it.is_live(now)).collect())
    }

    /// The device that a token is good for at this moment, be it by the grace of the window.
    pub(super) fn holder(
        &self,
        presented: &Presented,
        terms: &Terms,
        moment: Moment<'_>,
    ) -> Option<&Device> {
        let device = &self.devices[self.find(&presented.family, moment.now)?];
        let is_last = presented.generation + 1 == device.generation;
        let is_good = presented.generation == device.generation
            || (is_last && terms.is_in_grace(device, moment));
        is_good.then_some(device)
    }

    /// Ends everything, logins under way included.
    pub(super) fn clear(&mut self, now: Timestamp) -> Vec<Device> {
        self.epoch = u64::from_be_bytes(secret::random());
        self.revoked_at = now;
        std::mem::take(&mut self.devices)
    }

    fn find(&self, family: &Hash, now: Timestamp) -> Option<usize> {
        self.devices
            .iter()
            .position(|device| device.is_live(now) && equal(&device.family.0, &family.0))
    }
}

/// Much longer than any login takes from its first look at the account.
const EPOCH_LIFE: Duration = Duration::from_secs(24 * 60 * 60);
