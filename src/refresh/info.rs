//! Public views of devices.

use super::device::StoredDevice;
use crate::clock::Timestamp;

/// A device on which a user is logged in, for display to that user. It contains no credential.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DeviceInfo {
    /// The public id, for [`TokenPairs::revoke`](super::TokenPairs::revoke); the `sid` of its
    /// access tokens.
    pub id: String,
    /// The name that the login gave to the device.
    pub device_name: Option<String>,
    /// The `User-Agent` of the login.
    pub user_agent: Option<String>,
    /// When it logged in.
    pub created_at: Timestamp,
    /// When it last refreshed.
    pub last_used_at: Timestamp,
    /// When it expires if it is not used.
    pub idle_at: Timestamp,
    /// When it expires in any case.
    pub absolute_at: Timestamp,
}

impl DeviceInfo {
    pub(super) fn new(device: &StoredDevice) -> Self {
        Self {
            id: device.id(),
            device_name: device.name.clone(),
            user_agent: device.user_agent.clone(),
            created_at: device.created_at,
            last_used_at: device.used_at,
            idle_at: device.idle_at,
            absolute_at: device.absolute_at,
        }
    }
}

/// Identifies the last "log out everywhere" of a subject. See
/// [`TokenPairs::epoch`](super::TokenPairs::epoch).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DeviceEpoch {
    pub(crate) id: u64,
    pub(crate) revoked_at: Timestamp,
}
