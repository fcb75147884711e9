//! The decisions on a record, with `now` passed in, and the stored format.

use std::time::Duration;

use super::{
    encoding::{OtpOpenError, OtpRecordKeys},
    record::{ActiveAuthenticator, OtpAttempt, OtpDecision, OtpPolicy, OtpRecord},
    recovery::RecoveryCodes,
    *,
};
use crate::{clock::Timestamp, secret::MasterSecret, store::StoreKey};

const START: Timestamp = Timestamp::from_secs(1_767_225_600);
const WRONG: OtpDecision = OtpDecision::Wrong {
    locks: false,
    caps: false,
};

fn policy() -> OtpPolicy {
    OtpPolicy {
        window: 1,
        look_ahead: 5,
        resync: 100,
        max_failures: 5,
        lock: Duration::from_secs(900),
        pending: Duration::from_secs(900),
    }
}

fn at(seconds: i64) -> Timestamp {
    let start = i64::try_from(START.as_secs()).unwrap();
    Timestamp::from_secs(u64::try_from(start + seconds).unwrap())
}

fn record(scheme: impl Into<OtpScheme>) -> OtpRecord {
    OtpRecord {
        active: Some(ActiveAuthenticator {
            scheme: scheme.into(),
            secret: OtpSecret::new(b"12345678901234567890").unwrap(),
            last: None,
        }),
        ..OtpRecord::new()
    }
}

/// What the authenticator of [`record`] shows `seconds` after the start.
fn shown(seconds: i64) -> String {
    let secret = OtpSecret::new(b"12345678901234567890").unwrap();
    Totp::new().code(&secret, at(seconds)).expose().clone()
}

fn pressed(counter: u64) -> String {
    let secret = OtpSecret::new(b"12345678901234567890").unwrap();
    Hotp::new().code(&secret, counter).expose().clone()
}

fn verify(record: &mut OtpRecord, code: &str, now: Timestamp) -> OtpDecision {
    record.attempt(&OtpAttempt::Code(code), &policy(), now)
}

fn is_accepted(verdict: OtpDecision) -> bool {
    matches!(verdict, OtpDecision::Accepted { .. })
}

#[test]
fn a_code_is_good_one_period_before_and_after_its_own_and_no_longer() {
    let code = shown(0);
    for (now, is_good) in [
        (-31, false),
        (-30, true),
        (0, true),
        (59, true),
        (60, false),
    ] {
        let verdict = verify(&mut record(Totp::new()), &code, at(now));
        assert_eq!(is_accepted(verdict), is_good, "{now}");
    }
}

#[test]
fn the_same_step_again_is_refused_for_as_long_as_its_window_lasts_and_never_counted() {
    let mut record = record(Totp::new());
    let code = shown(0);
    assert!(is_accepted(verify(&mut record, &code, at(-30))));
    for now in -30..60 {
        assert_eq!(verify(&mut record, &code, at(now)), OtpDecision::Replayed);
        assert_eq!(record.failures, 0);
    }
    assert_eq!(
        verify(&mut record, &code, at(60)),
        WRONG,
        "out of its window"
    );
}

#[test]
fn an_older_step_after_a_newer_is_refused_also_when_the_clock_was_set_back() {
    let mut record = record(Totp::new());
    assert!(is_accepted(verify(&mut record, &shown(30), at(0))));
    for older in [-30, 0] {
        assert_eq!(
            verify(&mut record, &shown(older), at(0)),
            OtpDecision::Replayed
        );
    }
    for back in [0, -3_600, -86_400] {
        let verdict = verify(&mut record, &shown(back), at(back));
        assert_eq!(verdict, OtpDecision::Replayed, "{back}");
    }
    assert!(is_accepted(verify(&mut record, &shown(60), at(60))));
}

