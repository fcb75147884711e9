//! The compare-and-swap loop of all engines.

use super::{Entry, Store, StoreKey, Version, When, Write, turn::SwapPermit};
use crate::{clock::Clock, error::StoreError};

/// What a decision does with the value that was read.
pub(crate) enum Step<T> {
    /// Leaves the value unchanged.
    Keep(T),
    /// Replaces the value. The answer is valid once the write has succeeded.
    Swap(Write, T),
}

/// Changes the value under `key` as `decide` says, until a write meets no concurrent change.
/// Returns the last answer of `decide`.
///
/// `decide` may be called many times, so it must have no side effects. A write whose answer was
/// lost counts as successful if the value is found with its version.
///
/// # Errors
///
/// Those of `decide` and of the store; [`StoreError::Contended`] after five seconds of lost races,
/// and [`StoreError::Unknown`] if a write may have been made and the store cannot be read to find
/// out.
pub(crate) async fn swap<T, E: From<StoreError>>(
    store: &dyn Store,
    clock: &dyn Clock,
    key: &StoreKey,
    decide: impl FnMut(Option<&Entry>) -> Result<Step<T>, E>,
) -> Result<T, E> {
    let mode = SwapMode::default();
    run(store, clock, key, mode, decide).await
}

/// [`swap`] for a key that is presumably absent: makes the first write without reading.
///
/// # Errors
///
/// Those of [`swap`].
#[cfg(feature = "session")]
pub(crate) async fn create<T, E: From<StoreError>>(
    store: &dyn Store,
    clock: &dyn Clock,
    key: &StoreKey,
    decide: impl FnMut(Option<&Entry>) -> Result<Step<T>, E>,
) -> Result<T, E> {
    let mode = SwapMode {
        assumes_absent: true,
        ..SwapMode::default()
    };
    run(store, clock, key, mode, decide).await
}

/// [`swap`] for a change that must not be made twice, such as an addition.
///
/// # Errors
///
/// Those of [`swap`]; also [`StoreError::Unknown`] if the answer to a write was lost and another
/// write was made before or after it, so that the outcome cannot be determined.
#[cfg(feature = "session")]
pub(crate) async fn swap_once<T, E: From<StoreError>>(
    store: &dyn Store,
    clock: &dyn Clock,
    key: &StoreKey,
    decide: impl FnMut(Option<&Entry>) -> Result<Step<T>, E>,
) -> Result<T, E> {
    let mode = SwapMode {
        must_not_repeat: true,
        ..SwapMode::default()
    };
    run(store, clock, key, mode, decide).await
}

#[derive(Clone, Copy, Default)]
struct SwapMode {
    /// Whether the value is first assumed to be absent.
    assumes_absent: bool,
    /// Whether the change is not idempotent: a decision over the result of an earlier one would
    /// change more, because the value does not show that the change was made.
    must_not_repeat: bool,
}

/// A write without an answer, which may have been made.
struct LostWrite<T> {
    version: Version,
    /// The version that the write was to replace. While it is current, the write has not been made.
    replaces: Option<Version>,
    answer: T,
}

async fn run<T, E: From<StoreError>>(
    store: &dyn Store,
    clock: &dyn Clock,
    key: &StoreKey,
    mode: SwapMode,
    mut decide: impl FnMut(Option<&Entry>) -> Result<Step<T>, E>,
) -> Result<T, E> {
    let deadline = clock.monotonic() + DEADLINE;
    // A lost write may still be made after later attempts, so all of them are remembered.
    let mut unsettled: Vec<LostWrite<T>> = Vec::new();
    // Acquired after the first lost race and held until the end.
    let mut permit = None;
    let mut reads = !mode.assumes_absent;
    loop {
        let entry = if reads {
            match store.get(key).await {
                Err(error) if !unsettled.is_empty() => return Err(error.in_doubt().into()),
                answer => answer?,
            }
        } else {
            None
        };
        reads = true;
        let found = entry.as_ref().map(|entry| entry.version);
        let mut writes = unsettled.iter();
        if let Some(at) = writes.position(|lost| found == Some(lost.version)) {
            return Ok(unsettled.swap_remove(at).answer);
        }
        let (write, answer) = match decide(entry.as_ref())? {
            Step::Keep(answer) => return Ok(answer),
            Step::Swap(write, answer) => (write, answer),
        };
        if mode.must_not_repeat && unsettled.iter().any(|lost| lost.replaces != found) {
            return Err(StoreError::Unknown(OVERTAKEN.into()).into());
        }
        let version = write.version;
        let when = found.map_or(When::Absent, When::Unchanged);
        match store.put(key, write, when).await {
            Ok(true) => return Ok(answer),
            Ok(false) => {}
            Err(StoreError::Unknown(_)) => unsettled.push(LostWrite {
                version,
                replaces: found,
                answer,
            }),
            Err(error) if !unsettled.is_empty() => return Err(error.in_doubt().into()),
            Err(error) => return Err(error.into()),
        }
        if clock.monotonic() > deadline {
            let error = if unsettled.is_empty() {
                StoreError::Contended
            } else {
                StoreError::Contended.in_doubt()
            };
            return Err(error.into());
        }
        if permit.is_none() {
            permit = Some(SwapPermit::acquire(store, key).await);
        }
    }
}

