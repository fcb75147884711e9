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
//! 5. [`add`](Store::add) is atomic and keeps the first expiry; a sum of zero is no entry.
//! 6. An error means that the store does not know; it is never an answer.
//!
//! Keys are hashes ([`Key::new`]), so a stolen table opens no session. What engines store beside them is
//! sealed or hashed; of a session the store shows subject, roles, times and the name of the device.
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

use std::{fmt, future::Future, pin::Pin};

use crate::{clock::Timestamp, error::StoreError};

#[cfg(any(feature = "store-redis", feature = "store-postgres"))]
mod address;
#[cfg(any(feature = "jwt", feature = "session"))]
pub(crate) mod confirmed;
#[cfg(any(test, feature = "testing"))]
pub mod contract;
mod entry;
#[cfg(feature = "store-file")]
mod file;
mod hashing;
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
#[cfg(any(feature = "jwt", feature = "otp", feature = "session"))]
pub(crate) mod swap;
#[cfg(any(feature = "jwt", feature = "otp", feature = "session"))]
mod turn;

#[cfg(feature = "store-file")]
pub use self::file::{FileStore, FileStoreBuilder};
pub use self::memory::MemoryStore;
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
    entry::{Entry, Glance, Version, When, Write, permits},
    key::Key,
    namespace::Namespace,
};

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

    /// Reads the entry under `key` for a check that every request makes. Only a near-cache overrides this: its
    /// answer may come from this process's memory, as late as its manual says. So a caller that would
    /// say no because of a remembered answer asks [`get`](Store::get) first.
    fn glance<'a>(&'a self, key: &'a Key) -> StoreFuture<'a, Glance> {
        Box::pin(async move { Ok(Glance::fresh(self.get(key).await?)) })
    }

    /// Adds `delta` to the number under `key`, zero when absent, and returns the sum, which stays within
    /// an `i64`. The expiry is that of the first addition; later ones do not move it. A number is stored
    /// as decimal text, in no group, and every addition gives it a new version.
    ///
    /// A sum of zero is stored as no entry, by the same atomic step: what was there is removed, and the next addition is a first
    /// one. So a counter that has come back to zero leaves nothing.
    ///
    /// The loop provided gives up as [`StoreError::Contended`], with nothing added, when others keep
    /// coming first.
    fn add<'a>(&'a self, key: &'a Key, delta: i64, expires_at: Timestamp) -> StoreFuture<'a, i64> {
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
                    // A write that is over already is a removal.
                    write.expires_at = Timestamp::from_millis(0);
                }
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

/// With sixteen writers in lockstep, one in ten million additions loses this often.
const ADD_ATTEMPTS: usize = 256;