#[test]
fn the_fifth_failure_locks_and_nothing_prolongs_the_lock() {
    let mut record = record(Totp::new());
    for n in 1..=5 {
        let verdict = verify(&mut record, "000000", at(0));
        assert_eq!(
            verdict,
            OtpDecision::Wrong {
                locks: n == 5,
                caps: false
            }
        );
    }
    let until = record.locked_until;
    assert_eq!(until, at(900));
    for now in [0, 1, 899] {
        for code in ["000000", &shown(now)] {
            let left = Duration::from_secs(u64::try_from(900 - now).unwrap());
            assert_eq!(
                verify(&mut record, code, at(now)),
                OtpDecision::Locked(left)
            );
            assert_eq!((record.locked_until, record.failures), (until, 0));
        }
    }
    assert!(is_accepted(verify(&mut record, &shown(900), at(900))));
}

#[test]
fn a_lock_shows_no_longer_wait_than_it_lasts_when_the_clock_was_set_back() {
    let mut record = record(Totp::new());
    record.locked_until = at(900);
    let verdict = verify(&mut record, "000000", at(-86_400));
    assert_eq!(verdict, OtpDecision::Locked(Duration::from_secs(900)));
}

#[test]
fn what_is_right_ends_the_row_of_failures() {
    let mut record = record(Totp::new());
    for round in 0..10 {
        for _ in 0..4 {
            assert_eq!(verify(&mut record, "000000", at(30 * round)), WRONG);
        }
        assert!(is_accepted(verify(
            &mut record,
            &shown(30 * round),
            at(30 * round)
        )));
        assert_eq!(record.failures, 0);
    }
}

#[test]
fn anything_but_its_digits_is_a_wrong_code_and_counts() {
    let code = shown(0);
    let in_script = |zero: u32| -> String {
        let digits = code.bytes().map(|digit| zero + u32::from(digit - b'0'));
        digits.map(|c| char::from_u32(c).unwrap()).collect()
    };
    let malformed = [
        String::new(),
        " ".to_owned(),
        format!(" {code}"),
        format!("{code} "),
        format!("{code}\n"),
        format!("{} {}", &code[..3], &code[3..]),
        format!("{}-{}", &code[..3], &code[3..]),
        format!("+{code}"),
        format!("-{code}"),
        format!("+{}", &code[1..]),
        format!("0{code}"),
        code[1..].to_owned(),
        format!("{code}0"),
        format!("0x{code}"),
        format!("{code}.0"),
        format!("{code}\0"),
        "abcdef".to_owned(),
        "1e5".to_owned(),
        in_script(0x660),   // Arabic-Indic
        in_script(0x966),   // Devanagari
        in_script(0xff10),  // fullwidth
        in_script(0x1d7ce), // mathematical bold
        "9".repeat(100_000),
    ];
    for text in malformed {
        let mut record = record(Totp::new());
        assert_eq!(verify(&mut record, &text, at(0)), WRONG, "{text:?}");
        assert_eq!(record.failures, 1, "{text:?}");
        assert!(is_accepted(verify(&mut record, &code, at(0))));
    }
}

#[test]
fn a_counter_is_looked_for_ahead_and_only_grows() {
    let mut record = record(Hotp::new());
    assert!(
        is_accepted(verify(&mut record, &pressed(5), at(0))),
        "five ahead of 0"
    );
    assert_eq!(
        verify(&mut record, &pressed(5), at(0)),
        OtpDecision::Replayed
    );
    assert_eq!(verify(&mut record, &pressed(4), at(0)), WRONG);
    assert_eq!(
        verify(&mut record, &pressed(12), at(0)),
        WRONG,
        "six ahead of 6"
    );
    assert!(is_accepted(verify(&mut record, &pressed(11), at(0))));
    assert_eq!(record.active.as_ref().unwrap().last, Some(11));
    let mut record = tests::record(Hotp::new());
    assert_eq!(verify(&mut record, &pressed(6), at(0)), WRONG);
}

#[test]
fn a_lost_counter_is_found_by_two_codes_in_a_row() {
    let pair = |record: &mut OtpRecord, first, second| {
        let codes = [&*pressed(first), &*pressed(second)];
        record.attempt(&OtpAttempt::Pair(codes), &policy(), at(0))
    };
    let mut record = record(Hotp::new());
    assert_eq!(pair(&mut record, 50, 52), WRONG);
    assert_eq!(pair(&mut record, 51, 50), WRONG);
    assert_eq!(pair(&mut record, 101, 102), WRONG, "beyond the window");
    assert!(is_accepted(pair(&mut record, 100, 101)));
    assert_eq!(pair(&mut record, 100, 101), WRONG, "used up");
    assert_eq!(
        verify(&mut record, &pressed(101), at(0)),
        OtpDecision::Replayed
    );
    assert!(is_accepted(verify(&mut record, &pressed(102), at(0))));
    let mut by_time = tests::record(Totp::new());
    assert_eq!(pair(&mut by_time, 0, 1), OtpDecision::Absent);
}

