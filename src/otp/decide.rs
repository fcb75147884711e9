//! Every decision on a record.
//!
//! A decision is a pure function of the record, the attempt and the time. What it says becomes true, and leaves, only
//! when the new record has been written over the one it was made on.

use std::{ops::RangeInclusive, time::Duration};

use super::{
    code::{find, find_pair},
    record::{ActiveAuthenticator, OtpRecord, PendingAuthenticator},
    recovery::{self, Hash},
    scheme::Scheme,
    secret::OtpSecret,
};
use crate::{clock::Timestamp, secret::equal};

/// What is tolerated, and for how long.
#[derive(Clone, Debug)]
pub(super) struct OtpPolicy {
    /// Periods before and after the current one.
    pub(super) window: u64,
    /// Counters after the next one.
    pub(super) look_ahead: u64,
    /// Counters in which two codes in a row are looked for.
    pub(super) resync: u64,
    pub(super) max_failures: u8,
    pub(super) lock: Duration,
    pub(super) pending: Duration,
}

/// What a user comes with.
pub(super) enum OtpAttempt<'a> {
    /// A code of the confirmed authenticator.
    Code(&'a str),
    /// The first code of a new one, and the recovery codes that it will have.
    Confirm { code: &'a str, recovery: &'a [Hash] },
    /// Two codes in a row of a token whose counter is far ahead.
    Pair([&'a str; 2]),
    /// A recovery code.
    Recovery(&'a str),
}

/// What an attempt comes to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum OtpDecision {
    /// It is right, and used up.
    Accepted { recovery_left: usize },
    /// The code was right once, or an older one than the last that was. A recovery code was used.
    Replayed,
    /// It is wrong, and counts. `locks` says that it was one too many for now, `caps` that it was for good.
    Wrong { locks: bool, caps: bool },
    /// It was not looked at, and none will be: too many were wrong in a row.
    Capped,
    /// It was not looked at, and none will be for so long.
    Locked(Duration),
    /// There is nothing that it could be for.
    Absent,
}

impl OtpDecision {
    /// Whether the record was changed by it.
    pub(super) const fn is_change(self) -> bool {
        matches!(self, Self::Accepted { .. } | Self::Wrong { .. })
    }
}

/// What an attempt is found to be, before it is counted.
enum Finding {
    Right,
    Used,
    Wrong,
    Absent,
}

impl OtpRecord {
    /// Judges an attempt, uses up what is right, and counts what is wrong.
    pub(super) fn attempt(
        &mut self,
        attempt: &OtpAttempt<'_>,
        policy: &OtpPolicy,
        now: Timestamp,
    ) -> OtpDecision {
        if now < self.locked_until {
            return OtpDecision::Locked(self.locked_until.since(now).min(policy.lock));
        }
        // A recovery code is another authenticator, and the way out; so is a new one.
        let is_capped = self.row >= MAX_ROW;
        if is_capped && matches!(attempt, OtpAttempt::Code(_) | OtpAttempt::Pair(_)) {
            return OtpDecision::Capped;
        }
        let finding = match attempt {
            OtpAttempt::Code(code) => self.use_code(code, policy, now),
            OtpAttempt::Confirm { code, recovery } => self.confirm(code, recovery, policy, now),
            OtpAttempt::Pair(codes) => self.resynchronize(*codes, policy),
            OtpAttempt::Recovery(code) => self.use_recovery(code),
        };
        match finding {
            Finding::Right => {
                (self.failures, self.row) = (0, 0);
                OtpDecision::Accepted {
                    recovery_left: self.recovery.len(),
                }
            }
            Finding::Used => OtpDecision::Replayed,
            Finding::Absent => OtpDecision::Absent,
            Finding::Wrong => self.count(policy, now),
        }
    }

    /// Begins an enrolment; `false` if there is one and `is_proved` does not say that its owner asks.
    pub(super) fn enroll(
        &mut self,
        scheme: Scheme,
        secret: OtpSecret,
        is_proved: bool,
        policy: &OtpPolicy,
        now: Timestamp,
    ) -> bool {
        if self.active.is_some() && !is_proved {
            return false;
        }
        self.pending = Some(PendingAuthenticator {
            scheme,
            secret,
            expires_at: now.after(policy.pending),
        });
        true
    }

    fn use_code(&mut self, code: &str, policy: &OtpPolicy, now: Timestamp) -> Finding {
        let Some(active) = &mut self.active else {
            return Finding::Absent;
        };
        let factors = factors(active.scheme, active.last, policy, now);
        match find(code, &active.secret, active.scheme, factors) {
            // The clock may have been set back, and a code of before comes again.
            Some(factor) if active.last.is_some_and(|last| factor <= last) => Finding::Used,
            Some(factor) => {
                active.last = Some(factor);
                Finding::Right
            }
            None => Finding::Wrong,
        }
    }

    fn confirm(
        &mut self,
        code: &str,
        recovery: &[Hash],
        policy: &OtpPolicy,
        now: Timestamp,
    ) -> Finding {
        let pending = self.pending.as_ref();
        let Some(pending) = pending.filter(|pending| now < pending.expires_at) else {
            return Finding::Absent;
        };
        let factors = factors(pending.scheme, None, policy, now);
        let Some(factor) = find(code, &pending.secret, pending.scheme, factors) else {
            return Finding::Wrong;
        };
        self.active = Some(ActiveAuthenticator {
            scheme: pending.scheme,
            secret: pending.secret.clone(),
            last: Some(factor),
        });
        self.pending = None;
        self.recovery = recovery.to_vec();
        Finding::Right
    }

    fn resynchronize(&mut self, codes: [&str; 2], policy: &OtpPolicy) -> Finding {
        let Some(active) = &mut self.active else {
            return Finding::Absent;
        };
        let Scheme::Hotp(_) = active.scheme else {
            return Finding::Absent;
        };
        let next = next(active.last);
        let factors = next..=next.saturating_add(policy.resync);
        match find_pair(codes, &active.secret, active.scheme, factors) {
            Some(first) => {
                active.last = Some(first.saturating_add(1));
                Finding::Right
            }
            None => Finding::Wrong,
        }
    }

    fn use_recovery(&mut self, code: &str) -> Finding {
        if self.active.is_none() {
            return Finding::Absent;
        }
        let Some(hash) = recovery::hash(code) else {
            return Finding::Wrong;
        };
        let before = self.recovery.len();
        self.recovery.retain(|known| !equal(known, &hash));
        if self.recovery.len() < before {
            self.used.push(hash);
            let old = self.used.len().saturating_sub(MAX_USED);
            self.used.drain(..old);
            return Finding::Right;
        }
        match self.used.iter().any(|known| equal(known, &hash)) {
            true => Finding::Used,
            false => Finding::Wrong,
        }
    }

    fn count(&mut self, policy: &OtpPolicy, now: Timestamp) -> OtpDecision {
        self.failures += 1;
        self.row = self.row.saturating_add(1);
        let locks = self.failures >= policy.max_failures;
        if locks {
            self.failures = 0;
            self.locked_until = now.after(policy.lock);
        }
        let caps = self.row == MAX_ROW;
        OtpDecision::Wrong { locks, caps }
    }
}

/// The moving factors whose codes are looked at. For a counter that is the one of the last code too, so that a code
/// sent twice is told from a wrong one.
fn factors(
    scheme: Scheme,
    last: Option<u64>,
    policy: &OtpPolicy,
    now: Timestamp,
) -> RangeInclusive<u64> {
    match scheme {
        Scheme::Totp(totp) => {
            let step = totp.step(now);
            step.saturating_sub(policy.window)..=step.saturating_add(policy.window)
        }
        Scheme::Hotp(_) => last.unwrap_or(0)..=next(last).saturating_add(policy.look_ahead),
    }
}

/// The counter of the next code.
fn next(last: Option<u64>) -> u64 {
    last.map_or(0, |last| last.saturating_add(1))
}

/// NIST SP 800-63B-4 section 3.2.2.
pub(super) const MAX_ROW: u8 = 100;

/// The codes of two sets: somebody may still send one of those that were replaced.
const MAX_USED: usize = 20;
