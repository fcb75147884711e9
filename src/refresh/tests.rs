//! The decisions on an account, in every history that chance makes up, and the forms of tokens and records.

use std::{collections::BTreeSet, time::Duration};

use proptest::prelude::*;

use super::{
    account::{Account, Bind, Entry, Moment, OnLimit, Presented, Terms, Turn},
    outages::Outage,
    record::{self, Device, Hash},
    token::{RefreshToken, TokenKeys},
};
use crate::{
    clock::{SKEW, Timestamp},
    secret::{self, MasterSecret, Secret, record::RecordKeys},
    store::Key,
};

const KID: [u8; 4] = *b"kid1";
const NODE: u64 = 1;

/// A decision at the node that has rotated, which knows of no outage.
const fn moment(now: Timestamp) -> Moment<'static> {
    Moment {
        now,
        node: NODE,
        outages: &[],
    }
}

fn terms() -> Terms {
    Terms {
        idle: Duration::from_secs(3_600),
        absolute: Duration::from_secs(36_000),
        rotates: true,
        grace: Duration::from_secs(10),
        outage_grace: Duration::from_secs(300),
        max_devices: 3,
        on_limit: OnLimit::default(),
        bind: Bind::Event,
    }
}

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_secs(1_000_000 + seconds)
}

fn device(family: u8, now: Timestamp, terms: &Terms) -> Device {
    Device {
        public_id: secret::random(),
        family: Hash::of(&[family]),
        generation: 0,
        kid: KID,
        rotated_at: now,
        rotated_on: NODE,
        created_at: now,
        used_at: now,
        idle_at: now.after(terms.idle),
        absolute_at: now.after(terms.absolute),
        proofs: vec![("pwd".to_owned(), now)],
        name: Some("Firefox".to_owned()),
        user_agent: None,
        fingerprint: None,
        rotated_by: None,
        key: None,
    }
}

fn account(terms: &Terms) -> Account {
    let mut account = Account::new("alice");
    for family in [1, 2] {
        let entry = account.enter(device(family, at(0), terms), None, terms, at(0));
        assert!(matches!(entry, Entry::Entered { .. }));
    }
    account
}

fn present(account: &mut Account, generation: u32, terms: &Terms, now: Timestamp) -> Turn {
    let family = Hash::of(&[1]);
    let presented = Presented {
        family,
        generation,
        key: None,
    };
    account.turn(&presented, &[], KID, terms, moment(now))
}

fn has_family(account: &Account, family: u8, now: Timestamp) -> bool {
    account
        .live(now)
        .any(|device| device.family == Hash::of(&[family]))
}

#[test]
fn each_generation_meets_its_case() {
    let terms = terms();
    let mut account = account(&terms);
    let turn = present(&mut account, 0, &terms, at(100));
    assert!(matches!(turn, Turn::Rotated { device, .. } if device.generation == 1));
    let turn = present(&mut account, 0, &terms, at(105));
    assert!(matches!(turn, Turn::Repeated { device } if device.generation == 1));
    let turn = present(&mut account, 1, &terms, at(106));
    assert!(matches!(turn, Turn::Rotated { device, .. } if device.generation == 2));
    assert!(matches!(
        present(&mut account, 0, &terms, at(116)),
        Turn::Late
    ));
    assert!(matches!(
        present(&mut account, 1, &terms, at(116)),
        Turn::Repeated { .. }
    ));
    let mut ahead = account.clone();
    assert!(matches!(
        present(&mut ahead, 3, &terms, at(116)),
        Turn::Ahead { .. }
    ));
    for reused in [0, 1] {
        let mut account = account.clone();
        let turn = present(
            &mut account,
            reused,
            &terms,
            Timestamp::from_millis(at(116).as_millis() + 1),
        );
        assert!(matches!(turn, Turn::Reused { .. }), "{reused}");
        assert!(!has_family(&account, 1, at(117)));
        assert!(
            has_family(&account, 2, at(117)),
            "the other device lives on"
        );
        assert!(matches!(
            present(&mut account, 2, &terms, at(117)),
            Turn::Gone
        ));
    }
}

fn present_to(account: &mut Account, generation: u32, terms: &Terms, moment: Moment<'_>) -> Turn {
    let presented = Presented {
        family: Hash::of(&[1]),
        generation,
        key: None,
    };
    account.turn(&presented, &[], KID, terms, moment)
}

