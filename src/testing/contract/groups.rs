//! An entry belongs to at most one group, and a group lists its live entries (condition 4).

use std::{slice::from_ref, sync::Arc};

use super::probe::{Probe, race, sorted};
use crate::{
    store::{Store, StoreKey, When},
    testing::ManualClock,
};

/// Runs the checks of this module.
pub async fn run(store: &Arc<dyn Store>, clock: &ManualClock) {
    a_group_lists_its_entries(store, clock).await;
    a_group_that_nothing_is_in_is_empty(store, clock).await;
    an_entry_in_no_group_is_not_listed(store, clock).await;
    two_groups_do_not_mix(store, clock).await;
    a_replaced_entry_is_listed_once(store, clock).await;
    a_taken_entry_is_not_listed(store, clock).await;
    a_key_written_anew_is_listed_again(store, clock).await;
    a_key_written_anew_may_be_in_another_group(store, clock).await;
    a_group_may_be_named_like_an_entry(store, clock).await;
    a_group_lists_keys_of_several_namespaces(store, clock).await;
    a_group_lists_hundreds_of_entries(store, clock).await;
    remove_group_removes_its_entries_and_no_others(store, clock).await;
    remove_group_counts_what_it_removed(store, clock).await;
    a_removed_group_can_be_filled_again(store, clock).await;
}

/// `list` returns each entry of the group with its key, its value, its version and its expiry.
pub async fn a_group_lists_its_entries(store: &Arc<dyn Store>, clock: &ManualClock) {
    let probe = Probe::new(store, clock);
    let (keys, group) = (probe.keys("key", 3), probe.key("group"));
    fill(&probe, &keys, &group).await;
    let mut listed = probe.list(&group).await;
    listed.sort_by(|(a, _), (b, _)| a.cmp(b));
    let mut expected = Vec::new();
    for key in sorted(keys) {
        let entry = probe.read(&key).await;
        expected.push((key, entry));
    }
    assert_eq!(listed, expected);
}

/// A group that never had an entry lists none and removes none.
pub async fn a_group_that_nothing_is_in_is_empty(store: &Arc<dyn Store>, clock: &ManualClock) {
    let probe = Probe::new(store, clock);
    let group = probe.key("group");
    assert!(probe.listed(&group).await.is_empty());
    assert_eq!(probe.remove_group(&group).await, 0);
}

/// An entry written without a group is in none, not even in one named like its own key.
pub async fn an_entry_in_no_group_is_not_listed(store: &Arc<dyn Store>, clock: &ManualClock) {
    let probe = Probe::new(store, clock);
    let key = probe.key("key");
    probe.set(&key, probe.write("value")).await;
    assert!(probe.listed(&key).await.is_empty());
    assert_eq!(probe.remove_group(&key).await, 0);
    assert!(probe.get(&key).await.is_some());
}

/// Each of two groups lists only its own entries.
pub async fn two_groups_do_not_mix(store: &Arc<dyn Store>, clock: &ManualClock) {
    let probe = Probe::new(store, clock);
    let (mine, my_group) = (probe.keys("mine", 3), probe.key("my group"));
    let (theirs, their_group) = (probe.keys("theirs", 2), probe.key("their group"));
    fill(&probe, &mine, &my_group).await;
    fill(&probe, &theirs, &their_group).await;
    assert_eq!(probe.listed(&my_group).await, sorted(mine));
    assert_eq!(probe.listed(&their_group).await, sorted(theirs));
}

/// An entry that is replaced many times is listed once, with its current value.
pub async fn a_replaced_entry_is_listed_once(store: &Arc<dyn Store>, clock: &ManualClock) {
    let probe = Probe::new(store, clock);
    let (key, group) = (probe.key("key"), probe.key("group"));
    fill(&probe, from_ref(&key), &group).await;
    for value in ["second", "third"] {
        let when = When::Unchanged(probe.read(&key).await.version);
        assert!(
            probe
                .put(&key, probe.write(value).in_group(group.clone()), when)
                .await
        );
        let entry = probe.read(&key).await;
        assert_eq!(entry.value, value);
        assert_eq!(probe.list(&group).await, [(key.clone(), entry)]);
    }
}

/// A taken entry is not listed; the others still are.
pub async fn a_taken_entry_is_not_listed(store: &Arc<dyn Store>, clock: &ManualClock) {
    let probe = Probe::new(store, clock);
    let (mut keys, group) = (probe.keys("key", 3), probe.key("group"));
    fill(&probe, &keys, &group).await;
    while let Some(key) = keys.pop() {
        assert!(probe.take(&key).await.is_some());
        assert_eq!(probe.listed(&group).await, sorted(keys.clone()));
    }
}

/// A key that was taken and written to the same group again is listed again, every time.
pub async fn a_key_written_anew_is_listed_again(store: &Arc<dyn Store>, clock: &ManualClock) {
    let probe = Probe::new(store, clock);
    let (key, group) = (probe.key("key"), probe.key("group"));
    for _ in 0..3 {
        assert!(
            probe
                .put(
                    &key,
                    probe.write("value").in_group(group.clone()),
                    When::Absent
                )
                .await
        );
        assert_eq!(probe.listed(&group).await, from_ref(&key));
        assert!(probe.take(&key).await.is_some());
        assert!(probe.listed(&group).await.is_empty());
    }
}

