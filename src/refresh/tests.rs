//! Tests of the decisions on a record of devices, including random histories, and of the token and
//! record formats.

use std::{collections::BTreeSet, time::Duration};

use proptest::prelude::*;

use super::{
    device::{Hash256, StoredDevice},
    devices::{
        DevicePolicy, DeviceRecord, LoginDecision, Moment, PresentedRefresh, RefreshDecision,
    },
    encoding,
    outages::Outage,
    policy::{DeviceLimitPolicy, FingerprintPolicy},
    records::NAMESPACE,
    token::{RefreshToken, TokenKeys},
};
use crate::{
    clock::{SKEW, Timestamp},
    secret::{self, MasterSecret, Secret},
    store::{StoreKey, sealed::RecordKeys},
};

const KID: [u8; 4] = *b"kid1";
const NODE: u64 = 1;

/// A decision on the node that rotated the token, without outages.
const fn moment(now: Timestamp) -> Moment<'static> {
    Moment {
        now,
        node: NODE,
        outages: &[],
    }
}

fn policy() -> DevicePolicy {
    DevicePolicy {
        idle: Duration::from_secs(3_600),
        absolute: Duration::from_secs(36_000),
        rotates: true,
        grace: Duration::from_secs(10),
        outage_grace: Duration::from_secs(300),
        max_devices: 3,
        on_limit: DeviceLimitPolicy::default(),
        bind: FingerprintPolicy::Event,
    }
}

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_secs(1_000_000 + seconds)
}

fn device(family: u8, now: Timestamp, policy: &DevicePolicy) -> StoredDevice {
    StoredDevice {
        public_id: secret::random(),
        family: Hash256::of(&[family]),
        generation: 0,
        kid: KID,
        rotated_at: now,
        rotated_on: NODE,
        created_at: now,
        used_at: now,
        idle_at: now.after(policy.idle),
        absolute_at: now.after(policy.absolute),
        proofs: vec![("pwd".to_owned(), now)],
        name: Some("Firefox".to_owned()),
        user_agent: None,
        fingerprint: None,
        rotated_by: None,
        key: None,
    }
}

fn device_record(policy: &DevicePolicy) -> DeviceRecord {
    let mut record = DeviceRecord::new("alice");
    for family in [1, 2] {
        let decision = record.add(device(family, at(0), policy), None, policy, at(0));
        assert!(matches!(decision, LoginDecision::Admitted { .. }));
    }
    record
}

fn present(
    record: &mut DeviceRecord,
    generation: u32,
    policy: &DevicePolicy,
    now: Timestamp,
) -> RefreshDecision {
    let family = Hash256::of(&[1]);
    let presented = PresentedRefresh {
        family,
        generation,
        key: None,
    };
    record.decide_refresh(&presented, &[], KID, policy, moment(now))
}

fn has_family(record: &DeviceRecord, family: u8, now: Timestamp) -> bool {
    record
        .live(now)
        .any(|device| device.family == Hash256::of(&[family]))
}

#[test]
fn each_generation_has_its_decision() {
    let policy = policy();
    let mut record = device_record(&policy);
    let decision = present(&mut record, 0, &policy, at(100));
    assert!(matches!(decision, RefreshDecision::Rotated { device, .. } if device.generation == 1));
    let decision = present(&mut record, 0, &policy, at(105));
    assert!(matches!(decision, RefreshDecision::Repeated { device } if device.generation == 1));
    let decision = present(&mut record, 1, &policy, at(106));
    assert!(matches!(decision, RefreshDecision::Rotated { device, .. } if device.generation == 2));
    assert!(matches!(
        present(&mut record, 0, &policy, at(116)),
        RefreshDecision::Replaced
    ));
    assert!(matches!(
        present(&mut record, 1, &policy, at(116)),
        RefreshDecision::Repeated { .. }
    ));
    let mut ahead = record.clone();
    assert!(matches!(
        present(&mut ahead, 3, &policy, at(116)),
        RefreshDecision::Ahead { .. }
    ));
    for reused in [0, 1] {
        let mut record = record.clone();
        let decision = present(
            &mut record,
            reused,
            &policy,
            Timestamp::from_millis(at(116).as_millis() + 1),
        );
        assert!(
            matches!(decision, RefreshDecision::Reused { .. }),
            "{reused}"
        );
        assert!(!has_family(&record, 1, at(117)));
        assert!(
            has_family(&record, 2, at(117)),
            "the other device stays logged in"
        );
        assert!(matches!(
            present(&mut record, 2, &policy, at(117)),
            RefreshDecision::Gone
        ));
    }
}

