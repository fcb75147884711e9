//! What is read and written, and under which condition.

use std::fmt;

use bytes::Bytes;

use super::Key;
use crate::{clock::Timestamp, secret};

/// Tells one write of a key from every other: 64 random bits, drawn by the writer. It never repeats,
/// not even after the key was taken and written anew, and lets a writer whose answer was lost
/// recognise its own write.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Version(u64);

impl Version {
    /// The version that a backend stored as this number.
    #[must_use]
    pub const fn from_stored(number: u64) -> Self {
        Self(number)
    }

    /// The number to store.
    #[must_use]
    pub const fn as_u64(self) -> u64 {
        self.0
    }
}

/// What a store holds under a key. `Debug` leaves the value out.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// The bytes that were written.
    pub value: Bytes,
    /// Which write they came with.
    pub version: Version,
    /// When the entry is gone.
    pub expires_at: Timestamp,
}

impl Entry {
    /// An entry as a backend read it.
    #[must_use]
    pub const fn new(value: Bytes, version: Version, expires_at: Timestamp) -> Self {
        Self {
            value,
            version,
            expires_at,
        }
    }

    /// Whether the entry counts at `now`. At its very expiry it does not.
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

/// The answer of a [`glance`](super::Store::glance).
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Glance {
    /// The live entry, if there is one.
    pub entry: Option<Entry>,
    /// Whether this process remembered the answer. Otherwise it is the store's own, as of now.
    pub is_remembered: bool,
}

impl Glance {
    /// What the store has just said.
    #[must_use]
    pub const fn fresh(entry: Option<Entry>) -> Self {
        Self {
            entry,
            is_remembered: false,
        }
    }

    /// What the store said a while ago.
    #[must_use]
    pub const fn remembered(entry: Option<Entry>) -> Self {
        Self {
            entry,
            is_remembered: true,
        }
    }
}

/// What to write. `Debug` leaves the value out.
#[derive(Clone)]
#[non_exhaustive]
pub struct Write {
    /// The bytes.
    pub value: Bytes,
    /// The version this write will be known by.
    pub version: Version,
    /// When the entry is gone; [`Timestamp::NEVER`] for users and enrolments only.
    pub expires_at: Timestamp,
    /// The group it is listed under, the same in every write of one key.
    pub group: Option<Key>,
    /// Whether nobody who remembers the value before need hear of this one: it only prolongs a life.
    pub is_quiet: bool,
}

impl Write {
    /// A write of `value` with a version of its own, in no group.
    #[must_use]
    pub fn new(value: impl Into<Bytes>, expires_at: Timestamp) -> Self {
        Self {
            value: value.into(),
            version: Version(u64::from_be_bytes(secret::random())),
            expires_at,
            group: None,
            is_quiet: false,
        }
    }

    /// Puts the entry into `group`.
    #[must_use]
    pub fn in_group(mut self, group: Key) -> Self {
        self.group = Some(group);
        self
    }

    /// Spares near-caches the announcement, where the store can: what they remember stays true enough until
    /// they ask again.
    #[must_use]
    pub fn quietly(mut self) -> Self {
        self.is_quiet = true;
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
#[allow(clippy::exhaustive_enums, reason = "the verbs of a store are frozen")]
pub enum When {
    /// Whatever is there is replaced.
    Always,
    /// Only where no live entry is.
    Absent,
    /// Only while the live entry is still the one with this version.
    Unchanged(Version),
}

/// Whether a write under `when` may go ahead over `current`, for backends that decide in Rust.
#[must_use]
pub fn permits(when: When, current: Option<&Entry>, now: Timestamp) -> bool {
    let live = current.filter(|entry| entry.is_live(now));
    match when {
        When::Always => true,
        When::Absent => live.is_none(),
        When::Unchanged(version) => live.is_some_and(|entry| entry.version == version),
    }
}