/// The group is fixed for the lifetime of an entry, not of its key. After a take the key may be in
/// another group or in none, and its old group neither lists nor removes it.
pub async fn a_key_written_anew_may_be_in_another_group(
    store: &Arc<dyn Store>,
    clock: &ManualClock,
) {
    let probe = Probe::new(store, clock);
    let (keys, old, new) = (
        probe.keys("key", 2),
        probe.key("old group"),
        probe.key("new group"),
    );
    fill(&probe, &keys, &old).await;
    for key in &keys {
        assert!(probe.take(key).await.is_some());
    }
    let moved = probe.write("moved").in_group(new.clone());
    assert!(probe.put(&keys[0], moved, When::Absent).await);
    assert!(
        probe
            .put(&keys[1], probe.write("alone"), When::Absent)
            .await
    );
    assert!(probe.listed(&old).await.is_empty());
    assert_eq!(probe.listed(&new).await, [keys[0].clone()]);
    assert_eq!(probe.remove_group(&old).await, 0);
    for key in &keys {
        assert!(
            probe.get(key).await.is_some(),
            "removed with a group it had left"
        );
    }
}

/// A group and an entry may have the same key; neither is read or removed as the other.
pub async fn a_group_may_be_named_like_an_entry(store: &Arc<dyn Store>, clock: &ManualClock) {
    let probe = Probe::new(store, clock);
    let (name, member) = (probe.key("name"), probe.key("member"));
    fill(&probe, from_ref(&member), &name).await;
    assert!(probe.get(&name).await.is_none());
    assert!(probe.take(&name).await.is_none());
    assert!(probe.put(&name, probe.write("entry"), When::Absent).await);
    assert_eq!(probe.read(&name).await.value, "entry");
    assert_eq!(probe.listed(&name).await, from_ref(&member));
    assert_eq!(probe.remove_group(&name).await, 1);
    assert!(probe.get(&member).await.is_none());
    assert_eq!(probe.read(&name).await.value, "entry");
}

/// Members of one group may have different namespaces, even with the same digest.
pub async fn a_group_lists_keys_of_several_namespaces(store: &Arc<dyn Store>, clock: &ManualClock) {
    let probe = Probe::new(store, clock);
    let (key, group) = (probe.key("key"), probe.key("group"));
    let namesake = StoreKey::from_stored("contract-two", *key.digest());
    let keys = [key, namesake];
    fill(&probe, &keys, &group).await;
    assert_eq!(probe.listed(&group).await, sorted(keys.to_vec()));
    assert_eq!(probe.remove_group(&group).await, 2);
}

/// A group of 300 is listed and removed completely: no page, batch or argument list is too short.
pub async fn a_group_lists_hundreds_of_entries(store: &Arc<dyn Store>, clock: &ManualClock) {
    let probe = Probe::new(store, clock);
    let (keys, group) = (probe.keys("key", 300), probe.key("group"));
    race(10, |task| {
        let (probe, group) = (probe.clone(), group.clone());
        let mine: Vec<_> = keys.iter().skip(task).step_by(10).cloned().collect();
        async move { fill(&probe, &mine, &group).await }
    })
    .await;
    assert_eq!(probe.listed(&group).await, sorted(keys.clone()));
    assert_eq!(probe.remove_group(&group).await, 300);
    assert!(probe.listed(&group).await.is_empty());
    for key in &keys {
        assert!(probe.get(key).await.is_none());
    }
}

/// `remove_group` removes the entries of its group, and none of other groups or without a group.
pub async fn remove_group_removes_its_entries_and_no_others(
    store: &Arc<dyn Store>,
    clock: &ManualClock,
) {
    let probe = Probe::new(store, clock);
    let (doomed, group) = (probe.keys("doomed", 3), probe.key("group"));
    let (kept, other) = (probe.keys("kept", 3), probe.key("other group"));
    let alone = probe.key("alone");
    fill(&probe, &doomed, &group).await;
    fill(&probe, &kept, &other).await;
    probe.set(&alone, probe.write("alone")).await;
    probe.remove_group(&group).await;
    for key in &doomed {
        assert!(probe.get(key).await.is_none());
    }
    assert!(probe.listed(&group).await.is_empty());
    assert_eq!(probe.listed(&other).await, sorted(kept));
    assert!(probe.get(&alone).await.is_some());
}

/// `remove_group` counts the entries that it removed, not those that were already gone.
pub async fn remove_group_counts_what_it_removed(store: &Arc<dyn Store>, clock: &ManualClock) {
    let probe = Probe::new(store, clock);
    let (keys, group) = (probe.keys("key", 5), probe.key("group"));
    fill(&probe, &keys, &group).await;
    assert!(probe.take(&keys[0]).await.is_some());
    assert_eq!(probe.remove_group(&group).await, 4);
    assert_eq!(probe.remove_group(&group).await, 0);
}

/// "Log out everywhere" does not prevent a new login.
pub async fn a_removed_group_can_be_filled_again(store: &Arc<dyn Store>, clock: &ManualClock) {
    let probe = Probe::new(store, clock);
    let (keys, group) = (probe.keys("key", 3), probe.key("group"));
    for _ in 0..2 {
        for key in &keys {
            let write = probe.write("value").in_group(group.clone());
            assert!(probe.put(key, write, When::Absent).await);
        }
        assert_eq!(probe.listed(&group).await, sorted(keys.clone()));
        assert_eq!(probe.remove_group(&group).await, 3);
    }
}

async fn fill(probe: &Probe, keys: &[StoreKey], group: &StoreKey) {
    for (number, key) in keys.iter().enumerate() {
        let write = probe
            .write(format!("value {number}"))
            .in_group(group.clone());
        probe.set(key, write).await;
    }
}