fn present_to(
    record: &mut DeviceRecord,
    generation: u32,
    policy: &DevicePolicy,
    moment: Moment<'_>,
) -> RefreshDecision {
    let presented = PresentedRefresh {
        family: Hash256::of(&[1]),
        generation,
        key: None,
    };
    record.decide_refresh(&presented, &[], KID, policy, moment)
}

/// The window is exact on the node that rotated the token, and tolerates clock skew on every other
/// node.
#[test]
fn another_node_tolerates_the_skew_of_clocks() {
    let policy = policy();
    let mut rotated = device_record(&policy);
    assert!(matches!(
        present(&mut rotated, 0, &policy, at(100)),
        RefreshDecision::Rotated { .. }
    ));
    let other = |now| Moment {
        node: NODE + 1,
        ..moment(now)
    };
    for (moment, is_reuse) in [
        (moment(at(110)), false),
        (moment(at(111)), true),
        (other(at(140)), false),
        (other(at(141)), true),
    ] {
        let decision = present_to(&mut rotated.clone(), 0, &policy, moment);
        assert_eq!(matches!(decision, RefreshDecision::Reused { .. }), is_reuse);
        assert_eq!(
            matches!(decision, RefreshDecision::Repeated { .. }),
            !is_reuse
        );
    }
    let hasty = DevicePolicy {
        grace: Duration::ZERO,
        ..policy
    };
    let decision = present_to(&mut rotated, 0, &hasty, other(at(100)));
    assert!(
        matches!(decision, RefreshDecision::Reused { .. }),
        "zero disables the grace window"
    );
}

/// An outage extends the window if it is known, ends after the rotation, and is not too long.
#[test]
fn the_window_is_extended_by_an_outage_of_the_store() {
    let policy = policy();
    let mut rotated = device_record(&policy);
    assert!(matches!(
        present(&mut rotated, 0, &policy, at(100)),
        RefreshDecision::Rotated { .. }
    ));
    let outage = |from, to| Outage {
        from: at(from),
        to: at(to),
    };
    for (outages, until) in [
        (vec![], 110),
        (vec![outage(100, 113)], 123),
        (vec![outage(50, 113)], 123),
        (vec![outage(50, 99)], 110),
        (vec![outage(101, 103), outage(104, 107)], 115),
        (vec![outage(100, 1_000)], 410),
    ] {
        for (second, is_reuse) in [(until, false), (until + 1, true)] {
            let moment = Moment {
                outages: &outages,
                ..moment(at(second))
            };
            let decision = present_to(&mut rotated.clone(), 0, &policy, moment);
            assert_eq!(
                matches!(decision, RefreshDecision::Reused { .. }),
                is_reuse,
                "{outages:?}"
            );
        }
    }
}

/// The response to a login's write is lost, and another write follows before the retry. The login
/// is then decided again, on a record that contains its device.
#[test]
fn a_login_that_is_decided_twice_adds_one_device() {
    for on_limit in [DeviceLimitPolicy::EvictOldest, DeviceLimitPolicy::Reject] {
        let policy = DevicePolicy {
            on_limit,
            ..policy()
        };
        let mut record = device_record(&policy);
        let device = device(9, at(1), &policy);
        for _ in 0..3 {
            let decision = record.add(device.clone(), Some(0), &policy, at(1));
            assert!(matches!(decision, LoginDecision::Admitted { evicted } if evicted.is_empty()));
        }
        assert_eq!(record.live(at(2)).count(), 3);
        assert!(record.revoke_family(&Hash256::of(&[9]), at(2)).is_some());
        assert!(!has_family(&record, 9, at(2)));
    }
}

