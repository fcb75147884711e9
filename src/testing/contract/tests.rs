//! The contract passes on correct stores, and each of its parts fails on a faulty one.

use std::{future::Future, sync::Arc, time::Duration};

use super::{counters, entries, expiry, group_races, groups, keys, races};
use crate::{
    clock::{Clock, Timestamp},
    store::{Entry, MemoryStore, Store, StoreFuture, StoreKey, Version, When, Write, permits},
    testing::ManualClock,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_memory_store_keeps_the_contract() {
    let clock = Arc::new(ManualClock::default());
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new().with_clock(clock.clone()));
    super::run(store.clone(), &clock).await;
    // Nothing here waits for a server, so the races can run often enough for an unlikely one to
    // occur.
    for _ in 0..10 {
        races::run(&store, &clock).await;
        group_races::run(&store, &clock).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn four_verbs_and_the_provided_two_keep_the_contract() {
    let (store, clock) = faulty(Fault::None);
    super::run(store, &clock).await;
}

/// A check that never runs proves nothing.
#[test]
fn run_runs_every_check() {
    let modules = [
        include_str!("counters.rs"),
        include_str!("entries.rs"),
        include_str!("expiry.rs"),
        include_str!("group_races.rs"),
        include_str!("groups.rs"),
        include_str!("keys.rs"),
        include_str!("races.rs"),
    ];
    for module in modules {
        let names = module
            .split("pub async fn ")
            .skip(1)
            .map(|text| text.split_once('(').unwrap().0);
        let names: Vec<_> = names.filter(|name| *name != "run").collect();
        assert!(names.len() > 3, "{names:?}");
        for name in names {
            assert!(
                module.contains(&format!("    {name}(store, clock).await;\n")),
                "{name} is not run"
            );
        }
    }
}

/// Runs each check on a store with the fault, and expects it to panic.
macro_rules! caught {
    ($($test:ident: $fault:expr => $($module:ident::$check:ident),+;)+) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
        async fn $test() {
            $({
                let (store, clock) = faulty($fault);
                let check = async move { $module::$check(&store, &clock).await };
                assert!(panics(check).await, "{} did not notice", stringify!($check));
                let (store, clock) = faulty(Fault::None);
                $module::$check(&store, &clock).await;
            })+
        }
    )+};
}

caught! {
    a_put_that_checks_before_it_writes_is_caught: Fault::PutChecksFirst =>
        races::one_of_many_writers_finds_the_key_absent,
        races::one_of_many_writers_replaces_what_expired,
        races::one_of_many_writers_finds_the_version_unchanged,
        races::increments_by_compare_and_swap_are_not_lost,
        races::a_take_and_a_conditional_write_have_an_order,
        races::additions_of_many_are_all_counted;
    a_put_that_ignores_its_condition_is_caught: Fault::PutIgnoresCondition =>
        entries::absent_writes_only_where_nothing_is,
        entries::unchanged_writes_over_its_version_only,
        entries::unchanged_never_writes_an_absent_key,
        entries::a_version_does_not_come_back_with_its_value,
        entries::a_refused_write_changes_nothing,
        expiry::an_expired_entry_is_not_revived;
    a_refusal_that_prolongs_is_caught: Fault::RefusalProlongs =>
        entries::a_refused_write_changes_nothing,
        expiry::a_refused_write_does_not_move_the_expiry;
    a_take_that_leaves_the_entry_is_caught: Fault::TakeLeaves =>
        entries::take_hands_over_once,
        entries::a_taken_key_can_be_written_again,
        groups::a_taken_entry_is_not_listed,
        races::one_of_many_takers_gets_the_entry;
    a_take_that_reads_first_is_caught: Fault::TakeReadsFirst =>
        races::one_of_many_takers_gets_the_entry,
        races::a_take_and_a_conditional_write_have_an_order,
        group_races::a_take_beside_remove_group_is_counted_once;
    an_inclusive_expiry_is_caught: Fault::ExpiryInclusive =>
        expiry::an_entry_lives_until_its_expiry_and_not_at_it;
    an_early_expiry_is_caught: Fault::ExpiryInSeconds =>
        expiry::an_entry_lives_until_its_expiry_and_not_at_it;
    an_expiry_that_get_alone_knows_is_caught: Fault::TakeForgetsExpiry =>
        expiry::an_expired_entry_cannot_be_taken;
    a_list_that_forgets_is_caught: Fault::ListStopsEarly =>
        groups::a_group_lists_its_entries,
        groups::a_group_lists_hundreds_of_entries,
        group_races::an_acknowledged_member_is_in_the_next_list,
        group_races::a_member_that_stays_is_in_every_list;
    a_take_that_unlists_late_is_caught: Fault::TakeUnlistsLate =>
        group_races::a_write_beside_remove_group_is_removed_or_listed;
    versions_kept_as_doubles_are_caught: Fault::VersionsAreDoubles => keys::every_version_is_kept;
    digests_cut_at_a_nul_are_caught: Fault::DigestsEndAtNul => keys::every_digest_is_a_key;
    namespaces_left_out_are_caught: Fault::NamespacesLeftOut => keys::the_namespace_is_part_of_the_key;
    values_trimmed_are_caught: Fault::ValuesTrimmed => keys::a_value_is_bytes_whatever_it_looks_like;
    additions_that_prolong_are_caught: Fault::AddProlongs => counters::the_first_expiry_stays;
    additions_that_keep_a_zero_are_caught: Fault::AddKeepsZero =>
        counters::a_sum_of_zero_is_no_entry,
        counters::additions_that_cancel_out_leave_nothing;
    additions_that_keep_the_version_are_caught: Fault::AddKeepsVersion =>
        counters::an_addition_is_a_write_like_others;
}

