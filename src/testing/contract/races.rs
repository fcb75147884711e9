//! Entries and numbers under concurrency. In each check tasks start together, many times over.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;

use super::probe::{HOUR, Probe, race};
use crate::{
    clock::{Clock, Timestamp},
    store::{Entry, Store, StoreKey, Version, When, Write, number},
    testing::ManualClock,
};

/// Runs the checks of this module.
pub async fn run(store: &Arc<dyn Store>, clock: &ManualClock) {
    one_of_many_writers_finds_the_key_absent(store, clock).await;
    one_of_many_writers_replaces_what_expired(store, clock).await;
    one_of_many_writers_finds_the_version_unchanged(store, clock).await;
    increments_by_compare_and_swap_are_not_lost(store, clock).await;
    one_of_many_takers_gets_the_entry(store, clock).await;
    a_take_and_a_conditional_write_have_an_order(store, clock).await;
    a_take_and_a_first_write_have_an_order(store, clock).await;
    a_read_is_never_torn(store, clock).await;
    additions_of_many_are_all_counted(store, clock).await;
}

/// Of 2 and of 16 writers under [`When::Absent`] one wins, and the entry is the one that it wrote
/// (condition 1).
pub async fn one_of_many_writers_finds_the_key_absent(store: &Arc<dyn Store>, clock: &ManualClock) {
    let probe = Probe::new(store, clock);
    for (round, tasks) in rounds() {
        let key = probe.key(&format!("{round}"));
        one_writer_wins(&probe, &key, tasks, When::Absent).await;
    }
}

/// The same over an expired entry that may still be stored (conditions 1 and 3).
pub async fn one_of_many_writers_replaces_what_expired(
    store: &Arc<dyn Store>,
    clock: &ManualClock,
) {
    let mut probe = Probe::new(store, clock);
    let keys = probe.keys("key", ROUNDS);
    for key in &keys {
        probe.set(key, probe.write("expired")).await;
    }
    clock.advance(HOUR);
    probe.in_an_hour = clock.now().after(HOUR);
    for ((_, tasks), key) in rounds().zip(&keys) {
        one_writer_wins(&probe, key, tasks, When::Absent).await;
    }
}

/// Of 2 and of 16 writers that read the same version one wins (condition 1).
pub async fn one_of_many_writers_finds_the_version_unchanged(
    store: &Arc<dyn Store>,
    clock: &ManualClock,
) {
    let probe = Probe::new(store, clock);
    let key = probe.key("key");
    for (_, tasks) in rounds() {
        let version = probe.set(&key, probe.write("before")).await;
        one_writer_wins(&probe, &key, tasks, When::Unchanged(version)).await;
    }
}

/// Tasks that read, add one and write under [`When::Unchanged`] until they succeed lose no
/// increment (condition 1).
pub async fn increments_by_compare_and_swap_are_not_lost(
    store: &Arc<dyn Store>,
    clock: &ManualClock,
) {
    let probe = Probe::new(store, clock);
    for (tasks, each) in [(2, 40), (16, 5)] {
        let key = probe.key(&tasks.to_string());
        probe.set(&key, probe.write("0")).await;
        race(tasks, |_| {
            let (probe, key) = (probe.clone(), key.clone());
            async move {
                for _ in 0..each {
                    increment(&probe, &key).await;
                }
            }
        })
        .await;
        assert_eq!(
            probe.read(&key).await.value,
            (tasks * each).to_string(),
            "{tasks} tasks"
        );
    }
}

/// Of 2 and of 16 callers of `take` one gets the entry (condition 2).
pub async fn one_of_many_takers_gets_the_entry(store: &Arc<dyn Store>, clock: &ManualClock) {
    let probe = Probe::new(store, clock);
    let key = probe.key("key");
    for (round, tasks) in rounds() {
        probe.set(&key, probe.write(format!("{round}"))).await;
        let taken = race(tasks, |_| {
            let (probe, key) = (probe.clone(), key.clone());
            async move { probe.take(&key).await }
        })
        .await;
        let taken: Vec<_> = taken.into_iter().flatten().collect();
        assert_eq!(taken.len(), 1, "{tasks} tasks");
        assert_eq!(taken[0].value, format!("{round}"));
        assert!(probe.get(&key).await.is_none());
    }
}

/// A `take` concurrent with a write under [`When::Unchanged`]: either the write came first and was
/// taken, or the take came first and the write was refused. In both cases the key is absent
/// afterwards: a save that races with a logout restores no session (conditions 1 and 2).
pub async fn a_take_and_a_conditional_write_have_an_order(
    store: &Arc<dyn Store>,
    clock: &ManualClock,
) {
    let probe = Probe::new(store, clock);
    let key = probe.key("key");
    for _ in 0..ROUNDS {
        let version = probe.set(&key, probe.write("old")).await;
        let (written, taken) = write_beside_take(&probe, &key, When::Unchanged(version)).await;
        let taken = taken.expect("the entry was there all the time").value;
        assert_eq!(taken, if written { "new" } else { "old" });
        assert!(probe.get(&key).await.is_none());
    }
}