/// A client that omits its fingerprint once remains bound, and its own retries still succeed.
#[test]
fn a_refresh_without_a_fingerprint_does_not_unbind_the_device() {
    let (known, other) = (Hash256::of(b"known"), Hash256::of(b"other"));
    let policy = policy();
    let mut record = DeviceRecord::new("alice");
    let mut bound = device(1, at(0), &policy);
    bound.fingerprint = Some(known);
    record.add(bound, None, &policy, at(0));
    let mut decide = |generation, fingerprints: &[Hash256], second| {
        let family = Hash256::of(&[1]);
        let presented = PresentedRefresh {
            family,
            generation,
            key: None,
        };
        record.decide_refresh(&presented, fingerprints, KID, &policy, moment(at(second)))
    };
    let is_changed = |decision: RefreshDecision| {
        matches!(
            decision,
            RefreshDecision::Rotated {
                is_fingerprint_changed: true,
                ..
            }
        )
    };
    let is_same = |decision: RefreshDecision| {
        matches!(
            decision,
            RefreshDecision::Rotated {
                is_fingerprint_changed: false,
                ..
            }
        )
    };
    assert!(is_changed(decide(0, &[], 1)));
    assert!(matches!(
        decide(0, &[], 2),
        RefreshDecision::Repeated { .. }
    ));
    assert!(matches!(decide(0, &[known], 2), RefreshDecision::Replaced));
    assert!(is_changed(decide(1, &[], 20)), "it is still bound");
    assert!(is_same(decide(2, &[known], 40)));
    assert!(matches!(decide(2, &[other], 41), RefreshDecision::Replaced));
    assert!(matches!(
        decide(2, &[known], 41),
        RefreshDecision::Repeated { .. }
    ));
    assert!(is_changed(decide(3, &[other], 60)));
    assert!(
        is_same(decide(4, &[other], 80)),
        "a change is reported once"
    );
}

/// The epoch of an empty record outlives any login, even if devices are short-lived.
#[test]
fn the_epoch_of_a_logout_everywhere_outlives_any_login() {
    let policy = DevicePolicy {
        absolute: Duration::from_secs(1),
        idle: Duration::from_secs(1),
        ..policy()
    };
    let mut record = device_record(&policy);
    record.revoke_all(at(0));
    assert!(record.expires_at(at(0)) >= at(3_600));
}

#[test]
fn a_repetition_does_not_extend_the_window() {
    let policy = policy();
    let mut record = device_record(&policy);
    present(&mut record, 0, &policy, at(100));
    for second in 100..=110 {
        assert!(matches!(
            present(&mut record, 0, &policy, at(second)),
            RefreshDecision::Repeated { .. }
        ));
    }
    assert!(matches!(
        present(&mut record, 0, &policy, at(111)),
        RefreshDecision::Reused { .. }
    ));
}

#[test]
fn without_grace_the_second_refresh_is_reuse() {
    let policy = DevicePolicy {
        grace: Duration::ZERO,
        ..policy()
    };
    let mut record = device_record(&policy);
    assert!(matches!(
        present(&mut record, 0, &policy, at(1)),
        RefreshDecision::Rotated { .. }
    ));
    assert!(matches!(
        present(&mut record, 0, &policy, at(1)),
        RefreshDecision::Reused { .. }
    ));
    assert!(matches!(
        present(&mut record, 1, &policy, at(1)),
        RefreshDecision::Gone
    ));
}

