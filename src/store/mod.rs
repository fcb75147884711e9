//! Storage for all shared state: versioned bytes with an expiry and at most one group.
//!
//! A [`Store`] is a small atomic key-value map. Everything that must change together is one value,
//! so each operation of an engine commits with one conditional write, and no store needs
//! transactions.
//!
//! A store guarantees these conditions. The `contract` module (feature `testing`) checks each of
//! them:
//!
//! 1. [`put`](Store::put) under [`When::Absent`] or [`When::Unchanged`] is atomic: of two racing
//!    writers one wins; the other gets `false` and writes nothing.
//! 2. [`take`](Store::take) returns an entry to at most one caller.
//! 3. An expired entry is absent by the store's own [`Clock`](crate::Clock), even if its bytes are
//!    still stored. Engines do not rely on this: they store their deadlines in the value.
//! 4. An entry belongs to at most one group, which does not change during its lifetime.
//!    [`list`](Store::list) never misses a live entry whose write was acknowledged before the call,
//!    and never lists a key that has since moved to another group.
//! 5. [`add`](Store::add) is atomic and preserves the first expiry; a sum of zero is stored as no
//!    entry.
//! 6. An error means that the answer is unknown. It never stands for an answer such as "absent".
//!
//! Keys are hashes ([`StoreKey::new`]), so a stolen table opens no session. The values that engines
//! store are sealed or hashed; of a session the store reveals the subject, the roles, the times and
//! the device name.
//!
//! ```
//! use tower_jam::store::{StoreKey, MemoryStore, Store, When, Write};
//! use tower_jam::{Clock, SystemClock};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), tower_jam::StoreError> {
//! let store = MemoryStore::new();
//! let key = StoreKey::new("example", &[b"alice"]);
//! let expires_at = SystemClock.now().after(std::time::Duration::from_secs(60));
//!
//! assert!(store.put(&key, Write::new("first", expires_at), When::Absent).await?);
//! let entry = store.get(&key).await?.expect("it was just written");
//! let unchanged = When::Unchanged(entry.version);
//! assert!(store.put(&key, Write::new("second", expires_at), unchanged).await?);
//!
//! // A writer that still holds the first version changes nothing.
//! assert!(!store.put(&key, Write::new("late", expires_at), unchanged).await?);
//! assert_eq!(store.take(&key).await?.expect("the second value").value, "second");
//! assert!(store.get(&key).await?.is_none());
//! # Ok(())
//! # }
//! ```

use std::{fmt, future::Future, pin::Pin};

use crate::{clock::Timestamp, error::StoreError};

#[cfg(any(feature = "store-redis", feature = "store-postgres"))]
mod address;
#[cfg(any(feature = "jwt", feature = "session"))]
pub(crate) mod confirmed;
mod entry;
#[cfg(feature = "store-file")]
mod file;
mod key;
mod memory;
#[cfg(feature = "metrics")]
mod metered;
mod namespace;
#[cfg(feature = "near-cache")]
pub mod near;
#[cfg(feature = "store-postgres")]
mod postgres;
#[cfg(feature = "store-redis")]
mod redis;
#[cfg(feature = "refresh")]
pub(crate) mod sealed;
pub(crate) mod sharded;
#[cfg(any(feature = "jwt", feature = "otp", feature = "session"))]
pub(crate) mod swap;
#[cfg(any(feature = "jwt", feature = "otp", feature = "session"))]
mod turn;

#[cfg(feature = "store-file")]
pub use self::file::{FileStore, FileStoreBuilder};
#[cfg(feature = "metrics")]
pub use self::metered::Metered;
#[cfg(feature = "near-cache")]
pub use self::near::{NearCache, NearCacheBuilder};
#[cfg(all(feature = "account", feature = "store-postgres"))]
pub(crate) use self::postgres::SqlError;
#[cfg(feature = "store-postgres")]
pub use self::postgres::{PostgresStore, PostgresStoreBuilder};
#[cfg(feature = "store-redis")]
pub use self::redis::{RedisStore, RedisStoreBuilder};
pub use self::{
    entry::{CachedRead, Entry, Version, When, Write, permits},
    key::StoreKey,
    memory::MemoryStore,
    namespace::Namespace,
};

