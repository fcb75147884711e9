//! An accepting answer may come from memory, a rejecting one is the store's own.

use super::{Entry, Key, Store};
use crate::error::StoreError;

/// What a check came to, and where its answer is from.
pub(crate) struct Confirmed<T> {
    pub(crate) answer: T,
    /// Whether this process remembered it. Only an accepting answer can be.
    #[cfg_attr(
        not(feature = "jwt"),
        allow(dead_code, reason = "lists ask for it, and they are of tokens")
    )]
    pub(crate) is_remembered: bool,
}

/// Judges what is under `key` for a check that every request makes. What a near-cache remembers counts only if it is
/// accepted; a rejection, or an error, is confirmed by one read of the backend.
///
/// # Errors
///
/// Those of `judge` and of the store.
pub(crate) async fn confirmed<T, E: From<StoreError>>(
    store: &dyn Store,
    key: &Key,
    judge: impl Fn(Option<&Entry>) -> Result<T, E>,
    accepts: impl Fn(&T) -> bool,
) -> Result<Confirmed<T>, E> {
    let glance = store.glance(key).await?;
    let judged = judge(glance.entry.as_ref());
    if !glance.is_remembered || judged.as_ref().is_ok_and(accepts) {
        return Ok(Confirmed {
            answer: judged?,
            is_remembered: glance.is_remembered,
        });
    }
    let entry = store.get(key).await?;
    Ok(Confirmed {
        answer: judge(entry.as_ref())?,
        is_remembered: false,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::{
        clock::Timestamp,
        store::{Glance, StoreFuture, Version, When, Write},
    };

    /// Remembers one thing, and holds another.
    #[derive(Debug)]
    struct Split {
        remembered: Option<&'static str>,
        held: Option<&'static str>,
        reads: AtomicUsize,
    }

    fn entry(value: &'static str) -> Entry {
        Entry::new(value.into(), Version::from_stored(1), Timestamp::NEVER)
    }

    impl Store for Split {
        fn get<'a>(&'a self, _: &'a Key) -> StoreFuture<'a, Option<Entry>> {
            self.reads.fetch_add(1, Ordering::Relaxed);
            Box::pin(async { Ok(self.held.map(entry)) })
        }

        fn glance<'a>(&'a self, key: &'a Key) -> StoreFuture<'a, Glance> {
            match self.remembered {
                Some(value) => Box::pin(async { Ok(Glance::remembered(Some(entry(value)))) }),
                None => Box::pin(async { Ok(Glance::fresh(self.get(key).await?)) }),
            }
        }

        fn put<'a>(&'a self, _: &'a Key, _: Write, _: When) -> StoreFuture<'a, bool> {
            unreachable!("a check writes nothing")
        }

        fn take<'a>(&'a self, _: &'a Key) -> StoreFuture<'a, Option<Entry>> {
            unreachable!("a check takes nothing")
        }

        fn list<'a>(&'a self, _: &'a Key) -> StoreFuture<'a, Vec<(Key, Entry)>> {
            unreachable!("a check lists nothing")
        }
    }

    #[tokio::test]
    async fn only_what_is_accepted_may_come_from_memory() {
        for (remembered, held, is_accepted, reads) in [
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
                remembered,
                held,
                reads: AtomicUsize::new(0),
            };
            let judge = |entry: Option<&Entry>| match entry.map(|entry| &entry.value[..]) {
                Some(b"yes") => Ok(true),
                Some(b"no") => Ok(false),
                _ => Err(StoreError::Corrupt("odd".into())),
            };
            let key = Key::new("example", &[]);
            let found = confirmed(&store, &key, judge, |answer| *answer).await;
            let case = format!("{remembered:?} {held:?}");
            assert_eq!(found.ok().map(|found| found.answer), is_accepted, "{case}");
            assert_eq!(store.reads.load(Ordering::Relaxed), reads, "{case}");
        }
    }
}