#[test]
fn a_counter_at_its_end_neither_wraps_nor_falls() {
    let mut record = record(Hotp::new());
    record.active.as_mut().unwrap().last = Some(u64::MAX - 1);
    assert!(is_accepted(verify(&mut record, &pressed(u64::MAX), at(0))));
    assert_eq!(verify(&mut record, &pressed(0), at(0)), WRONG);
    assert_eq!(
        verify(&mut record, &pressed(u64::MAX), at(0)),
        OtpDecision::Replayed
    );
}

#[test]
fn an_enrolment_waits_for_its_first_code_and_leaves_what_is_there_alone() {
    let mut record = record(Totp::new());
    let next = OtpSecret::new(b"09876543210987654321").unwrap();
    let enroll = |is_proved, record: &mut OtpRecord| {
        record.enroll(
            Totp::new().into(),
            next.clone(),
            is_proved,
            &policy(),
            at(0),
        )
    };
    assert!(!enroll(false, &mut record));
    assert!(record.pending.is_none());
    assert!(enroll(true, &mut record));
    assert!(
        is_accepted(verify(&mut record, &shown(0), at(0))),
        "the old one"
    );

    let codes = RecoveryCodes::generate();
    let confirm = |record: &mut OtpRecord, code: &str, now| {
        let recovery = &codes.hashes();
        record.attempt(&OtpAttempt::Confirm { code, recovery }, &policy(), now)
    };
    let code = |now| Totp::new().code(&next, now).expose().clone();
    assert_eq!(confirm(&mut record, &shown(30), at(30)), WRONG);
    assert_eq!(
        confirm(&mut record.clone(), &code(at(900)), at(900)),
        OtpDecision::Absent
    );
    assert!(is_accepted(confirm(&mut record, &code(at(899)), at(899))));
    assert_eq!(record.recovery.len(), 10);
    assert_eq!(
        confirm(&mut record, &code(at(899)), at(899)),
        OtpDecision::Absent
    );
    assert_eq!(
        verify(&mut record, &code(at(899)), at(899)),
        OtpDecision::Replayed,
        "a code works once"
    );
    assert_eq!(
        verify(&mut record, &shown(930), at(930)),
        WRONG,
        "the old one is invalid"
    );
}

#[test]
fn a_recovery_code_works_once_and_a_lock_holds_for_it_too() {
    let codes = RecoveryCodes::generate();
    let mut record = record(Totp::new());
    record.recovery = codes.hashes();
    let recover = |record: &mut OtpRecord, code: &str| {
        record.attempt(&OtpAttempt::Recovery(code), &policy(), at(0))
    };
    for (n, code) in codes.iter().enumerate().take(9) {
        let left = OtpDecision::Accepted {
            recovery_left: 9 - n,
        };
        assert_eq!(recover(&mut record, code), left);
        // A user who has lost the phone tries the list from the top, more than once.
        for _ in 0..10 {
            assert_eq!(recover(&mut record, code), OtpDecision::Replayed);
        }
        assert_eq!((record.failures, record.recovery.len()), (0, 9 - n));
    }
    for _ in 0..4 {
        assert_eq!(recover(&mut record, &"A".repeat(24)), WRONG);
    }
    assert_eq!(
        recover(&mut record, &"A".repeat(24)),
        OtpDecision::Wrong {
            locks: true,
            caps: false
        },
        "an unknown code counts"
    );
    let last = codes.iter().last().unwrap();
    record.locked_until = at(900);
    assert_eq!(
        recover(&mut record, last),
        OtpDecision::Locked(Duration::from_secs(900))
    );
    assert_eq!(record.recovery.len(), 1);
}

