//! All shared state: versioned bytes with an expiry and one group.
//!
//! A [`Store`] is a small atomic key-value map. Whatever must change together is one value, so each
//! operation of an engine commits on one conditional write and no store needs transactions.
//!
//! The conditions a store keeps, each checked by the `contract` module (feature `testing`):
//!
//! 1. [`put`](Store::put) under [`When::Absent`] or [`When::Unchanged`] is atomic: of two racing
//!    writers one wins, the other gets `false` and nothing of it is written.
//! 2. [`take`](Store::take) hands an entry to one caller at most.
//! 3. An entry whose expiry has passed is absent, by the store's own [`Clock`](crate::Clock), whether or not its
//!    bytes are still there. Engines do not rely on this: they keep their deadlines in the value.
//! 4. An entry belongs to at most one group, fixed while it lives. [`list`](Store::list) never misses
//!    a live entry whose write was acknowledged before the call, and lists no key that has since come
//!    into another group.
//! 5. [`add`](Store::add) is atomic and keeps the first expiry.
//! 6. An error means that the store does not know; it is never an answer.
//!
//! Keys are hashes ([`Key::new`]), so a stolen table names no user and opens no session.
//!
//! ```
//! use tower_jam::store::{Key, MemoryStore, Store, When, Write};
//! use tower_jam::{Clock, SystemClock};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), tower_jam::StoreError> {
//! let store = MemoryStore::new();
//! let key = Key::new("example", &[b"alice"]);
//! let expires_at = SystemClock.now().after(std::time::Duration::from_secs(60));
//!
//! assert!(store.put(&key, Write::new("first", expires_at), When::Absent).await?);
//! let entry = store.get(&key).await?.expect("it was just written");
//! assert!(store.put(&key, Write::new("second", expires_at), When::Unchanged(entry.version)).await?);
//!
//! // A writer that still holds the first version changes nothing.
//! assert!(!store.put(&key, Write::new("late", expires_at), When::Unchanged(entry.version)).await?);
//! assert_eq!(store.take(&key).await?.expect("the second value").value, "second");
//! assert!(store.get(&key).await?.is_none());
//! # Ok(())
//! # }
//! ```

use std::{borrow::Cow, fmt, future::Future, pin::Pin};

use bytes::Bytes;

use crate::{clock::Timestamp, error::StoreError, secret};

#[cfg(any(test, feature = "testing"))]
pub mod contract;
#[cfg(feature = "store-file")]
mod file;
mod memory;

#[cfg(feature = "store-file")]
pub use self::file::{FileStore, FileStoreBuilder};
pub use self::memory::MemoryStore;

/// The future of a store's verb.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Keeps versioned bytes for the engines.
///
/// Four verbs are required. Implement [`add`](Store::add) and [`remove_group`](Store::remove_group)
/// too where the backend has something better than the loops provided.
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// Reads the live entry under `key`.
    fn get<'a>(&'a self, key: &'a Key) -> StoreFuture<'a, Option<Entry>>;

    /// Writes if `when` holds. `false` says that it did not, and that nothing was written. A write whose
    /// expiry has passed already is a removal.
    fn put<'a>(&'a self, key: &'a Key, write: Write, when: When) -> StoreFuture<'a, bool>;

    /// Removes the live entry under `key` and returns it to this caller alone.
    fn take<'a>(&'a self, key: &'a Key) -> StoreFuture<'a, Option<Entry>>;

    /// Reads every live entry of `group`, in no order.
    fn list<'a>(&'a self, group: &'a Key) -> StoreFuture<'a, Vec<(Key, Entry)>>;

    /// Adds `delta` to the number under `key`, zero when absent, and returns the sum, which stays within
    /// an `i64`. The expiry is that of the first addition; later ones do not move it. A number is stored
    /// as decimal text, in no group, and every addition gives it a new version.
    ///
    /// The loop provided gives up as [`StoreError::Contended`], with nothing added, when others keep
    /// coming first.
    fn add<'a>(&'a self, key: &'a Key, delta: i64, expires_at: Timestamp) -> StoreFuture<'a, i64> {
        Box::pin(async move {
            for _ in 0..ADD_ATTEMPTS {
                let current = self.get(key).await?;
                let (sum, write, when) = match &current {
                    None => (
                        delta,
                        Write::new(delta.to_string(), expires_at),
                        When::Absent,
                    ),
                    Some(entry) => {
                        let sum = number(&entry.value)?.saturating_add(delta);
                        let write = Write::new(sum.to_string(), entry.expires_at);
                        (sum, write, When::Unchanged(entry.version))
                    }
                };
                if self.put(key, write, when).await? {
                    return Ok(sum);
                }
            }
            Err(StoreError::Contended)
        })
    }

    /// Removes every entry that was in `group` when the call began; returns how many it removed.
    ///
    /// The loop provided also removes an entry that was taken and written anew, under the same key into
    /// another group, between its two calls. The keys of this crate are never written anew.
    fn remove_group<'a>(&'a self, group: &'a Key) -> StoreFuture<'a, u64> {
        Box::pin(async move {
            let mut removed = 0;
            for (key, _) in self.list(group).await? {
                removed += u64::from(self.take(&key).await?.is_some());
            }
            Ok(removed)
        })
    }
}

/// Reads the number that [`Store::add`] keeps: decimal text.
///
/// # Errors
///
/// [`StoreError::Corrupt`] when it is anything else.
pub fn number(value: &[u8]) -> Result<i64, StoreError> {
    std::str::from_utf8(value)
        .map_err(|error| StoreError::Corrupt(error.into()))?
        .parse()
        .map_err(|error: std::num::ParseIntError| StoreError::Corrupt(error.into()))
}

/// Names an entry or a group: a namespace and 256 bits that tell nothing of what they stand for.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    namespace: Cow<'static, str>,
    digest: [u8; 32],
}

impl Key {
    /// The key of `parts`, hashed with SHA-256. Parts are joined with their lengths, so `["ab", "c"]`
    /// and `["a", "bc"]` are different keys.
    #[must_use]
    pub fn new(namespace: &'static str, parts: &[&[u8]]) -> Self {
        let lengths: Vec<_> = parts
            .iter()
            .map(|part| (part.len() as u64).to_be_bytes())
            .collect();
        let framed = lengths
            .iter()
            .zip(parts)
            .flat_map(|(length, part)| [length.as_slice(), part]);
        let digest = secret::hash(framed);
        Self {
            namespace: Cow::Borrowed(namespace),
            digest,
        }
    }

    /// The key that a backend stored as these two columns.
    #[must_use]
    pub fn from_stored(namespace: &str, digest: [u8; 32]) -> Self {
        Self {
            namespace: Cow::Owned(namespace.to_owned()),
            digest,
        }
    }

    /// What kind of thing the key names, such as `session`: lower-case ASCII letters and `-`.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The hash that tells it from others of its namespace.
    #[must_use]
    pub const fn digest(&self) -> &[u8; 32] {
        &self.digest
    }
}

/// Shows the namespace and the first bytes, enough to tell two keys apart in a test.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, ..] = self.digest;
        write!(f, "Key({}/{a:02x}{b:02x}{c:02x}…)", self.namespace)
    }
}

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
        }
    }

    /// Puts the entry into `group`.
    #[must_use]
    pub fn in_group(mut self, group: Key) -> Self {
        self.group = Some(group);
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

/// The condition of a [`put`](Store::put).
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

/// The namespace of attempt counters, which give way when a bounded store is full.
pub(crate) const THROTTLE: &str = "throttle";

/// With sixteen writers in lockstep, one in ten million additions loses this often.
const ADD_ATTEMPTS: usize = 256;
