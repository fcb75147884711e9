//! The one loop of a compare-and-swap.

use super::{Entry, Key, Store, Version, When, Write, turn::Turn};
use crate::{clock::Clock, error::StoreError};

/// What is to become of a value that was read.
pub(crate) enum Step<T> {
    /// It stays as it is.
    Keep(T),
    /// It is written anew, and the answer holds once that has happened.
    Swap(Write, T),
}

/// Lets `decide` change the value under `key` until no other change comes between, and returns its last answer.
///
/// `decide` may be called many times, so it must have no effect but its answer. A write whose answer was lost
/// counts as done if the value is found with its version.
///
/// # Errors
///
/// Those of `decide` and of the store; [`StoreError::Contended`] after five seconds of losing, and
/// [`StoreError::Unknown`] when a write may have been made and cannot be looked for.
pub(crate) async fn swap<T, E: From<StoreError>>(
    store: &dyn Store,
    clock: &dyn Clock,
    key: &Key,
    decide: impl FnMut(Option<&Entry>) -> Result<Step<T>, E>,
) -> Result<T, E> {
    let mode = Mode::default();
    run(store, clock, key, mode, decide).await
}

/// [`swap`] for a key that nothing is under, as far as anybody knows: the first write is made without a look.
///
/// # Errors
///
/// Those of [`swap`].
#[cfg(feature = "session")]
pub(crate) async fn create<T, E: From<StoreError>>(
    store: &dyn Store,
    clock: &dyn Clock,
    key: &Key,
    decide: impl FnMut(Option<&Entry>) -> Result<Step<T>, E>,
) -> Result<T, E> {
    let mode = Mode {
        begins_absent: true,
        ..Mode::default()
    };
    run(store, clock, key, mode, decide).await
}

/// [`swap`] for a change that must not be made twice, such as an addition.
///
/// # Errors
///
/// Those of [`swap`]; also [`StoreError::Unknown`] when the answer to a write was lost and another write has come since,
/// before or after it: nobody can tell.
#[cfg(feature = "session")]
pub(crate) async fn swap_once<T, E: From<StoreError>>(
    store: &dyn Store,
    clock: &dyn Clock,
    key: &Key,
    decide: impl FnMut(Option<&Entry>) -> Result<Step<T>, E>,
) -> Result<T, E> {
    let mode = Mode {
        repeats_count: true,
        ..Mode::default()
    };
    run(store, clock, key, mode, decide).await
}

#[derive(Clone, Copy, Default)]
struct Mode {
    /// Whether nothing is taken to be there at first.
    begins_absent: bool,
    /// Whether a decision over the outcome of an earlier one does more, because it does not see in the value what that
    /// came to.
    repeats_count: bool,
}

/// A write whose answer was lost.
struct Lost<T> {
    version: Version,
    /// What the write was to replace. While that is there, the write has not been made.
    replaces: Option<Version>,
    answer: T,
}