/// The window is exact on the node that has rotated, and tolerates the skew of clocks on every other one.
#[test]
fn another_node_tolerates_the_skew_of_clocks() {
    let terms = terms();
    let mut rotated = account(&terms);
    assert!(matches!(
        present(&mut rotated, 0, &terms, at(100)),
        Turn::Rotated { .. }
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
        let turn = present_to(&mut rotated.clone(), 0, &terms, moment);
        assert_eq!(matches!(turn, Turn::Reused { .. }), is_reuse);
        assert_eq!(matches!(turn, Turn::Repeated { .. }), !is_reuse);
    }
    let hasty = Terms {
        grace: Duration::ZERO,
        ..terms
    };
    let turn = present_to(&mut rotated, 0, &hasty, other(at(100)));
    assert!(matches!(turn, Turn::Reused { .. }), "no grace is no grace");
}

/// Time without a store does not count, as far as it is known, lies behind the rotation, and is not too long.
#[test]
fn the_window_stands_still_while_the_store_does_not_answer() {
    let terms = terms();
    let mut rotated = account(&terms);
    assert!(matches!(
        present(&mut rotated, 0, &terms, at(100)),
        Turn::Rotated { .. }
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
            let turn = present_to(&mut rotated.clone(), 0, &terms, moment);
            assert_eq!(matches!(turn, Turn::Reused { .. }), is_reuse, "{outages:?}");
        }
    }
}

/// A login's write is made, its answer is lost, and somebody else's write comes before it is looked for: the login is
/// decided anew, on a record that has its device.
#[test]
fn a_login_that_is_decided_twice_is_one_device() {
    for on_limit in [OnLimit::EvictOldest, OnLimit::Reject] {
        let terms = Terms {
            on_limit,
            ..terms()
        };
        let mut account = account(&terms);
        let device = device(9, at(1), &terms);
        for _ in 0..3 {
            let entry = account.enter(device.clone(), Some(0), &terms, at(1));
            assert!(matches!(entry, Entry::Entered { evicted } if evicted.is_empty()));
        }
        assert_eq!(account.live(at(2)).count(), 3);
        assert!(account.leave(&Hash::of(&[9]), at(2)).is_some());
        assert!(!has_family(&account, 9, at(2)));
    }
}

/// A client that once says nothing of itself is neither let off for good nor cut off from its own retries.
#[test]
fn a_refresh_without_a_fingerprint_unbinds_nothing() {
    let (known, other) = (Hash::of(b"known"), Hash::of(b"other"));
    let terms = terms();
    let mut account = Account::new("alice");
    let mut bound = device(1, at(0), &terms);
    bound.fingerprint = Some(known);
    account.enter(bound, None, &terms, at(0));
    let mut turn = |generation, fingerprints: &[Hash], second| {
        let family = Hash::of(&[1]);
        let presented = Presented {
            family,
            generation,
            key: None,
        };
        account.turn(&presented, fingerprints, KID, &terms, moment(at(second)))
    };
    let foreign = |turn: Turn| {
        matches!(
            turn,
            Turn::Rotated {
                is_foreign: true,
                ..
            }
        )
    };
    let own = |turn: Turn| {
        matches!(
            turn,
            Turn::Rotated {
                is_foreign: false,
                ..
            }
        )
    };
    assert!(foreign(turn(0, &[], 1)));
    assert!(matches!(turn(0, &[], 2), Turn::Repeated { .. }));
    assert!(matches!(turn(0, &[known], 2), Turn::Late));
    assert!(foreign(turn(1, &[], 20)), "it is still bound");
    assert!(own(turn(2, &[known], 40)));
    assert!(matches!(turn(2, &[other], 41), Turn::Late));
    assert!(matches!(turn(2, &[known], 41), Turn::Repeated { .. }));
    assert!(foreign(turn(3, &[other], 60)));
    assert!(own(turn(4, &[other], 80)), "one change is told of once");
}

/// The epoch of an emptied record is there for as long as a login may take, however short devices live.
#[test]
fn the_mark_of_a_logout_everywhere_outlives_any_login() {
    let terms = Terms {
        absolute: Duration::from_secs(1),
        idle: Duration::from_secs(1),
        ..terms()
    };
    let mut account = account(&terms);
    account.clear(at(0));
    assert!(account.expires_at(at(0)) >= at(3_600));
}

#[test]
fn repeating_does_not_prolong_the_window() {
    let terms = terms();
    let mut account = account(&terms);
    present(&mut account, 0, &terms, at(100));
    for second in 100..=110 {
        assert!(matches!(
            present(&mut account, 0, &terms, at(second)),
            Turn::Repeated { .. }
        ));
    }
    assert!(matches!(
        present(&mut account, 0, &terms, at(111)),
        Turn::Reused { .. }
    ));
}

#[test]
fn without_grace_the_second_of_two_is_reuse() {
    let terms = Terms {
        grace: Duration::ZERO,
        ..terms()
    };
    let mut account = account(&terms);
    assert!(matches!(
        present(&mut account, 0, &terms, at(1)),
        Turn::Rotated { .. }
    ));
    assert!(matches!(
        present(&mut account, 0, &terms, at(1)),
        Turn::Reused { .. }
    ));
    assert!(matches!(
        present(&mut account, 1, &terms, at(1)),
        Turn::Gone
    ));
}

#[test]
fn without_rotation_the_token_stays_and_its_use_is_noted() {
    let terms = Terms {
        rotates: false,
        ..terms()
    };
    let mut account = account(&terms);
    for second in [1_000, 4_000, 7_000] {
        let turn = present(&mut account, 0, &terms, at(second));
        assert!(
            matches!(turn, Turn::Rotated { device, .. } if device.generation == 0 && device.used_at == at(second))
        );
    }
    assert!(
        matches!(present(&mut account, 0, &terms, at(10_600)), Turn::Gone),
        "idle for too long"
    );
}

#[test]
fn a_fingerprint_is_ignored_reported_or_required() {
    let (known, other) = (Hash::of(b"known"), Hash::of(b"other"));
    for (bind, given, expected) in [
        (Bind::Ignore, Some(other), "granted"),
        (Bind::Event, Some(known), "granted"),
        (Bind::Event, Some(other), "reported"),
        (Bind::Event, None, "reported"),
        (Bind::Refuse, Some(known), "granted"),
        (Bind::Refuse, Some(other), "refused"),
        (Bind::Refuse, None, "refused"),
    ] {
        let terms = Terms { bind, ..terms() };
        let mut account = account(&terms);
        account.devices[0].fingerprint = Some(known);
        let presented = Presented {
            family: Hash::of(&[1]),
            generation: 0,
            key: None,
        };
        let given: Vec<_> = given.into_iter().collect();
        let outcome = match account.turn(&presented, &given, KID, &terms, moment(at(1))) {
            Turn::Rotated {
                is_foreign: false, ..
            } => "granted",
            Turn::Rotated {
                is_foreign: true, ..
            } => "reported",
            Turn::Foreign { .. } => "refused",
            _ => "something else",
        };
        assert_eq!(outcome, expected, "{bind:?} {}", given.len());
        assert!(has_family(&account, 1, at(1)), "it stays logged in");
        // The retry of whoever was granted is granted, by the way it looks now.
        let again = account.turn(&presented, &given, KID, &terms, moment(at(2)));
        let is_same = matches!(again, Turn::Repeated { .. });
        assert_eq!(is_same, expected != "refused", "{bind:?}");
        // A stranger within the window does not get the successor.
        if bind != Bind::Ignore && expected != "refused" && !given.is_empty() {
            let stranger = account.turn(
                &presented,
                &[Hash::of(b"stranger")],
                KID,
                &terms,
                moment(at(3)),
            );
            assert!(matches!(stranger, Turn::Late), "{bind:?}");
        }
    }
}

#[test]
fn too_many_devices_give_way_by_policy() {
    for (on_limit, gone) in [
        (OnLimit::EvictOldest, Some(1)),
        (OnLimit::EvictLeastRecentlyUsed, Some(2)),
        (OnLimit::Reject, None),
    ] {
        let terms = Terms {
            on_limit,
            ..terms()
        };
        let mut account = account(&terms);
        account.enter(device(3, at(1), &terms), None, &terms, at(1));
        present(&mut account, 0, &terms, at(50));
        let third = Presented {
            family: Hash::of(&[3]),
            generation: 0,
            key: None,
        };
        account.turn(&third, &[], KID, &terms, moment(at(60)));
        let entry = account.enter(device(4, at(100), &terms), None, &terms, at(100));
        match gone {
            Some(gone) => {
                assert!(matches!(entry, Entry::Entered { evicted } if evicted.len() == 1));
                for family in [1, 2, 3, 4] {
                    assert_eq!(
                        has_family(&account, family, at(100)),
                        family != gone,
                        "{on_limit:?}"
                    );
                }
            }
            None => {
                assert!(matches!(entry, Entry::Full));
                assert!(!has_family(&account, 4, at(100)));
                assert!(has_family(&account, 1, at(100)));
            }
        }
    }
}

#[test]
fn dead_devices_take_no_place() {
    let terms = Terms {
        on_limit: OnLimit::Reject,
        max_devices: 2,
        ..terms()
    };
    let mut account = account(&terms);
    assert!(matches!(
        account.enter(device(3, at(1), &terms), None, &terms, at(1)),
        Entry::Full
    ));
    let entry = account.enter(device(3, at(3_600), &terms), None, &terms, at(3_600));
    assert!(matches!(entry, Entry::Entered { evicted } if evicted.is_empty()));
    assert_eq!(account.devices.len(), 1);
}

#[test]
fn a_login_that_began_before_everything_was_ended_comes_to_nothing() {
    let terms = terms();
    let mut account = account(&terms);
    let before = account.epoch;
    assert_eq!(account.clear(at(0)).len(), 2);
    let entry = account.enter(device(3, at(1), &terms), Some(before), &terms, at(1));
    assert!(matches!(entry, Entry::Withdrawn));
    let since = Some(account.epoch);
    let entry = account.enter(device(3, at(1), &terms), since, &terms, at(1));
    assert!(matches!(entry, Entry::Entered { .. }));
}

#[test]
fn others_are_ended_by_the_current_token_of_ones_own_device_alone() {
    let terms = terms();
    let mut account = account(&terms);
    let own = account.devices[0].id();
    let other = account.devices[1].id();
    let token = |family: u8, generation| Presented {
        family: Hash::of(&[family]),
        generation,
        key: None,
    };
    present(&mut account, 0, &terms, at(100));
    present(&mut account, 1, &terms, at(200));
    for (id, presented) in [
        (&own, token(2, 0)),
        (&other, token(1, 2)),
        (&own, token(1, 0)),
        (&own, token(1, 3)),
        (&own, token(9, 0)),
    ] {
        assert!(
            account
                .end_others(id, &presented, &terms, moment(at(211)))
                .is_none()
        );
        assert_eq!(account.devices.len(), 2);
    }
    let ended = account
        .end_others(&own, &token(1, 2), &terms, moment(at(211)))
        .unwrap();
    assert_eq!(ended.len(), 1);
    assert_eq!(account.devices.len(), 1);
    assert!(has_family(&account, 1, at(211)));
}

/// A step of a history. Numbers choose among what there is.
#[derive(Clone, Debug)]
enum Act {
    Wait(u64),
    /// The client asks; the answer comes at once.
    Refresh,
    /// The client asks, and the request is delivered later.
    Send,
    Deliver(usize),
    /// A thief uses a token that the client had, and that was replaced longer ago than the window.
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

/// A step of a history with two nodes and a store that is not always there.
#[derive(Clone, Copy, Debug)]
enum Trial {
    Wait(u64),
    Refresh {
        node: usize,
        is_lost: bool,
    },
    /// The store falls silent as the client asks; as it comes back, the client asks again at the other node.
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

    /// Whatever happens in whatever order: one successor at a time; an honest client stays logged in until somebody logs
    /// out or steals; the absolute end does not move; and what has ended stays so.
    #[test]
    fn no_history_leaves_two_successors_or_logs_out_an_honest_client(acts in acts()) {
        let terms = terms();
        let grace = u64::try_from(terms.grace.as_millis()).unwrap();
        let mut account = account(&terms);
        let absolute_at = account.devices[0].absolute_at;
        let mut now = at(0).as_millis();
        let mut newest = 0;
        let mut replaced_at: Vec<u64> = Vec::new();
        let mut under_way: Vec<(u64, u32)> = Vec::new();
        let mut is_over = false;
        for act in acts {
            let mut asks = Vec::new();
            match act {
                Act::Wait(millis) => {
                    // Nothing is under way for longer than the window.
                    let deadline = under_way.iter().map(|(sent, _)| sent + grace).min();
                    now = (now + millis).min(deadline.unwrap_or(u64::MAX));
                }
                Act::Refresh => asks.push(newest),
                Act::Send => under_way.push((now, newest)),
                Act::Deliver(which) if !under_way.is_empty() => {
                    let which = which % under_way.len();
                    asks.push(under_way.swap_remove(which).1);
                }
                Act::Deliver(_) => {}
                Act::Steal(which) => {
                    let old = |generation: &usize| now > replaced_at[*generation] + grace
                        && now > replaced_at[replaced_at.len() - 1] + grace;
                    let old: Vec<_> = (0..replaced_at.len()).filter(old).collect();
                    if let Some(stolen) = old.get(which % old.len().max(1)) {
                        let stolen = u32::try_from(*stolen).unwrap();
                        let turn = present(&mut account, stolen, &terms, Timestamp::from_millis(now));
                        let is_refused = matches!(turn, Turn::Reused { .. } | Turn::Gone);
                        prop_assert!(is_refused);
                        is_over = true;
                    }
                }
                Act::Logout => {
                    account.leave(&Hash::of(&[1]), Timestamp::from_millis(now));
                    is_over = true;
                }
            }
            let time = Timestamp::from_millis(now);
            is_over |= !has_family(&account, 1, time) && now >= at(0).as_millis() + 3_600_000;
            for generation in asks {
                match present(&mut account, generation, &terms, time) {
                    Turn::Rotated { device, .. } => {
                        prop_assert!(!is_over);
                        prop_assert_eq!(device.generation, newest + 1);
                        prop_assert_eq!(device.absolute_at, absolute_at);
                        replaced_at.push(now);
                        newest = device.generation;
                    }
                    Turn::Repeated { device } => {
                        prop_assert!(!is_over);
                        prop_assert_eq!(device.generation, newest, "one successor");
                    }
                    Turn::Late => prop_assert!(has_family(&account, 1, time)),
                    Turn::Gone => prop_assert!(is_over),
                    _ => prop_assert!(false, "an honest client was taken for a thief"),
                }
            }
            prop_assert_eq!(has_family(&account, 1, time), !is_over);
        }
    }

    /// Two nodes whose clocks differ, a store that comes and goes, answers that are lost and writes that are made late:
    /// a client that tries again as soon as it can stays logged in, and a token that was replaced longer ago than all of
    /// that can explain is noticed.
    #[test]
    fn no_order_of_outage_write_retry_and_theft_takes_a_client_for_a_thief_or_a_thief_for_a_client(
        trials in trials(), ahead in 0..30_000_u64, is_behind: bool,
    ) {
        let terms = terms();
        let grace = 10_000_u64;
        let mut account = account(&terms);
        let offsets = if is_behind { [ahead, 0] } else { [0, ahead] };
        let mut outages: [Vec<Outage>; 2] = [Vec::new(), Vec::new()];
        let mut now = at(0).as_millis();
        // What the client holds, and when the last rotation was, without the outages since.
        let (mut held, mut since_rotation, mut silence) = (0_u32, u64::MAX / 2, 0_u64);
        let mut is_over = false;
        for trial in trials {
            if is_over || now > at(3_000).as_millis() {
                break;
            }
            let generation = account.devices[0].generation;
            let is_unanswered = generation > held;
            let (node, asks) = match trial {
                Trial::Wait(millis) => {
                    // An honest client tries again within the window.
                    let most = grace.saturating_sub(since_rotation);
                    let millis = if is_unanswered { millis.min(most) } else { millis };
                    now += millis;
                    since_rotation = since_rotation.saturating_add(millis);
                    continue;
                }
                Trial::Refresh { node, .. } => (node, held),
                Trial::Outage { node, millis } => {
                    let millis = millis.min(300_000_u64.saturating_sub(silence));
                    // The write of this attempt is made as the store comes back.
                    if !is_unanswered {
                        let time = Timestamp::from_millis(now + offsets[node]);
                        let known = outages[node].clone();
                        let moment = Moment { now: time, node: node as u64, outages: &known };
                        let turn = present_to(&mut account, held, &terms, moment);
                        let is_rotated = matches!(turn, Turn::Rotated { .. });
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
                    // Only where nothing else explains it.
                    let skew = u64::try_from(SKEW.as_millis()).unwrap();
                    let is_old = since_rotation > grace + 2 * skew;
                    let Some(stolen) = held.checked_sub(1 + which % held.max(1)) else { continue };
                    if !is_old || is_unanswered {
                        continue;
                    }
                    let time = Timestamp::from_millis(now + offsets[node]);
                    let moment = Moment { now: time, node: node as u64, outages: &outages[node] };
                    let turn = present_to(&mut account, stolen, &terms, moment);
                    let is_noticed = matches!(turn, Turn::Reused { .. });
                    prop_assert!(is_noticed);
                    is_over = true;
                    continue;
                }
            };
            let time = Timestamp::from_millis(now + offsets[node]);
            let moment = Moment { now: time, node: node as u64, outages: &outages[node] };
            match present_to(&mut account, asks, &terms, moment) {
                Turn::Rotated { device, .. } => {
                    prop_assert_eq!(device.generation, asks + 1);
                    (since_rotation, silence) = (0, 0);
                    if !matches!(trial, Trial::Refresh { is_lost: true, .. }) {
                        held = device.generation;
                    }
                }
                Turn::Repeated { device } => {
                    prop_assert_eq!(device.generation, asks + 1, "one successor");
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
        let terms = terms();
        let mut account = account(&terms);
        account.epoch = epoch;
        account.devices[0].generation = generation;
        account.devices[1].name = Some(name);
        let keys = RecordKeys::new(&MasterSecret::generate(), "test", "issuer");
        let here = Key::new(super::NAMESPACE, &[b"issuer", b"alice"]);
        let value = record::encode(&keys, &here, &account).unwrap();
        let read = record::decode(&keys, &here, &value).unwrap();
        prop_assert_eq!(serde_json::to_value(&read)?, serde_json::to_value(&account)?);
        for device in &account.devices {
            prop_assert!(record::has_device(&keys, &here, &value, &device.id()).unwrap());
        }
        let other = "AAAAAAAAAAAAAAAAAAAAAA";
        prop_assert!(!record::has_device(&keys, &here, &value, other).unwrap());
        let cut = &value[..cut.min(value.len() - 1)];
        prop_assert!(record::decode(&keys, &here, cut).is_err());
        let mut damaged = value.to_vec();
        damaged[(flipped / 8) % value.len()] ^= 1 << (flipped % 8);
        prop_assert!(record::decode(&keys, &here, &damaged).is_err());
        let id = account.devices[0].id();
        prop_assert!(record::has_device(&keys, &here, &damaged, &id).is_err());
        let there = Key::new(super::NAMESPACE, &[b"issuer", b"bob"]);
        prop_assert!(record::decode(&keys, &there, &value).is_err(), "moved to another user");
    }
}

fn token(keys: &TokenKeys, generation: u32) -> (RefreshToken, Secret<String>) {
    let token = RefreshToken {
        account: Key::new(super::NAMESPACE, &[b"issuer", b"alice"]),
        family: Secret::new(secret::random()),
        generation,
    };
    let text = keys.encode(&token, keys.active()).unwrap();
    (token, text)
}

#[test]
fn a_token_survives_its_text_and_one_content_is_one_text() {
    let keys = TokenKeys::new(&MasterSecret::generate(), "issuer");
    for generation in [0, 1, u32::MAX] {
        let (token, text) = token(&keys, generation);
        let read = keys.decode(text.expose()).unwrap();
        assert_eq!(read.account, token.account);
        assert_eq!(read.family, token.family);
        assert_eq!(read.generation, generation);
        assert_eq!(keys.encode(&read, keys.active()).unwrap(), text);
    }
}

#[test]
fn no_changed_character_of_a_token_is_let_through() {
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
fn a_new_secret_makes_new_tokens_and_reads_old_ones() {
    let old = MasterSecret::generate();
    let (first, second) = (
        TokenKeys::new(&old, "issuer"),
        TokenKeys::new(&MasterSecret::generate().accept(&old), "issuer"),
    );
    let (read, text) = token(&first, 1);
    assert!(second.decode(text.expose()).is_some());
    assert_ne!(second.active(), first.active());
    // Within the grace window the successor is made with the key that made it first.
    assert_eq!(second.encode(&read, first.active()).unwrap(), text);
    assert_ne!(second.encode(&read, second.active()).unwrap(), text);
    let stranger = TokenKeys::new(&MasterSecret::generate(), "issuer");
    assert!(stranger.decode(text.expose()).is_none());
    assert!(stranger.encode(&read, first.active()).is_none());
    let kids: BTreeSet<_> = [first.active(), second.active(), stranger.active()].into();
    assert_eq!(kids.len(), 3);
}
