//! An entry that has expired by the store's clock is absent (condition 3).

use std::{slice::from_ref, sync::Arc, time::Duration};

use super::probe::{HOUR, Probe};
use crate::{
    clock::{Clock, Timestamp},
    store::{Store, When},
    testing::ManualClock,
};

/// Runs the checks of this module.
pub async fn run(store: &Arc<dyn Store>, clock: &ManualClock) {
    an_entry_lives_until_its_expiry_and_not_at_it(store, clock).await;
    an_expired_entry_cannot_be_taken(store, clock).await;
    an_expired_entry_is_absent_for_a_write(store, clock).await;
    an_expired_entry_is_not_revived(store, clock).await;
    an_expired_entry_is_not_listed(store, clock).await;
    an_expired_key_leaves_its_group(store, clock).await;
    what_never_expires_is_there_after_a_century(store, clock).await;
    a_replacing_write_moves_the_expiry(store, clock).await;
    a_refused_write_does_not_move_the_expiry(store, clock).await;
    a_write_that_is_over_already_leaves_nothing(store, clock).await;
}

/// An entry is live one millisecond before its expiry, and absent at its expiry.
pub async fn an_entry_lives_until_its_expiry_and_not_at_it(
    store: &Arc<dyn Store>,
    clock: &ManualClock,
) {
    let probe = Probe::new(store, clock);
    let (key, group) = (probe.key("key"), probe.key("group"));
    probe
        .set(&key, probe.write("value").in_group(group.clone()))
        .await;
    clock.advance(HOUR - MILLISECOND);
    assert!(probe.get(&key).await.is_some(), "a millisecond early");
    assert_eq!(
        probe.listed(&group).await,
        from_ref(&key),
        "a millisecond early"
    );
    assert!(
        !probe.put(&key, probe.write("new"), When::Absent).await,
        "a millisecond early"
    );
    clock.advance(MILLISECOND);
    assert!(probe.get(&key).await.is_none(), "at its expiry");
}

/// `take` does not return an expired entry.
pub async fn an_expired_entry_cannot_be_taken(store: &Arc<dyn Store>, clock: &ManualClock) {
    let probe = Probe::new(store, clock);
    let key = probe.key("key");
    probe.set(&key, probe.write("value")).await;
    clock.advance(HOUR);
    assert!(probe.take(&key).await.is_none());
}

/// [`When::Absent`] replaces an expired entry completely.
pub async fn an_expired_entry_is_absent_for_a_write(store: &Arc<dyn Store>, clock: &ManualClock) {
    let probe = Probe::new(store, clock);
    let key = probe.key("key");
    probe.set(&key, probe.write("old")).await;
    clock.advance(HOUR);
    let mut write = probe.write("new");
    write.expires_at = clock.now().after(HOUR);
    assert!(probe.put(&key, write.clone(), When::Absent).await);
    let entry = probe.read(&key).await;
    assert_eq!(entry.value, "new");
    assert_eq!(entry.version, write.version);
    assert_eq!(entry.expires_at, write.expires_at);
}

/// [`When::Unchanged`] with the version of an expired entry is refused.
pub async fn an_expired_entry_is_not_revived(store: &Arc<dyn Store>, clock: &ManualClock) {
    let probe = Probe::new(store, clock);
    let key = probe.key("key");
    let version = probe.set(&key, probe.write("old")).await;
    clock.advance(HOUR);
    let mut write = probe.write("new");
    write.expires_at = clock.now().after(HOUR);
    assert!(!probe.put(&key, write, When::Unchanged(version)).await);
    assert!(probe.get(&key).await.is_none());
}

/// `list` and `remove_group` see only the live entries of a group.
pub async fn an_expired_entry_is_not_listed(store: &Arc<dyn Store>, clock: &ManualClock) {
    let probe = Probe::new(store, clock);
    let group = probe.key("group");
    let (short, long) = (probe.key("short"), probe.key("long"));
    let mut write = probe.write("value").in_group(group.clone());
    probe.set(&short, write.clone()).await;
    write.expires_at = probe.in_an_hour.after(HOUR);
    probe.set(&long, write).await;
    clock.advance(HOUR);
    assert_eq!(probe.listed(&group).await, [long]);
    assert_eq!(
        probe.remove_group(&group).await,
        1,
        "the expired one does not count"
    );
    assert!(probe.listed(&group).await.is_empty());
}

