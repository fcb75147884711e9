//! Entries, writes and the condition of a write.

use std::fmt;

use bytes::Bytes;

use super::StoreKey;
use crate::{clock::Timestamp, secret};

/// Distinguishes one write of a key from every other: 64 random bits, drawn by the writer. A
/// version never repeats, not even after the key was taken and written again. A writer whose answer
/// was lost recognises its own write by it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Version(u64);

impl Version {
    /// The version that a backend stored as `number`.
    #[must_use]
    pub const fn from_stored(number: u64) -> Self {
        Self(number)
    }

    /// Returns the number to store.
    #[must_use]
    pub const fn as_u64(self) -> u64 {
        self.0
    }
}

/// A stored value with its version and expiry. `Debug` omits the value.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// The bytes that were written.
    pub value: Bytes,
    /// The version of the write.
    pub version: Version,
    /// When the entry expires.
    pub expires_at: Timestamp,
}

impl Entry {
    /// An entry as read by a backend.
    #[must_use]
    pub const fn new(value: Bytes, version: Version, expires_at: Timestamp) -> Self {
        Self {
            value,
            version,
            expires_at,
        }
    }

    /// Returns whether the entry is live at `now`. At the moment of its expiry it is not.
    #[must_use]
    pub fn is_live(&self, now: Timestamp) -> bool {
        now < self.expires_at
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("bytes", &self.value.len())
            .field("version", &self.version)
            .field("expires_at", &self.expires_at)
            .finish()
    }
}

/// The answer of a cached read ([`Store::read_cached`](super::Store::read_cached)).
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct CachedRead {
    /// The live entry, if there is one.
    pub entry: Option<Entry>,
    /// Whether the answer comes from this process's cache. If not, the store has just given it.
    pub is_remembered: bool,
}

impl CachedRead {
    /// An answer that the store has just given.
    #[must_use]
    pub const fn fresh(entry: Option<Entry>) -> Self {
        Self {
            entry,
            is_remembered: false,
        }
    }

    /// An answer from this process's cache.
    #[must_use]
    pub const fn remembered(entry: Option<Entry>) -> Self {
        Self {
            entry,
            is_remembered: true,
        }
    }
}

/// What to write. `Debug` omits the value.
#[derive(Clone)]
#[non_exhaustive]
pub struct Write {
    /// The bytes to store.
    pub value: Bytes,
    /// The version of this write.
    pub version: Version,
    /// When the entry expires; [`Timestamp::NEVER`] for users and enrolments only.
    pub expires_at: Timestamp,
    /// The group that lists the entry, the same in every write of one key.
    pub group: Option<StoreKey>,
    /// Whether caches of the previous value need no invalidation, because the write only extends
    /// the expiry.
    pub skips_invalidation: bool,
}

impl Write {
    /// A write of `value` with a new version, in no group.
    #[must_use]
    pub fn new(value: impl Into<Bytes>, expires_at: Timestamp) -> Self {
        Self {
            value: value.into(),
            version: Version(u64::from_be_bytes(secret::random())),
            expires_at,
            group: None,
            skips_invalidation: false,
        }
    }

    /// Adds the entry to `group`.
    #[must_use]
    pub fn in_group(mut self, group: StoreKey) -> Self {
        self.group = Some(group);
        self
    }

    /// Skips the invalidation of near-caches if the store can. What they hold remains accurate
    /// enough until they read it again.
    #[must_use]
    pub fn without_invalidation(mut self) -> Self {
        self.skips_invalidation = true;
        self
    }
}

impl fmt::Debug for Write {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Write")
            .field("bytes", &self.value.len())
            .field("version", &self.version)
            .field("expires_at", &self.expires_at)
            .field("group", &self.group)
            .finish()
    }
}

/// The condition of a [`put`](super::Store::put).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(
    clippy::exhaustive_enums,
    reason = "the conditions of a write are final"
)]
pub enum When {
    /// Replaces any entry.
    Always,
    /// Writes only if there is no live entry.
    Absent,
    /// Writes only if the live entry still has this version.
    Unchanged(Version),
}

/// Returns whether `when` permits a write over `current`, for backends that decide in Rust.
#[must_use]
pub fn permits(when: When, current: Option<&Entry>, now: Timestamp) -> bool {
    let live = current.filter(|entry| entry.is_live(now));
    match when {
        When::Always => true,
        When::Absent => live.is_none(),
        When::Unchanged(version) => live.is_some_and(|entry| entry.version == version),
    }
}
