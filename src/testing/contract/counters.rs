//! `add` counts and preserves the first expiry (condition 5).

use std::sync::Arc;

use super::probe::{HOUR, Probe, race};
use crate::{
    clock::Clock,
    error::StoreError,
    store::{Store, When, number},
    testing::ManualClock,
};

/// Runs the checks of this module.
pub async fn run(store: &Arc<dyn Store>, clock: &ManualClock) {
    an_absent_number_counts_as_zero(store, clock).await;
    additions_may_be_negative_or_nothing(store, clock).await;
    a_sum_of_zero_is_no_entry(store, clock).await;
    additions_that_cancel_out_leave_nothing(store, clock).await;
    the_first_expiry_stays(store, clock).await;
    an_expired_number_starts_anew(store, clock).await;
    a_number_is_kept_as_decimal_text(store, clock).await;
    an_addition_is_a_write_like_others(store, clock).await;
    a_taken_number_starts_anew(store, clock).await;
    a_sum_stops_at_the_ends_of_the_range(store, clock).await;
    what_is_no_number_is_corrupt_and_stays(store, clock).await;
}

/// The first addition returns its own amount.
pub async fn an_absent_number_counts_as_zero(store: &Arc<dyn Store>, clock: &ManualClock) {
    let probe = Probe::new(store, clock);
    for delta in [1, 7, -1, 0, i64::MAX, i64::MIN] {
        assert_eq!(
            probe.add(&probe.key(&delta.to_string()), delta).await,
            delta
        );
    }
}

/// Additions may be positive, negative or zero, and may cross zero; each returns the sum.
pub async fn additions_may_be_negative_or_nothing(store: &Arc<dyn Store>, clock: &ManualClock) {
    let probe = Probe::new(store, clock);
    let key = probe.key("key");
    for (delta, sum) in [(2, 2), (3, 5), (-1, 4), (0, 4), (-10, -6), (6, 0), (1, 1)] {
        assert_eq!(probe.add(&key, delta).await, sum);
    }
}

/// A sum of zero removes the number, and the next addition sets its own expiry.
pub async fn a_sum_of_zero_is_no_entry(store: &Arc<dyn Store>, clock: &ManualClock) {
    let probe = Probe::new(store, clock);
    let (key, grouped, group) = (probe.key("key"), probe.key("grouped"), probe.key("group"));
    assert_eq!(probe.add(&key, 0).await, 0);
    assert!(probe.get(&key).await.is_none(), "nothing was added");
    for steps in [&[1, -1][..], &[-3, 2, 1], &[2, 0, -2]] {
        for step in steps {
            probe.add(&key, *step).await;
        }
        assert!(probe.get(&key).await.is_none(), "{steps:?}");
        assert!(probe.take(&key).await.is_none(), "{steps:?}");
    }
    let later = probe.in_an_hour.after(HOUR);
    assert_eq!(probe.add_until(&key, 1, later).await, 1);
    assert_eq!(probe.read(&key).await.expires_at, later);
    probe.add(&key, -1).await;
    assert!(probe.put(&key, probe.write("7"), When::Absent).await);

    let write = probe.write("1").in_group(group.clone());
    probe.set(&grouped, write).await;
    assert_eq!(probe.add(&grouped, -1).await, 0);
    let listed = store.list(&group).await.expect("`list` is answered");
    assert!(listed.is_empty(), "{listed:?}");
}

/// Sixteen tasks repeatedly add one and subtract it: nothing remains, and no sum is below zero.
pub async fn additions_that_cancel_out_leave_nothing(store: &Arc<dyn Store>, clock: &ManualClock) {
    let probe = Probe::new(store, clock);
    let key = probe.key("key");
    let sums = race(16, |_| {
        let (probe, key) = (probe.clone(), key.clone());
        async move {
            let mut sums = Vec::new();
            for _ in 0..20 {
                sums.push(probe.add(&key, 1).await);
                sums.push(probe.add(&key, -1).await);
            }
            sums
        }
    })
    .await;
    assert!(sums.concat().iter().all(|sum| (0..=16).contains(sum)));
    assert!(probe.get(&key).await.is_none());
}

/// Additions do not extend a number's lifetime. Otherwise a patient attacker, and a patient victim,
/// would be locked out for ever.
pub async fn the_first_expiry_stays(store: &Arc<dyn Store>, clock: &ManualClock) {
    let probe = Probe::new(store, clock);
    let key = probe.key("key");
    probe.add(&key, 1).await;
    clock.advance(HOUR / 2);
    for expires_at in [
        probe.in_an_hour.after(HOUR),
        probe.in_an_hour.before(HOUR / 4),
    ] {
        probe.add_until(&key, 1, expires_at).await;
        assert_eq!(probe.read(&key).await.expires_at, probe.in_an_hour);
    }
    clock.advance(HOUR / 2);
    assert!(probe.get(&key).await.is_none());
}