async fn run<T, E: From<StoreError>>(
    store: &dyn Store,
    clock: &dyn Clock,
    key: &Key,
    mode: Mode,
    mut decide: impl FnMut(Option<&Entry>) -> Result<Step<T>, E>,
) -> Result<T, E> {
    let deadline = clock.monotonic() + DEADLINE;
    // A lost write may still be made after others were tried, so none is forgotten.
    let mut unsettled: Vec<Lost<T>> = Vec::new();
    // Taken after the first loss, and held to the end.
    let mut turn = None;
    let mut is_read = !mode.begins_absent;
    loop {
        let entry = match is_read {
            false => None,
            true => match store.get(key).await {
                Err(error) if !unsettled.is_empty() => return Err(error.in_doubt().into()),
                answer => answer?,
            },
        };
        is_read = true;
        let found = entry.as_ref().map(|entry| entry.version);
        let mut writes = unsettled.iter();
        if let Some(at) = writes.position(|lost| found == Some(lost.version)) {
            return Ok(unsettled.swap_remove(at).answer);
        }
        let (write, answer) = match decide(entry.as_ref())? {
            Step::Keep(answer) => return Ok(answer),
            Step::Swap(write, answer) => (write, answer),
        };
        if mode.repeats_count && unsettled.iter().any(|lost| lost.replaces != found) {
            return Err(StoreError::Unknown(OVERTAKEN.into()).into());
        }
        let version = write.version;
        let when = found.map_or(When::Absent, When::Unchanged);
        match store.put(key, write, when).await {
            Ok(true) => return Ok(answer),
            Ok(false) => {}
            Err(StoreError::Unknown(_)) => unsettled.push(Lost {
                version,
                replaces: found,
                answer,
            }),
            Err(error) if !unsettled.is_empty() => return Err(error.in_doubt().into()),
            Err(error) => return Err(error.into()),
        }
        if clock.monotonic() > deadline {
            let error = match unsettled.is_empty() {
                true => StoreError::Contended,
                false => StoreError::Contended.in_doubt(),
            };
            return Err(error.into());
        }
        if turn.is_none() {
            turn = Some(Turn::wait(store, key).await);
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
    enum Turn {
        Works,
        IsAway,
        /// The write is made, and its answer is lost.
        Loses,
        /// The write is made once the next write has been refused or made.
        IsLate,
        /// The write is made, its answer is lost, and another writer's follows.
        IsOvertaken,
    }

    #[derive(Debug)]
    struct Scripted {
        turns: Mutex<VecDeque<Turn>>,
        entry: Mutex<Option<Entry>>,
        late: Mutex<Option<Entry>>,
    }

    impl Scripted {
        fn new(turns: impl IntoIterator<Item = Turn>) -> Self {
            Self {
                turns: Mutex::new(turns.into_iter().collect()),
                entry: Mutex::default(),
                late: Mutex::default(),
            }
        }

        fn turn(&self) -> Turn {
            self.turns
                .lock()
                .unwrap()
                .pop_front()
                .unwrap_or(Turn::Works)
        }
    }

    fn away() -> StoreError {
        StoreError::Unavailable("away".into())
    }

    impl Store for Scripted {
        fn get<'a>(&'a self, _: &'a Key) -> StoreFuture<'a, Option<Entry>> {
            let entry = match self.turn() {
                Turn::IsAway => Err(away()),
                _ => Ok(self.entry.lock().unwrap().clone()),
            };
            Box::pin(async { entry })
        }

        fn put<'a>(&'a self, _: &'a Key, write: Write, when: When) -> StoreFuture<'a, bool> {
            let turn = self.turn();
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
            let answer = match turn {
                Turn::IsAway => Err(away()),
                Turn::IsLate => {
                    *self.late.lock().unwrap() = Some(written);
                    Err(StoreError::Unknown("lost".into()))
                }
                turn => {
                    if is_allowed {
                        *entry = Some(written);
                    }
                    if let Some(late) = self.late.lock().unwrap().take() {
                        *entry = Some(late);
                    }
                    match turn {
                        Turn::Loses => Err(StoreError::Unknown("lost".into())),
                        Turn::IsOvertaken => {
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

        fn take<'a>(&'a self, _: &'a Key) -> StoreFuture<'a, Option<Entry>> {
            unreachable!("a swap takes nothing")
        }

        fn list<'a>(&'a self, _: &'a Key) -> StoreFuture<'a, Vec<(Key, Entry)>> {
            unreachable!("a swap lists nothing")
        }
    }

    /// Counts up by one, and returns what came of it and how often it was decided.
    async fn count(store: &Scripted) -> (Result<u8, StoreError>, usize) {
        count_with(store, Mode::default()).await
    }

    async fn count_with(store: &Scripted, mode: Mode) -> (Result<u8, StoreError>, usize) {
        let clock = Arc::new(ManualClock::default());
        let mut decisions = 0;
        let key = Key::new("example", &[]);
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
        let store = Scripted::new([Turn::Works, Turn::Loses]);
        let (counted, decisions) = count(&store).await;
        assert_eq!((counted.unwrap(), decisions), (1, 1));
    }

    /// Said to be unavailable, which means that nothing was done, a client would be told what may not be so.
    #[tokio::test]
    async fn a_lost_write_that_cannot_be_looked_for_is_unknown() {
        for turns in [
            vec![Turn::Works, Turn::Loses, Turn::IsAway],
            vec![Turn::Works, Turn::IsLate, Turn::Works, Turn::IsAway],
        ] {
            let (counted, _) = count(&Scripted::new(turns)).await;
            assert!(
                matches!(counted, Err(StoreError::Unknown(_))),
                "{counted:?}"
            );
        }
        let (counted, _) = count(&Scripted::new([Turn::Works, Turn::IsAway])).await;
        assert!(
            matches!(counted, Err(StoreError::Unavailable(_))),
            "{counted:?}"
        );
    }

    #[tokio::test]
    async fn a_lost_write_that_is_made_late_is_recognised_all_the_same() {
        let turns = [Turn::Works, Turn::IsLate, Turn::Works, Turn::Loses];
        let store = Scripted::new(turns);
        let (counted, decisions) = count(&store).await;
        assert_eq!((counted.unwrap(), decisions), (1, 2));
        assert_eq!(store.entry.lock().unwrap().as_ref().unwrap().value[0], 1);
    }

    /// The write may be under the other one, or may never have been made.
    #[cfg(feature = "session")]
    #[tokio::test]
    async fn what_must_not_be_made_twice_is_unknown_once_it_was_overtaken() {
        let turns = [Turn::Works, Turn::IsOvertaken];
        let once = Mode {
            repeats_count: true,
            ..Mode::default()
        };
        let store = Scripted::new(turns);
        let (counted, decisions) = count_with(&store, once).await;
        assert!(
            matches!(counted, Err(StoreError::Unknown(_))),
            "{counted:?}"
        );
        assert_eq!(decisions, 2);
        assert_eq!(store.entry.lock().unwrap().as_ref().unwrap().value[0], 1);

        let (counted, _) = count(&Scripted::new(turns)).await;
        assert_eq!(counted.unwrap(), 2, "a repeat that is harmless is made");
    }

    /// Called contended, which means that nothing was done, a client would be told what may not be so.
    #[tokio::test]
    async fn a_lost_write_is_still_in_doubt_at_the_deadline() {
        let store = Scripted::new(
            [Turn::Works, Turn::Loses]
                .into_iter()
                .chain(std::iter::repeat_n(Turn::Works, 20)),
        );
        *store.entry.lock().unwrap() = Some(Entry::new(
            vec![7].into(),
            Version::from_stored(1),
            Timestamp::NEVER,
        ));
        let refusing = Refusing(store);
        let clock = ManualClock::default();
        let key = Key::new("example", &[]);
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

    /// Somebody else always comes first, and the first answer is lost.
    #[derive(Debug)]
    struct Refusing(Scripted);

    impl Store for Refusing {
        fn get<'a>(&'a self, key: &'a Key) -> StoreFuture<'a, Option<Entry>> {
            self.0.get(key)
        }

        fn put<'a>(&'a self, _: &'a Key, _: Write, _: When) -> StoreFuture<'a, bool> {
            let answer = match self.0.turn() {
                Turn::Loses => Err(StoreError::Unknown("lost".into())),
                _ => Ok(false),
            };
            Box::pin(async { answer })
        }

        fn take<'a>(&'a self, key: &'a Key) -> StoreFuture<'a, Option<Entry>> {
            self.0.take(key)
        }

        fn list<'a>(&'a self, group: &'a Key) -> StoreFuture<'a, Vec<(Key, Entry)>> {
            self.0.list(group)
        }
    }
}
