//! Reads, conditional writes and takes by one caller.

use std::{slice::from_ref, sync::Arc};

use super::probe::{HOUR, Probe};
use crate::{
    store::{Store, Version, When},
    testing::ManualClock,
};

/// Runs the checks of this module.
pub async fn run(store: &Arc<dyn Store>, clock: &ManualClock) {
    what_was_never_written_is_absent(store, clock).await;
    what_was_put_is_read_back(store, clock).await;
    always_replaces_whatever_is_there(store, clock).await;
    absent_writes_only_where_nothing_is(store, clock).await;
    unchanged_writes_over_its_version_only(store, clock).await;
    unchanged_never_writes_an_absent_key(store, clock).await;
    a_version_does_not_come_back_with_its_value(store, clock).await;
    a_refused_write_changes_nothing(store, clock).await;
    a_writer_recognises_its_own_write(store, clock).await;
    take_hands_over_once(store, clock).await;
    a_taken_key_can_be_written_again(store, clock).await;
    keys_do_not_touch_each_other(store, clock).await;
}

/// A key that was never written is absent for `get` and `take`.
pub async fn what_was_never_written_is_absent(store: &Arc<dyn Store>, clock: &ManualClock) {
    let probe = Probe::new(store, clock);
    let key = probe.key("never written");
    assert!(probe.get(&key).await.is_none());
    assert!(probe.take(&key).await.is_none());
    assert!(probe.get(&key).await.is_none());
}

/// `get` returns the value, the version and the expiry of the write, every time.
pub async fn what_was_put_is_read_back(store: &Arc<dyn Store>, clock: &ManualClock) {
    let probe = Probe::new(store, clock);
    let key = probe.key("key");
    let version = probe.set(&key, probe.write("value")).await;
    for _ in 0..2 {
        let entry = probe.read(&key).await;
        assert_eq!(entry.value, "value");
        assert_eq!(entry.version, version);
        assert_eq!(entry.expires_at, probe.in_an_hour);
    }
}

/// [`When::Always`] writes whether there is an entry or not.
pub async fn always_replaces_whatever_is_there(store: &Arc<dyn Store>, clock: &ManualClock) {
    let probe = Probe::new(store, clock);
    let key = probe.key("key");
    for value in ["a longer first value", "second", "third"] {
        let version = probe.set(&key, probe.write(value)).await;
        let entry = probe.read(&key).await;
        assert_eq!(entry.value, value);
        assert_eq!(entry.version, version);
    }
}

/// [`When::Absent`] writes if there is no entry and is refused if there is a live one (condition
/// 1).
pub async fn absent_writes_only_where_nothing_is(store: &Arc<dyn Store>, clock: &ManualClock) {
    let probe = Probe::new(store, clock);
    let key = probe.key("key");
    assert!(probe.put(&key, probe.write("first"), When::Absent).await);
    assert!(!probe.put(&key, probe.write("second"), When::Absent).await);
    assert_eq!(probe.read(&key).await.value, "first");
}

/// [`When::Unchanged`] replaces the version that it names, and no other (condition 1).
pub async fn unchanged_writes_over_its_version_only(store: &Arc<dyn Store>, clock: &ManualClock) {
    let probe = Probe::new(store, clock);
    let key = probe.key("key");
    let first = probe.set(&key, probe.write("first")).await;

    let second = probe.write("second");
    let version = second.version;
    assert!(
        probe.put(&key, second, When::Unchanged(first)).await,
        "the version was right"
    );
    assert_eq!(probe.read(&key).await.version, version);

    assert!(
        !probe
            .put(&key, probe.write("late"), When::Unchanged(first))
            .await,
        "it was stale"
    );
    let other = Version::from_stored(version.as_u64() ^ 1);
    assert!(
        !probe
            .put(&key, probe.write("odd"), When::Unchanged(other))
            .await,
        "one bit differs"
    );
    assert_eq!(probe.read(&key).await.value, "second");
}

/// [`When::Unchanged`] on an absent key is refused and writes nothing: a late save restores no
/// session.
pub async fn unchanged_never_writes_an_absent_key(store: &Arc<dyn Store>, clock: &ManualClock) {
    let probe = Probe::new(store, clock);
    let key = probe.key("key");
    for version in [0, 1, u64::MAX].map(Version::from_stored) {
        assert!(
            !probe
                .put(&key, probe.write("new"), When::Unchanged(version))
                .await
        );
    }
    let version = probe.set(&key, probe.write("old")).await;
    assert!(probe.take(&key).await.is_some());
    assert!(
        !probe
            .put(&key, probe.write("late"), When::Unchanged(version))
            .await
    );
    assert!(probe.get(&key).await.is_none());
}