/// The future that a method of [`Store`] returns.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Stores versioned bytes for the engines.
///
/// Four methods are required. Implement [`add`](Store::add) and
/// [`remove_group`](Store::remove_group) too if the backend can do better than the provided loops.
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// Returns the live entry under `key`, or `None` if there is none.
    fn get<'a>(&'a self, key: &'a StoreKey) -> StoreFuture<'a, Option<Entry>>;

    /// Writes if `when` holds. Returns `false` if it did not hold and nothing was written. A write
    /// that has already expired removes the entry.
    fn put<'a>(&'a self, key: &'a StoreKey, write: Write, when: When) -> StoreFuture<'a, bool>;

    /// Removes the live entry under `key` and returns it to this caller alone.
    fn take<'a>(&'a self, key: &'a StoreKey) -> StoreFuture<'a, Option<Entry>>;

    /// Returns every live entry of `group`, in no particular order.
    fn list<'a>(&'a self, group: &'a StoreKey) -> StoreFuture<'a, Vec<(StoreKey, Entry)>>;

    /// Reads the entry under `key` for a check that every request makes: a cached read. Only a
    /// near-cache overrides this method. Its answer may come from this process's memory, and may be
    /// as stale as its manual states. Before a caller refuses a request because of a cached answer,
    /// it must confirm it with [`get`](Store::get).
    fn read_cached<'a>(&'a self, key: &'a StoreKey) -> StoreFuture<'a, CachedRead> {
        Box::pin(async move { Ok(CachedRead::fresh(self.get(key).await?)) })
    }

    /// Adds `delta` to the number under `key`, which is zero if absent, and returns the sum. The
    /// sum saturates at the bounds of `i64`. The first addition sets the expiry; later ones do not
    /// change it. A number is stored as decimal text, in no group, and every addition gives it a
    /// new version.
    ///
    /// A sum of zero removes the entry in the same atomic step, and the next addition counts as the
    /// first. A counter that returns to zero leaves nothing behind.
    ///
    /// The provided loop fails with [`StoreError::Contended`], and adds nothing, if other writers
    /// keep winning.
    fn add<'a>(
        &'a self,
        key: &'a StoreKey,
        delta: i64,
        expires_at: Timestamp,
    ) -> StoreFuture<'a, i64> {
        Box::pin(async move {
            for _ in 0..ADD_ATTEMPTS {
                let current = self.get(key).await?;
                let (sum, mut write, when) = match &current {
                    None if delta == 0 => return Ok(0),
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
                if sum == 0 {
                    // A write that has already expired removes the entry.
                    write.expires_at = Timestamp::from_millis(0);
                }
                if self.put(key, write, when).await? {
                    return Ok(sum);
                }
            }
            Err(StoreError::Contended)
        })
    }

    /// Removes every entry that was in `group` when the call began, and returns how many it
    /// removed.
    ///
    /// The provided loop also removes an entry that was taken and written again between its two
    /// calls, under the same key but in another group. This crate never writes such a key again.
    fn remove_group<'a>(&'a self, group: &'a StoreKey) -> StoreFuture<'a, u64> {
        Box::pin(async move {
            let mut removed = 0;
            for (key, _) in self.list(group).await? {
                removed += u64::from(self.take(&key).await?.is_some());
            }
            Ok(removed)
        })
    }
}

/// Parses the decimal number that [`Store::add`] stores.
///
/// # Errors
///
/// [`StoreError::Corrupt`] if `value` is anything else.
pub fn number(value: &[u8]) -> Result<i64, StoreError> {
    std::str::from_utf8(value)
        .map_err(|error| StoreError::Corrupt(error.into()))?
        .parse()
        .map_err(|error: std::num::ParseIntError| StoreError::Corrupt(error.into()))
}

/// Sixteen writers in lockstep lose this often in a row in one of ten million additions.
const ADD_ATTEMPTS: usize = 256;