#[test]
fn without_rotation_the_token_stays_and_its_use_is_recorded() {
    let policy = DevicePolicy {
        rotates: false,
        ..policy()
    };
    let mut record = device_record(&policy);
    for second in [1_000, 4_000, 7_000] {
        let decision = present(&mut record, 0, &policy, at(second));
        assert!(
            matches!(decision, RefreshDecision::Rotated { device, .. } if device.generation == 0 && device.used_at == at(second))
        );
    }
    assert!(
        matches!(
            present(&mut record, 0, &policy, at(10_600)),
            RefreshDecision::Gone
        ),
        "idle for too long"
    );
}

#[test]
fn a_fingerprint_is_ignored_reported_or_required() {
    let (known, other) = (Hash256::of(b"known"), Hash256::of(b"other"));
    for (bind, given, expected) in [
        (FingerprintPolicy::Ignore, Some(other), "granted"),
        (FingerprintPolicy::Event, Some(known), "granted"),
        (FingerprintPolicy::Event, Some(other), "reported"),
        (FingerprintPolicy::Event, None, "reported"),
        (FingerprintPolicy::Refuse, Some(known), "granted"),
        (FingerprintPolicy::Refuse, Some(other), "refused"),
        (FingerprintPolicy::Refuse, None, "refused"),
    ] {
        let policy = DevicePolicy { bind, ..policy() };
        let mut record = device_record(&policy);
        record.devices[0].fingerprint = Some(known);
        let presented = PresentedRefresh {
            family: Hash256::of(&[1]),
            generation: 0,
            key: None,
        };
        let given: Vec<_> = given.into_iter().collect();
        let outcome = match record.decide_refresh(&presented, &given, KID, &policy, moment(at(1))) {
            RefreshDecision::Rotated {
                is_fingerprint_changed: false,
                ..
            } => "granted",
            RefreshDecision::Rotated {
                is_fingerprint_changed: true,
                ..
            } => "reported",
            RefreshDecision::FingerprintChanged { .. } => "refused",
            _ => "something else",
        };
        assert_eq!(outcome, expected, "{bind:?} {}", given.len());
        assert!(has_family(&record, 1, at(1)), "it stays logged in");
        // A client that was accepted may retry with its current fingerprint.
        let again = record.decide_refresh(&presented, &given, KID, &policy, moment(at(2)));
        let is_same = matches!(again, RefreshDecision::Repeated { .. });
        assert_eq!(is_same, expected != "refused", "{bind:?}");
        // Another client does not get the successor, even within the window.
        if bind != FingerprintPolicy::Ignore && expected != "refused" && !given.is_empty() {
            let stranger = record.decide_refresh(
                &presented,
                &[Hash256::of(b"stranger")],
                KID,
                &policy,
                moment(at(3)),
            );
            assert!(matches!(stranger, RefreshDecision::Replaced), "{bind:?}");
        }
    }
}

#[test]
fn too_many_devices_are_evicted_by_policy() {
    for (on_limit, gone) in [
        (DeviceLimitPolicy::EvictOldest, Some(1)),
        (DeviceLimitPolicy::EvictLeastRecentlyUsed, Some(2)),
        (DeviceLimitPolicy::Reject, None),
    ] {
        let policy = DevicePolicy {
            on_limit,
            ..policy()
        };
        let mut record = device_record(&policy);
        record.add(device(3, at(1), &policy), None, &policy, at(1));
        present(&mut record, 0, &policy, at(50));
        let third = PresentedRefresh {
            family: Hash256::of(&[3]),
            generation: 0,
            key: None,
        };
        record.decide_refresh(&third, &[], KID, &policy, moment(at(60)));
        let decision = record.add(device(4, at(100), &policy), None, &policy, at(100));
        match gone {
            Some(gone) => {
                assert!(
                    matches!(decision, LoginDecision::Admitted { evicted } if evicted.len() == 1)
                );
                for family in [1, 2, 3, 4] {
                    assert_eq!(
                        has_family(&record, family, at(100)),
                        family != gone,
                        "{on_limit:?}"
                    );
                }
            }
            None => {
                assert!(matches!(decision, LoginDecision::Full));
                assert!(!has_family(&record, 4, at(100)));
                assert!(has_family(&record, 1, at(100)));
            }
        }
    }
}