/// At its expiry a number counts as zero again, and the next addition sets the new expiry.
pub async fn an_expired_number_starts_anew(store: &Arc<dyn Store>, clock: &ManualClock) {
    let probe = Probe::new(store, clock);
    let key = probe.key("key");
    assert_eq!(probe.add(&key, 5).await, 5);
    clock.advance(HOUR);
    let expires_at = clock.now().after(HOUR);
    assert_eq!(probe.add_until(&key, 1, expires_at).await, 1);
    assert_eq!(probe.read(&key).await.expires_at, expires_at);
    assert_eq!(probe.add_until(&key, 1, expires_at).await, 2);
}

/// `get` returns the sum as decimal text, and `add` accepts a number written by `put`.
pub async fn a_number_is_kept_as_decimal_text(store: &Arc<dyn Store>, clock: &ManualClock) {
    let probe = Probe::new(store, clock);
    let key = probe.key("key");
    for (delta, text) in [
        (41, "41"),
        (-42, "-1"),
        (4, "3"),
        (i64::MAX, "9223372036854775807"),
    ] {
        probe.add(&key, delta).await;
        let value = probe.read(&key).await.value;
        assert_eq!(value, text);
        assert!(matches!(number(&value), Ok(sum) if sum.to_string() == text));
    }
    probe.set(&key, probe.write("-9223372036854775808")).await;
    assert_eq!(probe.add(&key, 1).await, i64::MIN + 1);
}

/// An addition changes the version, so a conditional write fails with the version from before it
/// and succeeds with the one after it (condition 1).
pub async fn an_addition_is_a_write_like_others(store: &Arc<dyn Store>, clock: &ManualClock) {
    let probe = Probe::new(store, clock);
    let key = probe.key("key");
    probe.add(&key, 1).await;
    assert!(!probe.put(&key, probe.write("0"), When::Absent).await);
    let before = probe.read(&key).await.version;
    probe.add(&key, 1).await;
    assert!(
        !probe
            .put(&key, probe.write("0"), When::Unchanged(before))
            .await
    );
    let after = probe.read(&key).await.version;
    assert!(
        probe
            .put(&key, probe.write("10"), When::Unchanged(after))
            .await
    );
    assert_eq!(probe.add(&key, 1).await, 11);
}

/// `take` returns the number as an entry, and the next addition starts at zero.
pub async fn a_taken_number_starts_anew(store: &Arc<dyn Store>, clock: &ManualClock) {
    let probe = Probe::new(store, clock);
    let key = probe.key("key");
    probe.add(&key, 3).await;
    let taken = probe.take(&key).await.expect("a number is an entry");
    assert_eq!(taken.value, "3");
    assert_eq!(probe.add(&key, 1).await, 1);
}

/// A sum saturates at the bounds of 64 bits: it neither wraps nor fails.
pub async fn a_sum_stops_at_the_ends_of_the_range(store: &Arc<dyn Store>, clock: &ManualClock) {
    let probe = Probe::new(store, clock);
    for (name, end, step) in [("top", i64::MAX, 1), ("bottom", i64::MIN, -1)] {
        let key = probe.key(name);
        assert_eq!(probe.add(&key, end - step).await, end - step);
        assert_eq!(probe.add(&key, step).await, end);
        assert_eq!(probe.add(&key, step).await, end);
        assert_eq!(probe.add(&key, end).await, end);
        assert_eq!(probe.add(&key, -step).await, end - step);
    }
}

/// Adding to bytes that are not a number is [`StoreError::Corrupt`], and leaves them unchanged.
pub async fn what_is_no_number_is_corrupt_and_stays(store: &Arc<dyn Store>, clock: &ManualClock) {
    let probe = Probe::new(store, clock);
    let key = probe.key("key");
    let values: [&[u8]; 9] = [
        b"",
        b"abc",
        b"1.5",
        b" 1",
        b"1 ",
        b"0x10",
        b"1\0",
        b"\xff",
        b"9223372036854775808",
    ];
    for value in values {
        let version = probe.set(&key, probe.write(value)).await;
        let answer = probe.store.add(&key, 1, probe.in_an_hour).await;
        assert!(
            matches!(answer, Err(StoreError::Corrupt(_))),
            "{value:?}: {answer:?}"
        );
        let entry = probe.read(&key).await;
        assert_eq!(entry.value, value);
        assert_eq!(entry.version, version);
    }
}
