//! Groups under concurrency. In each check tasks start together, many times over.

use std::sync::Arc;

use super::{
    probe::{Probe, race, sorted},
    races::{ITERATIONS, ROUNDS},
};
use crate::{
    store::{Store, When},
    testing::ManualClock,
};

/// Runs the checks of this module.
pub async fn run(store: &Arc<dyn Store>, clock: &ManualClock) {
    a_member_that_stays_is_in_every_list(store, clock).await;
    an_acknowledged_member_is_in_the_next_list(store, clock).await;
    a_list_shows_no_entry_of_another_group(store, clock).await;
    a_write_beside_remove_group_is_removed_or_listed(store, clock).await;
    a_take_beside_remove_group_is_counted_once(store, clock).await;
}

/// `list` returns each member that stays live exactly once, while it is replaced and other members
/// come and go (condition 4).
pub async fn a_member_that_stays_is_in_every_list(store: &Arc<dyn Store>, clock: &ManualClock) {
    let probe = Probe::new(store, clock);
    let (staying, group) = (probe.keys("staying", 8), probe.key("group"));
    let passing = probe.keys("passing", 4);
    for key in &staying {
        probe
            .set(key, probe.write("0").in_group(group.clone()))
            .await;
    }
    race(8, |task| {
        let (probe, group) = (probe.clone(), group.clone());
        let (staying, passing) = (sorted(staying.clone()), passing[task % 4].clone());
        async move {
            for iteration in 0..ITERATIONS {
                let write = probe.write(iteration.to_string()).in_group(group.clone());
                if task < 4 {
                    probe.set(&passing, write).await;
                    probe.take(&passing).await;
                } else if task == 4 {
                    probe.set(&staying[iteration % staying.len()], write).await;
                } else {
                    let mut listed = probe.listed(&group).await;
                    listed.retain(|key| staying.contains(key));
                    assert_eq!(listed, staying);
                }
            }
        }
    })
    .await;
}

/// Each writer finds its new member in the list as soon as the write is acknowledged, while others
/// empty and fill the group (condition 4).
pub async fn an_acknowledged_member_is_in_the_next_list(
    store: &Arc<dyn Store>,
    clock: &ManualClock,
) {
    let probe = Probe::new(store, clock);
    let (keys, group) = (probe.keys("key", 4), probe.key("group"));
    race(4, |task| {
        let (probe, key, group) = (probe.clone(), keys[task].clone(), group.clone());
        async move {
            for _ in 0..ITERATIONS {
                let write = probe.write("value").in_group(group.clone());
                assert!(probe.put(&key, write, When::Absent).await);
                assert!(
                    probe.listed(&group).await.contains(&key),
                    "acknowledged, not listed"
                );
                assert!(probe.take(&key).await.is_some());
                assert!(
                    !probe.listed(&group).await.contains(&key),
                    "taken, still listed"
                );
            }
        }
    })
    .await;
    assert!(probe.listed(&group).await.is_empty());
}

/// While a key is repeatedly taken and written to two groups in alternation, neither lists it with
/// its value in the other (condition 4).
pub async fn a_list_shows_no_entry_of_another_group(store: &Arc<dyn Store>, clock: &ManualClock) {
    let probe = Probe::new(store, clock);
    let (key, groups) = (probe.key("key"), ["left", "right"]);
    race(4, |task| {
        let (probe, key) = (probe.clone(), key.clone());
        async move {
            for iteration in 0..ITERATIONS {
                let name = groups[iteration % 2];
                let group = probe.key(name);
                if task == 0 {
                    probe.set(&key, probe.write(name).in_group(group)).await;
                    assert!(probe.take(&key).await.is_some());
                    continue;
                }
                for (_, entry) in probe.list(&group).await {
                    assert_eq!(entry.value, name);
                }
            }
        }
    })
    .await;
}

/// A member that is written concurrently with `remove_group` is either removed or listed
/// afterwards. If it were live but not listed, no "log out everywhere" would ever find it
/// (condition 4).
pub async fn a_write_beside_remove_group_is_removed_or_listed(
    store: &Arc<dyn Store>,
    clock: &ManualClock,
) {
    let probe = Probe::new(store, clock);
    let (keys, group) = (probe.keys("key", 3), probe.key("group"));
    for _ in 0..ROUNDS {
        for key in &keys {
            let present = probe.write("present").in_group(group.clone());
            probe.set(key, present).await;
        }
        race(4, |task| {
            let (probe, keys, group) = (probe.clone(), keys.clone(), group.clone());
            async move {
                for _ in 0..3 {
                    let Some(key) = keys.get(task) else {
                        probe.remove_group(&group).await;
                        continue;
                    };
                    let write = probe.write("new").in_group(group.clone());
                    probe.set(key, write).await;
                }
            }
        })
        .await;
        let mut alive = Vec::new();
        for key in &keys {
            alive.extend(probe.get(key).await.map(|_| key.clone()));
        }
        assert_eq!(probe.listed(&group).await, sorted(alive.clone()));
        assert_eq!(probe.remove_group(&group).await, alive.len() as u64);
        for key in &alive {
            assert!(probe.get(key).await.is_none());
        }
    }
}

/// An entry is either removed by `remove_group` or returned by `take`, never both and never neither
/// (condition 2).
pub async fn a_take_beside_remove_group_is_counted_once(
    store: &Arc<dyn Store>,
    clock: &ManualClock,
) {
    let probe = Probe::new(store, clock);
    let (keys, group) = (probe.keys("key", 6), probe.key("group"));
    for _ in 0..ROUNDS {
        for key in &keys {
            probe
                .set(key, probe.write("value").in_group(group.clone()))
                .await;
        }
        let gone = race(keys.len() + 2, |task| {
            let (probe, keys, group) = (probe.clone(), keys.clone(), group.clone());
            async move {
                match keys.get(task) {
                    Some(key) => u64::from(probe.take(key).await.is_some()),
                    None => probe.remove_group(&group).await,
                }
            }
        })
        .await;
        assert_eq!(gone.iter().sum::<u64>(), keys.len() as u64, "{gone:?}");
        assert!(probe.listed(&group).await.is_empty());
    }
}