/// A key that expired and was written again, in another group or in none, is not listed in its old
/// group.
pub async fn an_expired_key_leaves_its_group(store: &Arc<dyn Store>, clock: &ManualClock) {
    let probe = Probe::new(store, clock);
    let (old, new) = (probe.key("old group"), probe.key("new group"));
    let (moves, leaves) = (probe.key("moves"), probe.key("leaves"));
    for key in [&moves, &leaves] {
        probe
            .set(key, probe.write("old").in_group(old.clone()))
            .await;
    }
    clock.advance(HOUR);
    let mut write = probe.write("new");
    write.expires_at = clock.now().after(HOUR);
    assert!(probe.put(&leaves, write.clone(), When::Absent).await);
    assert!(
        probe
            .put(&moves, write.in_group(new.clone()), When::Absent)
            .await
    );
    assert!(probe.listed(&old).await.is_empty());
    assert_eq!(probe.listed(&new).await, [moves]);
}

/// An entry with [`Timestamp::NEVER`] does not expire.
pub async fn what_never_expires_is_there_after_a_century(
    store: &Arc<dyn Store>,
    clock: &ManualClock,
) {
    let probe = Probe::new(store, clock);
    let (key, group) = (probe.key("key"), probe.key("group"));
    let mut write = probe.write("value").in_group(group.clone());
    write.expires_at = Timestamp::NEVER;
    probe.set(&key, write).await;
    clock.advance(HOUR * 24 * 36_525);
    assert_eq!(probe.read(&key).await.expires_at, Timestamp::NEVER);
    assert_eq!(probe.remove_group(&group).await, 1);
}

/// A replacement sets its own expiry, later or sooner, also for the group's list.
pub async fn a_replacing_write_moves_the_expiry(store: &Arc<dyn Store>, clock: &ManualClock) {
    let probe = Probe::new(store, clock);
    let (later, sooner, group) = (probe.key("later"), probe.key("sooner"), probe.key("group"));
    let (hour, three) = (probe.in_an_hour, probe.in_an_hour.after(2 * HOUR));
    for (key, first, second) in [(&later, hour, three), (&sooner, three, hour)] {
        let mut write = probe.write("first").in_group(group.clone());
        write.expires_at = first;
        let version = probe.set(key, write).await;
        let mut write = probe.write("second").in_group(group.clone());
        write.expires_at = second;
        assert!(probe.put(key, write, When::Unchanged(version)).await);
        assert_eq!(probe.read(key).await.expires_at, second);
    }
    clock.advance(HOUR);
    assert!(probe.get(&later).await.is_some(), "its expiry was put off");
    assert!(
        probe.get(&sooner).await.is_none(),
        "its expiry was brought forward"
    );
    assert_eq!(probe.listed(&group).await, from_ref(&later));
    clock.advance(2 * HOUR);
    assert!(probe.get(&later).await.is_none());
}

/// A refused write does not change the expiry, as seen when the first one passes.
pub async fn a_refused_write_does_not_move_the_expiry(store: &Arc<dyn Store>, clock: &ManualClock) {
    let probe = Probe::new(store, clock);
    let key = probe.key("key");
    probe.set(&key, probe.write("first")).await;
    let mut write = probe.write("refused");
    write.expires_at = probe.in_an_hour.after(HOUR);
    assert!(!probe.put(&key, write, When::Absent).await);
    clock.advance(HOUR);
    assert!(probe.get(&key).await.is_none());
}

/// A write that has already expired succeeds and leaves nothing, not even the previous entry.
pub async fn a_write_that_is_over_already_leaves_nothing(
    store: &Arc<dyn Store>,
    clock: &ManualClock,
) {
    let probe = Probe::new(store, clock);
    let (key, group) = (probe.key("key"), probe.key("group"));
    let mut over = probe.write("over").in_group(group.clone());
    for expires_at in [clock.now(), clock.now().before(HOUR)] {
        over.expires_at = expires_at;
        probe.set(&key, over.clone()).await;
        assert!(probe.get(&key).await.is_none());
        assert!(probe.listed(&group).await.is_empty());

        probe
            .set(&key, probe.write("live").in_group(group.clone()))
            .await;
        probe.set(&key, over.clone()).await;
        assert!(probe.get(&key).await.is_none());
        assert!(probe.take(&key).await.is_none());
        assert!(probe.listed(&group).await.is_empty());
    }
}

const MILLISECOND: Duration = Duration::from_millis(1);