/// The same bytes get another version when they are taken and written again.
pub async fn a_version_does_not_come_back_with_its_value(
    store: &Arc<dyn Store>,
    clock: &ManualClock,
) {
    let probe = Probe::new(store, clock);
    let key = probe.key("key");
    let first = probe.set(&key, probe.write("same")).await;
    probe.take(&key).await;
    let second = probe.set(&key, probe.write("same")).await;
    assert!(
        !probe
            .put(&key, probe.write("late"), When::Unchanged(first))
            .await
    );
    assert_eq!(probe.read(&key).await.version, second);
}

/// A refused write leaves value, version, expiry and group unchanged (condition 1).
pub async fn a_refused_write_changes_nothing(store: &Arc<dyn Store>, clock: &ManualClock) {
    let probe = Probe::new(store, clock);
    let (key, group, other) = (
        probe.key("key"),
        probe.key("group"),
        probe.key("other group"),
    );
    probe
        .set(&key, probe.write("kept").in_group(group.clone()))
        .await;
    let before = probe.read(&key).await;

    for when in [
        When::Absent,
        When::Unchanged(Version::from_stored(!before.version.as_u64())),
    ] {
        let mut late = probe.write("refused").in_group(other.clone());
        late.expires_at = probe.in_an_hour.after(HOUR);
        assert!(!probe.put(&key, late, when).await);
        assert_eq!(probe.read(&key).await, before, "{when:?}");
        assert_eq!(probe.listed(&group).await, from_ref(&key), "{when:?}");
        assert!(probe.listed(&other).await.is_empty(), "{when:?}");
    }

    let absent = probe.key("absent");
    let when = When::Unchanged(before.version);
    assert!(
        !probe
            .put(
                &absent,
                probe.write("refused").in_group(other.clone()),
                when
            )
            .await
    );
    assert!(probe.get(&absent).await.is_none());
    assert!(probe.listed(&other).await.is_empty());
}

/// A writer that lost the answer recognises its own version, and another writer's as foreign.
pub async fn a_writer_recognises_its_own_write(store: &Arc<dyn Store>, clock: &ManualClock) {
    let probe = Probe::new(store, clock);
    let key = probe.key("key");
    let (mine, theirs) = (probe.write("same"), probe.write("same"));
    assert!(probe.put(&key, mine.clone(), When::Absent).await);
    assert_eq!(probe.read(&key).await.version, mine.version);
    assert!(
        !probe.put(&key, mine.clone(), When::Absent).await,
        "sent again, it is a new attempt"
    );
    assert!(
        probe
            .put(&key, theirs.clone(), When::Unchanged(mine.version))
            .await
    );
    assert_eq!(probe.read(&key).await.version, theirs.version);
}

/// `take` returns the whole entry, and leaves none (condition 2).
pub async fn take_hands_over_once(store: &Arc<dyn Store>, clock: &ManualClock) {
    let probe = Probe::new(store, clock);
    let key = probe.key("key");
    probe.set(&key, probe.write("value")).await;
    let read = probe.read(&key).await;
    assert_eq!(probe.take(&key).await, Some(read));
    assert_eq!(probe.take(&key).await, None);
    assert_eq!(probe.get(&key).await, None);
}

/// After `take` the key is as if it had never been written.
pub async fn a_taken_key_can_be_written_again(store: &Arc<dyn Store>, clock: &ManualClock) {
    let probe = Probe::new(store, clock);
    let key = probe.key("key");
    for value in ["first", "second", "third"] {
        assert!(probe.put(&key, probe.write(value), When::Absent).await);
        let taken = probe.take(&key).await.expect("it was just written");
        assert_eq!(taken.value, value);
    }
}

/// Writing, replacing and taking one key does not affect other keys.
pub async fn keys_do_not_touch_each_other(store: &Arc<dyn Store>, clock: &ManualClock) {
    let probe = Probe::new(store, clock);
    let keys = probe.keys("key", 20);
    for (number, key) in keys.iter().enumerate() {
        probe.set(key, probe.write(format!("value {number}"))).await;
    }
    for key in keys.iter().step_by(2) {
        assert!(probe.take(key).await.is_some());
    }
    for (number, key) in keys.iter().enumerate() {
        let expected = (number % 2 == 1).then(|| format!("value {number}"));
        let found = probe.get(key).await.map(|entry| entry.value);
        assert_eq!(found.as_deref(), expected.as_deref().map(str::as_bytes));
    }
}