const OVERTAKEN: &str = "the answer to a write was lost, and another write came since";
/// Longer than any store's own time-out, shorter than anybody waits for a page.
const DEADLINE: std::time::Duration = std::time::Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use std::{
        collections::VecDeque,
        sync::{Arc, Mutex},
        time::Duration,
    };

    use super::*;
    use crate::{clock::Timestamp, store::StoreFuture, testing::ManualClock};

    /// What a store does with one call.
    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Reaction {
        Works,
        IsDown,
        /// The write is made, and its answer is lost.
        Loses,
        /// The write is made after the next write was refused or made.
        IsLate,
        /// The write is made, its answer is lost, and another writer's write follows.
        IsOvertaken,
    }

    #[derive(Debug)]
    struct Scripted {
        reactions: Mutex<VecDeque<Reaction>>,
        entry: Mutex<Option<Entry>>,
        late: Mutex<Option<Entry>>,
    }

    impl Scripted {
        fn new(reactions: impl IntoIterator<Item = Reaction>) -> Self {
            Self {
                reactions: Mutex::new(reactions.into_iter().collect()),
                entry: Mutex::default(),
                late: Mutex::default(),
            }
        }

        fn reaction(&self) -> Reaction {
            self.reactions
                .lock()
                .unwrap()
                .pop_front()
                .unwrap_or(Reaction::Works)
        }
    }

    fn down() -> StoreError {
        StoreError::Unavailable("down".into())
    }

    impl Store for Scripted {
        fn get<'a>(&'a self, _: &'a StoreKey) -> StoreFuture<'a, Option<Entry>> {
            let entry = match self.reaction() {
                Reaction::IsDown => Err(down()),
                _ => Ok(self.entry.lock().unwrap().clone()),
            };
            Box::pin(async { entry })
        }

        fn put<'a>(&'a self, _: &'a StoreKey, write: Write, when: When) -> StoreFuture<'a, bool> {
            let reaction = self.reaction();
            let mut entry = self.entry.lock().unwrap();
            let is_allowed = match when {
                When::Always => true,
                When::Absent => entry.is_none(),
                When::Unchanged(version) => entry.as_ref().is_some_and(|it| it.version == version),
            };
            let written = Entry {
                value: write.value,
                version: write.version,
                expires_at: write.expires_at,
            };
            let answer = match reaction {
                Reaction::IsDown => Err(down()),
                Reaction::IsLate => {
                    *self.late.lock().unwrap() = Some(written);
                    Err(StoreError::Unknown("lost".into()))
                }
                reaction => {
                    if is_allowed {
                        *entry = Some(written);
                    }
                    if let Some(late) = self.late.lock().unwrap().take() {
                        *entry = Some(late);
                    }
                    match reaction {
                        Reaction::Loses => Err(StoreError::Unknown("lost".into())),
                        Reaction::IsOvertaken => {
                            if let Some(entry) = &mut *entry {
                                entry.version = Version::from_stored(0);
                            }
                            Err(StoreError::Unknown("lost".into()))
                        }
                        _ => Ok(is_allowed),
                    }
                }
            };
            Box::pin(async { answer })
        }

        fn take<'a>(&'a self, _: &'a StoreKey) -> StoreFuture<'a, Option<Entry>> {
            unreachable!("a swap never takes")
        }

        fn list<'a>(&'a self, _: &'a StoreKey) -> StoreFuture<'a, Vec<(StoreKey, Entry)>> {
            unreachable!("a swap never lists")
        }
    }

    /// Increments the number, and returns the result and how many decisions it took.
    async fn count(store: &Scripted) -> (Result<u8, StoreError>, usize) {
        count_with(store, SwapMode::default()).await
    }

    async fn count_with(store: &Scripted, mode: SwapMode) -> (Result<u8, StoreError>, usize) {
        let clock = Arc::new(ManualClock::default());
        let mut decisions = 0;
        let key = StoreKey::new("example", &[]);
        let counted = run(store, &*clock, &key, mode, |entry| {
            decisions += 1;
            clock.advance(Duration::from_secs(1));
            let next = entry.map_or(0, |entry| entry.value[0]) + 1;
            Ok::<_, StoreError>(Step::Swap(Write::new(vec![next], Timestamp::NEVER), next))
        });
        let counted = counted.await;
        (counted, decisions)
    }

    #[tokio::test]
    async fn a_write_whose_answer_was_lost_is_recognised_and_not_made_again() {
        let store = Scripted::new([Reaction::Works, Reaction::Loses]);
        let (counted, decisions) = count(&store).await;
        assert_eq!((counted.unwrap(), decisions), (1, 1));
    }

    /// `Unavailable` would say that nothing was written, which may be false.
    #[tokio::test]
    async fn a_lost_write_that_cannot_be_looked_for_is_unknown() {
        for reactions in [
            vec![Reaction::Works, Reaction::Loses, Reaction::IsDown],
            vec![
                Reaction::Works,
                Reaction::IsLate,
                Reaction::Works,
                Reaction::IsDown,
            ],
        ] {
            let (counted, _) = count(&Scripted::new(reactions)).await;
            assert!(
                matches!(counted, Err(StoreError::Unknown(_))),
                "{counted:?}"
            );
        }
        let (counted, _) = count(&Scripted::new([Reaction::Works, Reaction::IsDown])).await;
        assert!(
            matches!(counted, Err(StoreError::Unavailable(_))),
            "{counted:?}"
        );
    }

    #[tokio::test]
    async fn a_lost_write_that_is_made_late_is_recognised_all_the_same() {
        let reactions = [
            Reaction::Works,
            Reaction::IsLate,
            Reaction::Works,
            Reaction::Loses,
        ];
        let store = Scripted::new(reactions);
        let (counted, decisions) = count(&store).await;
        assert_eq!((counted.unwrap(), decisions), (1, 2));
        assert_eq!(store.entry.lock().unwrap().as_ref().unwrap().value[0], 1);
    }

    /// The write may have been replaced, or may never have been made.
    #[cfg(feature = "session")]
    #[tokio::test]
    async fn what_must_not_be_made_twice_is_unknown_once_it_was_overtaken() {
        let reactions = [Reaction::Works, Reaction::IsOvertaken];
        let once = SwapMode {
            must_not_repeat: true,
            ..SwapMode::default()
        };
        let store = Scripted::new(reactions);
        let (counted, decisions) = count_with(&store, once).await;
        assert!(
            matches!(counted, Err(StoreError::Unknown(_))),
            "{counted:?}"
        );
        assert_eq!(decisions, 2);
        assert_eq!(store.entry.lock().unwrap().as_ref().unwrap().value[0], 1);

        let (counted, _) = count(&Scripted::new(reactions)).await;
        assert_eq!(counted.unwrap(), 2, "an idempotent change is repeated");
    }

    /// `Contended` would say that nothing was written, which may be false.
    #[tokio::test]
    async fn a_lost_write_is_still_unknown_at_the_deadline() {
        let store = Scripted::new(
            [Reaction::Works, Reaction::Loses]
                .into_iter()
                .chain(std::iter::repeat_n(Reaction::Works, 20)),
        );
        *store.entry.lock().unwrap() = Some(Entry::new(
            vec![7].into(),
            Version::from_stored(1),
            Timestamp::NEVER,
        ));
        let refusing = Refusing(store);
        let clock = ManualClock::default();
        let key = StoreKey::new("example", &[]);
        let counted = swap(&refusing, &clock, &key, |_| {
            clock.advance(Duration::from_secs(2));
            Ok::<_, StoreError>(Step::Swap(Write::new("", Timestamp::NEVER), ()))
        });
        let counted = counted.await;
        assert!(
            matches!(counted, Err(StoreError::Unknown(_))),
            "{counted:?}"
        );
    }

    /// Another writer always wins, and the first answer is lost.
    #[derive(Debug)]
    struct Refusing(Scripted);

    impl Store for Refusing {
        fn get<'a>(&'a self, key: &'a StoreKey) -> StoreFuture<'a, Option<Entry>> {
            self.0.get(key)
        }

        fn put<'a>(&'a self, _: &'a StoreKey, _: Write, _: When) -> StoreFuture<'a, bool> {
            let answer = match self.0.reaction() {
                Reaction::Loses => Err(StoreError::Unknown("lost".into())),
                _ => Ok(false),
            };
            Box::pin(async { answer })
        }

        fn take<'a>(&'a self, key: &'a StoreKey) -> StoreFuture<'a, Option<Entry>> {
            self.0.take(key)
        }

        fn list<'a>(&'a self, group: &'a StoreKey) -> StoreFuture<'a, Vec<(StoreKey, Entry)>> {
            self.0.list(group)
        }
    }
}