/// NIST SP 800-63B-4 section 3.2.2. Locks slow a guesser down, and this stops it.
#[test]
fn a_hundred_wrong_codes_in_a_row_end_the_codes_and_a_recovery_code_begins_anew() {
    let codes = RecoveryCodes::generate();
    let mut record = record(Totp::new());
    record.recovery = codes.hashes();
    let mut now = 0;
    for n in 1..=100 {
        let verdict = verify(&mut record, "000000", at(now));
        let (locks, caps) = (n % 5 == 0, n == 100);
        assert_eq!(verdict, OtpDecision::Wrong { locks, caps });
        now += if locks { 900 } else { 0 };
    }
    for code in ["000000", &shown(now)] {
        assert_eq!(verify(&mut record, code, at(now)), OtpDecision::Capped);
    }
    let pair = record.attempt(&OtpAttempt::Pair(["", ""]), &policy(), at(now));
    assert_eq!(pair, OtpDecision::Capped);
    // A wrong recovery code does not end this state, and a right one does.
    let mut recover = |code: &str| record.attempt(&OtpAttempt::Recovery(code), &policy(), at(now));
    assert_eq!(recover(&"A".repeat(24)), WRONG);
    assert!(is_accepted(recover(codes.iter().next().unwrap())));
    assert!(is_accepted(verify(&mut record, &shown(now), at(now))));
    // So does another authenticator, which only a caller with a proof may enroll.
    record.consecutive_failures = 100;
    let secret = OtpSecret::generate();
    assert!(record.enroll(Totp::new().into(), secret.clone(), true, &policy(), at(now)));
    let code = Totp::new().code(&secret, at(now)).expose().clone();
    let confirm = OtpAttempt::Confirm {
        code: &code,
        recovery: &[],
    };
    assert!(is_accepted(record.attempt(&confirm, &policy(), at(now))));
    assert_eq!(record.consecutive_failures, 0);
}

#[test]
fn without_a_confirmed_authenticator_no_code_is_right() {
    let mut record = OtpRecord::new();
    for attempt in [
        OtpAttempt::Code(&shown(0)),
        OtpAttempt::Recovery("A"),
        OtpAttempt::Pair(["", ""]),
        OtpAttempt::Confirm {
            code: &shown(0),
            recovery: &[],
        },
    ] {
        assert_eq!(
            record.attempt(&attempt, &policy(), at(0)),
            OtpDecision::Absent
        );
    }
    assert_eq!(record.failures, 0);
}

fn key() -> StoreKey {
    StoreKey::new("otp", &[b"alice"])
}

fn full_record() -> OtpRecord {
    let mut record = record(
        Hotp::new()
            .with_digits(8)
            .unwrap()
            .with_digest(Digest::Sha512),
    );
    record.active.as_mut().unwrap().last = Some(7);
    let period = Totp::new().with_period(Duration::from_secs(45)).unwrap();
    assert!(record.enroll(period.into(), OtpSecret::generate(), true, &policy(), at(0)));
    record.recovery = RecoveryCodes::generate().hashes();
    record.used = RecoveryCodes::generate().hashes();
    record.subject = "älice".to_owned();
    record.failures = 3;
    record.locked_until = at(5);
    record
}

#[test]
fn a_record_comes_back_as_it_was_stored() {
    let keys = OtpRecordKeys::new(&MasterSecret::generate(), "issuer");
    for record in [OtpRecord::new(), record(Totp::new()), full_record()] {
        let value = keys.encode(&record, &key()).unwrap();
        let read = keys.decode(&value, &key()).unwrap();
        let (known, found) = (record.active.as_ref(), read.active.as_ref());
        let active = |it: Option<&ActiveAuthenticator>| it.map(|it| (it.scheme, it.last));
        assert_eq!(active(known), active(found));
        assert!(known.map(|it| &it.secret) == found.map(|it| &it.secret));
        let pending = |it: &OtpRecord| it.pending.as_ref().map(|it| (it.scheme, it.expires_at));
        assert_eq!(pending(&record), pending(&read));
        assert_eq!(read.recovery, record.recovery);
        assert_eq!((read.used, read.subject), (record.used, record.subject));
        assert_eq!(
            (read.failures, read.locked_until),
            (record.failures, record.locked_until)
        );
    }
}