fn faulty(fault: Fault) -> (Arc<dyn Store>, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::default());
    let inner = MemoryStore::new().with_clock(match fault {
        Fault::ExpiryInclusive => Arc::new(Skewed(clock.clone())),
        _ => clock.clone(),
    });
    let store = Faulty {
        inner,
        clock: clock.clone(),
        fault,
    };
    match fault {
        Fault::AddProlongs | Fault::AddKeepsVersion | Fault::AddKeepsZero => {
            (Arc::new(FaultyAdd(store)), clock)
        }
        _ => (Arc::new(store), clock),
    }
}

async fn panics(check: impl Future<Output = ()> + Send + 'static) -> bool {
    tokio::spawn(check)
        .await
        .is_err_and(|error| error.is_panic())
}

/// A store with only the four required methods over [`MemoryStore`], with one fault or none.
#[derive(Debug)]
struct Faulty {
    inner: MemoryStore,
    clock: Arc<ManualClock>,
    fault: Fault,
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Fault {
    None,
    PutChecksFirst,
    PutIgnoresCondition,
    RefusalProlongs,
    TakeLeaves,
    TakeReadsFirst,
    TakeForgetsExpiry,
    ExpiryInclusive,
    ExpiryInSeconds,
    ListStopsEarly,
    TakeUnlistsLate,
    VersionsAreDoubles,
    DigestsEndAtNul,
    NamespacesLeftOut,
    ValuesTrimmed,
    AddProlongs,
    AddKeepsVersion,
    AddKeepsZero,
}

impl Faulty {
    fn stored(&self, key: &StoreKey) -> StoreKey {
        match self.fault {
            Fault::NamespacesLeftOut => StoreKey::from_stored("any", *key.digest()),
            Fault::DigestsEndAtNul => {
                let mut digest = *key.digest();
                let end = digest.iter().position(|byte| *byte == 0).unwrap_or(32);
                digest[end..].fill(0);
                StoreKey::from_stored(key.namespace(), digest)
            }
            _ => key.clone(),
        }
    }

    fn written(&self, mut write: Write) -> Write {
        match self.fault {
            Fault::VersionsAreDoubles => write.version = double(write.version),
            Fault::ValuesTrimmed => write.value = write.value.trim_ascii().to_vec().into(),
            Fault::ExpiryInSeconds => {
                write.expires_at = Timestamp::from_secs(write.expires_at.as_secs() - 1);
            }
            _ => {}
        }
        write.group = write.group.map(|group| self.stored(&group));
        write
    }

    async fn put_checking_first(&self, key: &StoreKey, write: Write, when: When) -> bool {
        let current = self.inner.get(key).await.unwrap();
        // A server's round trip.
        tokio::task::yield_now().await;
        permits(when, current.as_ref(), self.clock.now())
            && self.inner.put(key, write, When::Always).await.unwrap()
    }

    /// Removes the key from the group in a second step, which affects an entry that was written in
    /// between.
    async fn take_and_unlist_later(&self, key: &StoreKey) -> Option<Entry> {
        let entry = self.inner.take(key).await.unwrap();
        tokio::task::yield_now().await;
        if let Some(newcomer) = self.inner.get(key).await.unwrap() {
            let mut unlisted = Write::new(newcomer.value, newcomer.expires_at);
            unlisted.version = newcomer.version;
            self.inner.put(key, unlisted, When::Always).await.unwrap();
        }
        entry
    }
}

impl Store for Faulty {
    fn get<'a>(&'a self, key: &'a StoreKey) -> StoreFuture<'a, Option<Entry>> {
        Box::pin(async move { self.inner.get(&self.stored(key)).await })
    }