#[test]
fn expired_devices_do_not_count() {
    let policy = DevicePolicy {
        on_limit: DeviceLimitPolicy::Reject,
        max_devices: 2,
        ..policy()
    };
    let mut record = device_record(&policy);
    assert!(matches!(
        record.add(device(3, at(1), &policy), None, &policy, at(1)),
        LoginDecision::Full
    ));
    let decision = record.add(device(3, at(3_600), &policy), None, &policy, at(3_600));
    assert!(matches!(decision, LoginDecision::Admitted { evicted } if evicted.is_empty()));
    assert_eq!(record.devices.len(), 1);
}

#[test]
fn a_login_that_began_before_a_logout_everywhere_fails() {
    let policy = policy();
    let mut record = device_record(&policy);
    let before = record.epoch;
    assert_eq!(record.revoke_all(at(0)).len(), 2);
    let decision = record.add(device(3, at(1), &policy), Some(before), &policy, at(1));
    assert!(matches!(decision, LoginDecision::Withdrawn));
    let since = Some(record.epoch);
    let decision = record.add(device(3, at(1), &policy), since, &policy, at(1));
    assert!(matches!(decision, LoginDecision::Admitted { .. }));
}

#[test]
fn only_the_current_token_of_the_own_device_revokes_the_others() {
    let policy = policy();
    let mut record = device_record(&policy);
    let own = record.devices[0].id();
    let other = record.devices[1].id();
    let token = |family: u8, generation| PresentedRefresh {
        family: Hash256::of(&[family]),
        generation,
        key: None,
    };
    present(&mut record, 0, &policy, at(100));
    present(&mut record, 1, &policy, at(200));
    for (id, presented) in [
        (&own, token(2, 0)),
        (&other, token(1, 2)),
        (&own, token(1, 0)),
        (&own, token(1, 3)),
        (&own, token(9, 0)),
    ] {
        assert!(
            record
                .revoke_others(id, &presented, &policy, moment(at(211)))
                .is_none()
        );
        assert_eq!(record.devices.len(), 2);
    }
    let ended = record
        .revoke_others(&own, &token(1, 2), &policy, moment(at(211)))
        .unwrap();
    assert_eq!(ended.len(), 1);
    assert_eq!(record.devices.len(), 1);
    assert!(has_family(&record, 1, at(211)));
}

/// A step of a history. Numbers select from the existing requests or tokens.
#[derive(Clone, Debug)]
enum Act {
    Wait(u64),
    /// The client refreshes and gets the response immediately.
    Refresh,
    /// The client sends a refresh that is delivered later.
    Send,
    Deliver(usize),
    /// A thief uses a token of the client that was replaced longer ago than the window.
    Steal(usize),
    Logout,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        3 => (0..15_000_u64).prop_map(Act::Wait),
        4 => Just(Act::Refresh),
        3 => Just(Act::Send),
        3 => any::<usize>().prop_map(Act::Deliver),
    ];
    let rare = prop_oneof![any::<usize>().prop_map(Act::Steal), Just(Act::Logout)];
    prop::collection::vec(prop_oneof![20 => act, 1 => rare], 1..120)
}

/// A step of a history with two nodes and an unreliable store.
#[derive(Clone, Copy, Debug)]
enum Trial {
    Wait(u64),
    Refresh {
        node: usize,
        is_lost: bool,
    },
    /// The store fails during a refresh. When it has recovered, the client retries on the other
    /// node.
    Outage {
        node: usize,
        millis: u64,
    },
    Steal {
        node: usize,
        which: u32,
    },
}

