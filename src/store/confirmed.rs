//! Cached reads with confirmed refusals: an accepting answer may come from a cache, a refusal never
//! does.

use super::{Entry, Store, StoreKey};
use crate::error::StoreError;

/// The answer of a check, and whether it was cached.
pub(crate) struct Confirmed<T> {
    pub(crate) answer: T,
    /// Whether the answer comes from this process's cache. Only an accepting answer can.
    #[cfg_attr(
        not(feature = "jwt"),
        allow(dead_code, reason = "only token lists read it")
    )]
    pub(crate) is_remembered: bool,
}

/// Decides about the entry under `key` for a check that every request makes. An answer based on a
/// cached entry is returned only if it accepts; a refusal or an error is confirmed by one read of
/// the backend.
///
/// # Errors
///
/// Those of `decide` and of the store.
pub(crate) async fn confirmed<T, E: From<StoreError>>(
    store: &dyn Store,
    key: &StoreKey,
    decide: impl Fn(Option<&Entry>) -> Result<T, E>,
    accepts: impl Fn(&T) -> bool,
) -> Result<Confirmed<T>, E> {
    let read_cached = store.read_cached(key).await?;
    let decided = decide(read_cached.entry.as_ref());
    if !read_cached.is_remembered || decided.as_ref().is_ok_and(accepts) {
        return Ok(Confirmed {
            answer: decided?,
            is_remembered: read_cached.is_remembered,
        });
    }
    let entry = store.get(key).await?;
    Ok(Confirmed {
        answer: decide(entry.as_ref())?,
        is_remembered: false,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::{
        clock::Timestamp,
        store::{CachedRead, StoreFuture, Version, When, Write},
    };

    /// Caches one value and stores another.
    #[derive(Debug)]
    struct Split {
        cached: Option<&'static str>,
        stored: Option<&'static str>,
        reads: AtomicUsize,
    }

    fn entry(value: &'static str) -> Entry {
        Entry::new(value.into(), Version::from_stored(1), Timestamp::NEVER)
    }

    impl Store for Split {
        fn get<'a>(&'a self, _: &'a StoreKey) -> StoreFuture<'a, Option<Entry>> {
            self.reads.fetch_add(1, Ordering::Relaxed);
            Box::pin(async { Ok(self.stored.map(entry)) })
        }

        fn read_cached<'a>(&'a self, key: &'a StoreKey) -> StoreFuture<'a, CachedRead> {
            match self.cached {
                Some(value) => Box::pin(async { Ok(CachedRead::remembered(Some(entry(value)))) }),
                None => Box::pin(async { Ok(CachedRead::fresh(self.get(key).await?)) }),
            }
        }

        fn put<'a>(&'a self, _: &'a StoreKey, _: Write, _: When) -> StoreFuture<'a, bool> {
            unreachable!("a check never writes")
        }

        fn take<'a>(&'a self, _: &'a StoreKey) -> StoreFuture<'a, Option<Entry>> {
            unreachable!("a check never takes")
        }

        fn list<'a>(&'a self, _: &'a StoreKey) -> StoreFuture<'a, Vec<(StoreKey, Entry)>> {
            unreachable!("a check never lists")
        }
    }

    #[tokio::test]
    async fn only_what_is_accepted_may_come_from_memory() {
        for (cached, stored, is_accepted, reads) in [
            (Some("yes"), Some("no"), Some(true), 0),
            (Some("no"), Some("yes"), Some(true), 1),
            (Some("no"), Some("no"), Some(false), 1),
            (Some("odd"), Some("yes"), Some(true), 1),
            (Some("odd"), Some("odd"), None, 1),
            (None, Some("yes"), Some(true), 1),
            (None, Some("no"), Some(false), 1),
            (None, Some("odd"), None, 1),
        ] {
            let store = Split {
                cached,
                stored,
                reads: AtomicUsize::new(0),
            };
            let decide = |entry: Option<&Entry>| match entry.map(|entry| &entry.value[..]) {
                Some(b"yes") => Ok(true),
                Some(b"no") => Ok(false),
                _ => Err(StoreError::Corrupt("odd".into())),
            };
            let key = StoreKey::new("example", &[]);
            let checked = confirmed(&store, &key, decide, |answer| *answer).await;
            let case = format!("{cached:?} {stored:?}");
            assert_eq!(
                checked.ok().map(|checked| checked.answer),
                is_accepted,
                "{case}"
            );
            assert_eq!(store.reads.load(Ordering::Relaxed), reads, "{case}");
        }
    }
}