    fn put<'a>(&'a self, key: &'a StoreKey, write: Write, when: When) -> StoreFuture<'a, bool> {
        Box::pin(async move {
            let (key, write) = (&self.stored(key), self.written(write));
            match (self.fault, when) {
                (Fault::PutChecksFirst, _) => Ok(self.put_checking_first(key, write, when).await),
                (Fault::PutIgnoresCondition, _) => self.inner.put(key, write, When::Always).await,
                (Fault::VersionsAreDoubles, When::Unchanged(version)) => {
                    self.inner
                        .put(key, write, When::Unchanged(double(version)))
                        .await
                }
                (Fault::RefusalProlongs, _) => {
                    let expires_at = write.expires_at;
                    let done = self.inner.put(key, write, when).await?;
                    if let Some(entry) = self.inner.get(key).await?.filter(|_| !done) {
                        let mut again = Write::new(entry.value, expires_at);
                        again.version = entry.version;
                        self.inner.put(key, again, When::Always).await?;
                    }
                    Ok(done)
                }
                _ => self.inner.put(key, write, when).await,
            }
        })
    }

    fn take<'a>(&'a self, key: &'a StoreKey) -> StoreFuture<'a, Option<Entry>> {
        Box::pin(async move {
            let key = &self.stored(key);
            match self.fault {
                Fault::TakeLeaves => self.inner.get(key).await,
                Fault::TakeReadsFirst => {
                    let entry = self.inner.get(key).await?;
                    tokio::task::yield_now().await;
                    self.inner.take(key).await?;
                    Ok(entry)
                }
                Fault::TakeUnlistsLate => Ok(self.take_and_unlist_later(key).await),
                Fault::TakeForgetsExpiry => {
                    let now = self.clock.now();
                    self.clock.set(Timestamp::from_millis(0));
                    let entry = self.inner.take(key).await;
                    self.clock.set(now);
                    entry
                }
                _ => self.inner.take(key).await,
            }
        })
    }

    fn list<'a>(&'a self, group: &'a StoreKey) -> StoreFuture<'a, Vec<(StoreKey, Entry)>> {
        Box::pin(async move {
            let mut listed = self.inner.list(&self.stored(group)).await?;
            if self.fault == Fault::ListStopsEarly && listed.len() > 1 {
                listed.pop();
            }
            Ok(listed)
        })
    }
}

/// A store whose additions write once too often.
#[derive(Debug)]
struct FaultyAdd(Faulty);

impl Store for FaultyAdd {
    fn get<'a>(&'a self, key: &'a StoreKey) -> StoreFuture<'a, Option<Entry>> {
        self.0.get(key)
    }

    fn put<'a>(&'a self, key: &'a StoreKey, write: Write, when: When) -> StoreFuture<'a, bool> {
        self.0.put(key, write, when)
    }

    fn take<'a>(&'a self, key: &'a StoreKey) -> StoreFuture<'a, Option<Entry>> {
        self.0.take(key)
    }

    fn list<'a>(&'a self, group: &'a StoreKey) -> StoreFuture<'a, Vec<(StoreKey, Entry)>> {
        self.0.list(group)
    }

    fn add<'a>(
        &'a self,
        key: &'a StoreKey,
        delta: i64,
        expires_at: Timestamp,
    ) -> StoreFuture<'a, i64> {
        Box::pin(async move {
            let before = self.get(key).await?;
            let sum = self.0.add(key, delta, expires_at).await?;
            let mut again = Write::new(sum.to_string(), expires_at);
            match (self.0.fault, before) {
                (Fault::AddKeepsVersion, Some(before)) => again.version = before.version,
                (Fault::AddProlongs, _) => {}
                (Fault::AddKeepsZero, _) if sum == 0 => {}
                _ => return Ok(sum),
            }
            self.put(key, again, When::Always).await?;
            Ok(sum)
        })
    }
}

/// A clock that is a millisecond late: what expires at noon is still live at noon.
#[derive(Debug)]
struct Skewed(Arc<ManualClock>);

impl Clock for Skewed {
    fn now(&self) -> Timestamp {
        self.0.now().before(Duration::from_millis(1))
    }

    fn monotonic(&self) -> Duration {
        self.0.monotonic()
    }
}

#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the loss is the fault"
)]
fn double(version: Version) -> Version {
    Version::from_stored(version.as_u64() as f64 as u64)
}