fn trials() -> impl Strategy<Value = Vec<Trial>> {
    let node = 0..2_usize;
    let trial = prop_oneof![
        4 => (0..60_000_u64).prop_map(Trial::Wait),
        4 => (node.clone(), any::<bool>())
            .prop_map(|(node, is_lost)| Trial::Refresh { node, is_lost }),
        2 => (node.clone(), 0..200_000_u64)
            .prop_map(|(node, millis)| Trial::Outage { node, millis }),
        1 => (node, any::<u32>()).prop_map(|(node, which)| Trial::Steal { node, which }),
    ];
    prop::collection::vec(trial, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// In any order of steps, there is one successor at a time. An honest client stays logged in
    /// until a logout or a theft, the absolute deadline does not move, and a revoked device stays
    /// revoked.
    #[test]
    fn no_history_leaves_two_successors_or_logs_out_an_honest_client(acts in acts()) {
        let policy = policy();
        let grace = u64::try_from(policy.grace.as_millis()).unwrap();
        let mut record = device_record(&policy);
        let absolute_at = record.devices[0].absolute_at;
        let mut now = at(0).as_millis();
        let mut newest = 0;
        let mut replaced_at: Vec<u64> = Vec::new();
        let mut in_flight: Vec<(u64, u32)> = Vec::new();
        let mut is_over = false;
        for act in acts {
            let mut refreshes = Vec::new();
            match act {
                Act::Wait(millis) => {
                    // No request is in flight for longer than the window.
                    let deadline = in_flight.iter().map(|(sent, _)| sent + grace).min();
                    now = (now + millis).min(deadline.unwrap_or(u64::MAX));
                }
                Act::Refresh => refreshes.push(newest),
                Act::Send => in_flight.push((now, newest)),
                Act::Deliver(which) if !in_flight.is_empty() => {
                    let which = which % in_flight.len();
                    refreshes.push(in_flight.swap_remove(which).1);
                }
                Act::Deliver(_) => {}
                Act::Steal(which) => {
                    let old = |generation: &usize| now > replaced_at[*generation] + grace
                        && now > replaced_at[replaced_at.len() - 1] + grace;
                    let old: Vec<_> = (0..replaced_at.len()).filter(old).collect();
                    if let Some(stolen) = old.get(which % old.len().max(1)) {
                        let stolen = u32::try_from(*stolen).unwrap();
                        let decision = present(&mut record, stolen, &policy, Timestamp::from_millis(now));
                        let is_refused = matches!(decision, RefreshDecision::Reused { .. } | RefreshDecision::Gone);
                        prop_assert!(is_refused);
                        is_over = true;
                    }
                }
                Act::Logout => {
                    record.revoke_family(&Hash256::of(&[1]), Timestamp::from_millis(now));
                    is_over = true;
                }
            }
            let time = Timestamp::from_millis(now);
            is_over |= !has_family(&record, 1, time) && now >= at(0).as_millis() + 3_600_000;
            for generation in refreshes {
                match present(&mut record, generation, &policy, time) {
                    RefreshDecision::Rotated { device, .. } => {
                        prop_assert!(!is_over);
                        prop_assert_eq!(device.generation, newest + 1);
                        prop_assert_eq!(device.absolute_at, absolute_at);
                        replaced_at.push(now);
                        newest = device.generation;
                    }
                    RefreshDecision::Repeated { device } => {
                        prop_assert!(!is_over);
                        prop_assert_eq!(device.generation, newest, "one successor");
                    }
                    RefreshDecision::Replaced => prop_assert!(has_family(&record, 1, time)),
                    RefreshDecision::Gone => prop_assert!(is_over),
                    _ => prop_assert!(false, "an honest client was taken for a thief"),
                }
            }
            prop_assert_eq!(has_family(&record, 1, time), !is_over);
        }
    }

    /// Two nodes with different clocks, store outages, lost responses and late writes: a client
    /// that retries as soon as it can stays logged in, and the reuse of a token that was replaced
    /// earlier than all of these can explain is detected.
    #[test]
    fn no_order_of_outage_write_retry_and_theft_takes_a_client_for_a_thief_or_a_thief_for_a_client(
        trials in trials(), ahead in 0..30_000_u64, is_behind: bool,
    ) {
        let policy = policy();
        let grace = 10_000_u64;
        let mut record = device_record(&policy);
        let offsets = if is_behind { [ahead, 0] } else { [0, ahead] };
        let mut outages: [Vec<Outage>; 2] = [Vec::new(), Vec::new()];
        let mut now = at(0).as_millis();
        // The client's token, and the time since the last rotation, without outages.
        let (mut held, mut since_rotation, mut silence) = (0_u32, u64::MAX / 2, 0_u64);
        let mut is_over = false;
        for trial in trials {
            if is_over || now > at(3_000).as_millis() {
                break;
            }
            let generation = record.devices[0].generation;
            let is_unanswered = generation > held;
            let (node, refreshes) = match trial {
                Trial::Wait(millis) => {
                    // An honest client retries within the window.
                    let most = grace.saturating_sub(since_rotation);
                    let millis = if is_unanswered { millis.min(most) } else { millis };
                    now += millis;
                    since_rotation = since_rotation.saturating_add(millis);
                    continue;
                }
                Trial::Refresh { node, .. } => (node, held),
                Trial::Outage { node, millis } => {
                    let millis = millis.min(300_000_u64.saturating_sub(silence));
                    // The write of this attempt succeeds when the store recovers.
                    if !is_unanswered {
                        let time = Timestamp::from_millis(now + offsets[node]);
                        let known = outages[node].clone();
                        let moment = Moment { now: time, node: node as u64, outages: &known };
                        let decision = present_to(&mut record, held, &policy, moment);
                        let is_rotated = matches!(decision, RefreshDecision::Rotated { .. });
                        prop_assert!(is_rotated);
                        (since_rotation, silence) = (0, 0);
                    }
                    for (known, offset) in outages.iter_mut().zip(offsets) {
                        let (from, to) = (now + offset, now + millis + offset);
                        let (from, to) = (Timestamp::from_millis(from), Timestamp::from_millis(to));
                        known.push(Outage { from, to });
                    }
                    now += millis;
                    silence += millis;
                    (1 - node, held)
                }
                Trial::Steal { node, which } => {
                    // Only if nothing else explains it.
                    let skew = u64::try_from(SKEW.as_millis()).unwrap();
                    let is_old = since_rotation > grace + 2 * skew;
                    let Some(stolen) = held.checked_sub(1 + which % held.max(1)) else { continue };
                    if !is_old || is_unanswered {
                        continue;
                    }
                    let time = Timestamp::from_millis(now + offsets[node]);
                    let moment = Moment { now: time, node: node as u64, outages: &outages[node] };
                    let decision = present_to(&mut record, stolen, &policy, moment);
                    let is_noticed = matches!(decision, RefreshDecision::Reused { .. });
                    prop_assert!(is_noticed);
                    is_over = true;
                    continue;
                }
            };
            let time = Timestamp::from_millis(now + offsets[node]);
            let moment = Moment { now: time, node: node as u64, outages: &outages[node] };
            match present_to(&mut record, refreshes, &policy, moment) {
                RefreshDecision::Rotated { device, .. } => {
                    prop_assert_eq!(device.generation, refreshes + 1);
                    (since_rotation, silence) = (0, 0);
                    if !matches!(trial, Trial::Refresh { is_lost: true, .. }) {
                        held = device.generation;
                    }
                }
                RefreshDecision::Repeated { device } => {
                    prop_assert_eq!(device.generation, refreshes + 1, "one successor");
                    held = device.generation;
                }
                _ => prop_assert!(false, "an honest client was taken for a thief"),
            }
        }
    }

    #[test]
    fn a_record_is_read_as_it_was_written_and_no_damage_panics(
        generation: u32, epoch: u64, name in ".*", cut in 0..600_usize, flipped in 0..4_000_usize,
    ) {
        let policy = policy();
        let mut record = device_record(&policy);
        record.epoch = epoch;
        record.devices[0].generation = generation;
        record.devices[1].name = Some(name);
        let keys = RecordKeys::new(&MasterSecret::generate(), "test", "issuer");
        let here = StoreKey::new(NAMESPACE, &[b"issuer", b"alice"]);
        let value = encoding::encode(&keys, &here, &record).unwrap();
        let read = encoding::decode(&keys, &here, &value).unwrap();
        prop_assert_eq!(serde_json::to_value(&read)?, serde_json::to_value(&record)?);
        for device in &record.devices {
            prop_assert!(encoding::has_device(&keys, &here, &value, &device.id()).unwrap());
        }
        let other = "AAAAAAAAAAAAAAAAAAAAAA";
        prop_assert!(!encoding::has_device(&keys, &here, &value, other).unwrap());
        let cut = &value[..cut.min(value.len() - 1)];
        prop_assert!(encoding::decode(&keys, &here, cut).is_err());
        let mut damaged = value.to_vec();
        damaged[(flipped / 8) % value.len()] ^= 1 << (flipped % 8);
        prop_assert!(encoding::decode(&keys, &here, &damaged).is_err());
        let id = record.devices[0].id();
        prop_assert!(encoding::has_device(&keys, &here, &damaged, &id).is_err());
        let there = StoreKey::new(NAMESPACE, &[b"issuer", b"bob"]);
        prop_assert!(encoding::decode(&keys, &there, &value).is_err(), "moved to another user");
    }
}

fn token(keys: &TokenKeys, generation: u32) -> (RefreshToken, Secret<String>) {
    let token = RefreshToken {
        record_key: StoreKey::new(NAMESPACE, &[b"issuer", b"alice"]),
        family: Secret::new(secret::random()),
        generation,
    };
    let text = keys.encode(&token, keys.active()).unwrap();
    (token, text)
}

#[test]
fn a_token_round_trips_and_equal_content_has_equal_text() {
    let keys = TokenKeys::new(&MasterSecret::generate(), "issuer");
    for generation in [0, 1, u32::MAX] {
        let (token, text) = token(&keys, generation);
        let read = keys.decode(text.expose()).unwrap();
        assert_eq!(read.record_key, token.record_key);
        assert_eq!(read.family, token.family);
        assert_eq!(read.generation, generation);
        assert_eq!(keys.encode(&read, keys.active()).unwrap(), text);
    }
}

#[test]
fn a_changed_character_of_a_token_is_rejected() {
    let keys = TokenKeys::new(&MasterSecret::generate(), "issuer");
    let (_, text) = token(&keys, 7);
    for position in 0..text.expose().len() {
        for other in ['A', 'B', '-', '_', '=', '+', '~'] {
            let mut changed: Vec<char> = text.expose().chars().collect();
            if changed[position] == other {
                continue;
            }
            changed[position] = other;
            let changed: String = changed.into_iter().collect();
            assert!(keys.decode(&changed).is_none(), "{position} {other}");
        }
    }
    for odd in [
        String::new(),
        "A".repeat(98),
        "A".repeat(65_536),
        format!("{}A", text.expose()),
    ] {
        assert!(keys.decode(&odd).is_none());
    }
}

#[test]
fn a_new_secret_makes_new_tokens_and_accepts_old_ones() {
    let old = MasterSecret::generate();
    let (first, second) = (
        TokenKeys::new(&old, "issuer"),
        TokenKeys::new(&MasterSecret::generate().accept(&old), "issuer"),
    );
    let (read, text) = token(&first, 1);
    assert!(second.decode(text.expose()).is_some());
    assert_ne!(second.active(), first.active());
    // Within the grace window, the successor is made with the key that made it first.
    assert_eq!(second.encode(&read, first.active()).unwrap(), text);
    assert_ne!(second.encode(&read, second.active()).unwrap(), text);
    let stranger = TokenKeys::new(&MasterSecret::generate(), "issuer");
    assert!(stranger.decode(text.expose()).is_none());
    assert!(stranger.encode(&read, first.active()).is_none());
    let kids: BTreeSet<_> = [first.active(), second.active(), stranger.active()].into();
    assert_eq!(kids.len(), 3);
}