#[test]
fn no_flipped_bit_cut_or_move_of_a_record_goes_unnoticed() {
    let keys = OtpRecordKeys::new(&MasterSecret::generate(), "issuer");
    let value = keys.encode(&full_record(), &key()).unwrap();
    for at in 0..value.len() {
        let mut changed = value.to_vec();
        changed[at] ^= 1;
        assert!(keys.decode(&changed, &key()).is_err(), "byte {at}");
        assert!(keys.decode(&value[..at], &key()).is_err(), "{at} bytes");
    }
    assert!(
        keys.decode(&value, &StoreKey::new("otp", &[b"bob"]))
            .is_err()
    );
}

#[test]
fn a_record_opens_with_an_accepted_secret_and_is_sealed_with_the_active_one() {
    let old = MasterSecret::generate();
    let new = MasterSecret::generate();
    let value = OtpRecordKeys::new(&old, "issuer")
        .encode(&full_record(), &key())
        .unwrap();
    let both = OtpRecordKeys::new(&new.clone().accept(&old), "issuer");
    let record = both.decode(&value, &key()).unwrap();
    let retired = OtpRecordKeys::new(&new, "issuer").decode(&value, &key());
    assert_eq!(retired.err(), Some(OtpOpenError::Retired));
    let value = both.encode(&record, &key()).unwrap();
    assert!(
        OtpRecordKeys::new(&new, "issuer")
            .decode(&value, &key())
            .is_ok()
    );
    let retired = OtpRecordKeys::new(&old, "issuer").decode(&value, &key());
    assert_eq!(retired.err(), Some(OtpOpenError::Retired));
    // The id of a key is not its secret, and differs from that of another key.
    let ids: Vec<_> = both.ids().collect();
    assert!(ids.len() == 2 && ids[0] != ids[1]);
    assert_eq!(OtpRecordKeys::id_of(&value), Some(ids[0]));
}

mod properties {
    use proptest::prelude::*;

    use super::*;

    /// What may happen to a record: the clock moves on or back, and codes are sent.
    #[derive(Clone, Debug)]
    enum Step {
        Move(i64),
        Right(i64),
        Wrong,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            (-90_i64..200).prop_map(Step::Move),
            (-2_i64..=2).prop_map(Step::Right),
            Just(Step::Wrong),
        ];
        prop::collection::vec(step, 1..80)
    }

    proptest! {
        /// In any order of events, no step is accepted twice or after a newer one, a lock lasts
        /// until its end, and at most five wrong codes are checked before one.
        #[test]
        fn no_history_accepts_a_step_twice_or_looks_at_a_sixth_guess(steps in steps()) {
            let mut record = record(Totp::new());
            let (mut now, mut newest, mut row, mut locked_until) = (0_i64, None, 0, None);
            for step in steps {
                let (verdict, sent) = match step {
                    Step::Move(seconds) => {
                        now += seconds;
                        continue;
                    }
                    Step::Right(offset) => {
                        let moment = now + 30 * offset;
                        (verify(&mut record, &shown(moment), at(now)), Some(at(moment).as_secs() / 30))
                    }
                    Step::Wrong => (verify(&mut record, "wrong!", at(now)), None),
                };
                let is_locked = locked_until.is_some_and(|until| now < until);
                prop_assert_eq!(is_locked, matches!(verdict, OtpDecision::Locked(_)));
                match verdict {
                    OtpDecision::Accepted { .. } => {
                        prop_assert!(sent > newest);
                        newest = sent;
                        row = 0;
                    }
                    OtpDecision::Wrong { locks, .. } => {
                        row += 1;
                        prop_assert_eq!(locks, row == 5);
                        if locks {
                            (row, locked_until) = (0, Some(now + 900));
                        }
                    }
                    OtpDecision::Replayed => prop_assert!(sent <= newest),
                    OtpDecision::Locked(_) => {}
                    OtpDecision::Absent | OtpDecision::Capped => prop_assert!(false),
                }
            }
        }
    }
}