/// A `take` concurrent with a write under [`When::Absent`]: the write succeeds if the take came
/// first, and then its entry remains (conditions 1 and 2).
pub async fn a_take_and_a_first_write_have_an_order(store: &Arc<dyn Store>, clock: &ManualClock) {
    let probe = Probe::new(store, clock);
    let key = probe.key("key");
    for _ in 0..ROUNDS {
        probe.set(&key, probe.write("old")).await;
        let (written, taken) = write_beside_take(&probe, &key, When::Absent).await;
        assert_eq!(taken.expect("the entry was there").value, "old");
        let left = probe.get(&key).await.map(|entry| entry.value);
        assert_eq!(left, written.then(|| Bytes::from_static(b"new")));
    }
}

/// `get` and `list` return a value together with the version and the expiry of the same write.
pub async fn a_read_is_never_torn(store: &Arc<dyn Store>, clock: &ManualClock) {
    let probe = Probe::new(store, clock);
    let (key, group) = (probe.key("key"), probe.key("group"));
    probe
        .set(&key, self_describing(&probe, 0).in_group(group.clone()))
        .await;
    race(4, |task| {
        let (probe, key, group) = (probe.clone(), key.clone(), group.clone());
        async move {
            for number in 0..ITERATIONS {
                if task < 2 {
                    probe
                        .set(
                            &key,
                            self_describing(&probe, number).in_group(group.clone()),
                        )
                        .await;
                    continue;
                }
                assert_whole(&probe.read(&key).await);
                for (_, entry) in probe.list(&group).await {
                    assert_whole(&entry);
                }
            }
        }
    })
    .await;
}

/// Sixteen tasks add fifty times each; each sum from 1 to 800 is returned exactly once (condition
/// 5).
pub async fn additions_of_many_are_all_counted(store: &Arc<dyn Store>, clock: &ManualClock) {
    let probe = Probe::new(store, clock);
    let key = probe.key("key");
    let sums = race(16, |_| {
        let (probe, key) = (probe.clone(), key.clone());
        async move {
            let mut sums = Vec::new();
            for _ in 0..50 {
                sums.push(probe.add(&key, 1).await);
            }
            sums
        }
    })
    .await;
    let mut sums = sums.concat();
    sums.sort_unstable();
    assert_eq!(sums, (1..=800).collect::<Vec<i64>>());
}

async fn one_writer_wins(probe: &Probe, key: &StoreKey, tasks: usize, when: When) {
    let won = race(tasks, |task| {
        let (probe, key) = (probe.clone(), key.clone());
        async move { probe.put(&key, probe.write(task.to_string()), when).await }
    })
    .await;
    let winners: Vec<_> = (0..tasks).filter(|task| won[*task]).collect();
    assert_eq!(
        winners.len(),
        1,
        "of {tasks} writers under {when:?}, these succeeded: {winners:?}"
    );
    assert_eq!(probe.read(key).await.value, winners[0].to_string());
}

async fn write_beside_take(probe: &Probe, key: &StoreKey, when: When) -> (bool, Option<Entry>) {
    let answers = race(2, |task| {
        let (probe, key) = (probe.clone(), key.clone());
        async move {
            if task == 0 {
                (probe.put(&key, probe.write("new"), when).await, None)
            } else {
                (false, probe.take(&key).await)
            }
        }
    })
    .await;
    (answers[0].0, answers[1].1.clone())
}

async fn increment(probe: &Probe, key: &StoreKey) {
    loop {
        let entry = probe.read(key).await;
        let sum = number(&entry.value).expect("only numbers are written") + 1;
        let write = probe.write(sum.to_string());
        if probe.put(key, write, When::Unchanged(entry.version)).await {
            return;
        }
    }
}

/// A write with its version and its expiry as the value.
fn self_describing(probe: &Probe, number: usize) -> Write {
    let mut write = probe.write("");
    write.expires_at = probe.in_an_hour.after(Duration::from_secs(number as u64));
    write.value = description(write.version, write.expires_at);
    write
}

fn assert_whole(entry: &Entry) {
    assert_eq!(entry.value, description(entry.version, entry.expires_at));
}

fn description(version: Version, expires_at: Timestamp) -> Bytes {
    format!("{} {}", version.as_u64(), expires_at.as_millis()).into()
}

/// Alternates between many rounds of 2 and of 16 tasks.
fn rounds() -> impl Iterator<Item = (usize, usize)> {
    (0..ROUNDS).map(|round| (round, if round % 2 == 0 { 2 } else { 16 }))
}

pub(super) const ROUNDS: usize = 40;

pub(super) const ITERATIONS: usize = 250;
