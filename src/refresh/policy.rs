//! What a configuration says about devices.

/// The policy for a login that would exceed the maximum number of devices.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[allow(clippy::exhaustive_enums, reason = "the list is complete")]
pub enum DeviceLimitPolicy {
    /// The device that logged in first is evicted.
    EvictOldest,
    /// The device that was used least recently is evicted.
    #[default]
    EvictLeastRecentlyUsed,
    /// The login is rejected.
    Reject,
}

/// The policy for a refresh whose fingerprint differs from that of the login.
///
/// A fingerprint is a claim of the client: a hint and no proof, since a thief can claim the same.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[allow(clippy::exhaustive_enums, reason = "the list is complete")]
pub enum FingerprintPolicy {
    /// Fingerprints are not compared.
    Ignore,
    /// The refresh succeeds and an event is emitted.
    #[default]
    Event,
    /// The refresh is rejected and an event is emitted. The device stays logged in.
    Refuse,
}

/// Which tokens of a revoked device are rejected.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[allow(clippy::exhaustive_enums, reason = "the list is complete")]
pub enum RevocationCheck {
    /// Refresh tokens are rejected. An access token stays valid until it expires.
    Refresh,
    /// Access tokens are rejected too, immediately and on every node. Each request reads the record
    /// of devices, which a [near-cache](crate::store::near) answers from memory.
    #[default]
    Both,
    /// A logout revokes nothing. The client discards its tokens, and a copy of them remains valid.
    /// Revocations by an administrator and "log out everywhere" still apply to refresh tokens.
    DangerousNone,
}
