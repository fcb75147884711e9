//! The record of a second factor, and the decisions on it.
//!
//! A decision is a pure function of the record, the attempt and the time. It takes effect, and is
//! returned, only after the new record has replaced the one on which it was made.

use std::{ops::RangeInclusive, time::Duration};

use super::{
    compare::{find, find_pair},
    recovery::{self, Hash},
    scheme::OtpScheme,
    secret::OtpSecret,
};
use crate::{clock::Timestamp, secret::equal};

/// The second factor of a user: what must change together is one value.
#[derive(Clone)]
pub(super) struct OtpRecord {
    pub(super) active: Option<ActiveAuthenticator>,
    pub(super) pending: Option<PendingAuthenticator>,
    /// Wrong codes since the last lock.
    pub(super) failures: u8,
    /// Wrong codes since the last right one, across locks.
    pub(super) consecutive_failures: u8,
    pub(super) locked_until: Timestamp,
    /// The hashes of unused recovery codes.
    pub(super) recovery: Vec<Hash>,
    /// The hashes of the last used ones, which distinguishes them from wrong codes.
    pub(super) used: Vec<Hash>,
    /// The subject, for an operator who asks which users need a secret that is to be retired.
    pub(super) subject: String,
}

/// A confirmed authenticator.
#[derive(Clone)]
pub(super) struct ActiveAuthenticator {
    pub(super) scheme: OtpScheme,
    pub(super) secret: OtpSecret,
    /// The moving factor of the last accepted code. It only grows.
    pub(super) last: Option<u64>,
}

/// An authenticator that waits for its first code.
#[derive(Clone)]
pub(super) struct PendingAuthenticator {
    pub(super) scheme: OtpScheme,
    pub(super) secret: OtpSecret,
    pub(super) expires_at: Timestamp,
}

/// The limits and tolerances.
#[derive(Clone, Debug)]
pub(super) struct OtpPolicy {
    /// Periods before and after the current one.
    pub(super) window: u64,
    /// Counters after the next one.
    pub(super) look_ahead: u64,
    /// Counters in which two consecutive codes are searched.
    pub(super) resync: u64,
    pub(super) max_failures: u8,
    pub(super) lock: Duration,
    pub(super) pending: Duration,
}

/// What a user presents.
pub(super) enum OtpAttempt<'a> {
    /// A code of the confirmed authenticator.
    Code(&'a str),
    /// The first code of a new authenticator, and its future recovery codes.
    Confirm { code: &'a str, recovery: &'a [Hash] },
    /// Two consecutive codes of a token whose counter is far ahead.
    Pair([&'a str; 2]),
    /// A recovery code.
    Recovery(&'a str),
}

/// The result of an attempt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum OtpDecision {
    /// The code is right, and used up.
    Accepted { recovery_left: usize },
    /// The code was accepted before, or is older than the last accepted one; or the recovery code
    /// was used before.
    Replayed,
    /// The code is wrong, and counts. `locks` says that the user is locked from now on, `caps` that
    /// the authenticator is disabled.
    Wrong { locks: bool, caps: bool },
    /// The code was not checked, and no code is: too many were wrong in a row.
    Capped,
    /// The code was not checked, and none is for this long.
    Locked(Duration),
    /// No authenticator that the attempt could be for.
    Absent,
}

impl OtpDecision {
    /// Returns whether the decision changed the record.
    pub(super) const fn is_change(self) -> bool {
        matches!(self, Self::Accepted { .. } | Self::Wrong { .. })
    }
}

/// The result of checking a code, before it is counted.
enum Finding {
    Right,
    Used,
    Wrong,
    Absent,
}

impl OtpRecord {
    pub(super) const fn new() -> Self {
        Self {
            active: None,
            pending: None,
            failures: 0,
            consecutive_failures: 0,
            locked_until: Timestamp::from_millis(0),
            recovery: Vec::new(),
            used: Vec::new(),
            subject: String::new(),
        }
    }

    /// Returns the expiry of the record. A confirmed authenticator does not expire; a pending one
    /// does.
    pub(super) fn expires_at(&self) -> Timestamp {
        match (&self.active, &self.pending) {
            (Some(_), _) => Timestamp::NEVER,
            (None, Some(pending)) => pending.expires_at.max(self.locked_until),
            (None, None) => self.locked_until,
        }
    }

    /// Decides on an attempt: uses up what is right, and counts what is wrong.
    pub(super) fn attempt(
        &mut self,
        attempt: &OtpAttempt<'_>,
        policy: &OtpPolicy,
        now: Timestamp,
    ) -> OtpDecision {
        if now < self.locked_until {
            return OtpDecision::Locked(self.locked_until.since(now).min(policy.lock));
        }
        // A recovery code and a new authenticator are still accepted: they end this state.
        let is_capped = self.consecutive_failures >= MAX_CONSECUTIVE_FAILURES;
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
                (self.failures, self.consecutive_failures) = (0, 0);
                OtpDecision::Accepted {
                    recovery_left: self.recovery.len(),
                }
            }
            Finding::Used => OtpDecision::Replayed,
            Finding::Absent => OtpDecision::Absent,
            Finding::Wrong => self.count_failure(policy, now),
        }
    }

    /// Starts an enrollment. Returns `false` if there is an authenticator and the caller has not
    /// proved to own it (`is_proved`).
    pub(super) fn enroll(
        &mut self,
        scheme: OtpScheme,
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
            // After the clock was set back, an earlier code may come again.
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
        let OtpScheme::Hotp(_) = active.scheme else {
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
        if self.used.iter().any(|known| equal(known, &hash)) {
            Finding::Used
        } else {
            Finding::Wrong
        }
    }

    fn count_failure(&mut self, policy: &OtpPolicy, now: Timestamp) -> OtpDecision {
        self.failures += 1;
        self.consecutive_failures = self.consecutive_failures.saturating_add(1);
        let locks = self.failures >= policy.max_failures;
        if locks {
            self.failures = 0;
            self.locked_until = now.after(policy.lock);
        }
        let caps = self.consecutive_failures == MAX_CONSECUTIVE_FAILURES;
        OtpDecision::Wrong { locks, caps }
    }
}

/// Returns the moving factors whose codes are checked. For a counter that includes the one of the
/// last code, to distinguish a repeated code from a wrong one.
fn factors(
    scheme: OtpScheme,
    last: Option<u64>,
    policy: &OtpPolicy,
    now: Timestamp,
) -> RangeInclusive<u64> {
    match scheme {
        OtpScheme::Totp(totp) => {
            let step = totp.step(now);
            step.saturating_sub(policy.window)..=step.saturating_add(policy.window)
        }
        OtpScheme::Hotp(_) => last.unwrap_or(0)..=next(last).saturating_add(policy.look_ahead),
    }
}

/// Returns the counter of the next code.
fn next(last: Option<u64>) -> u64 {
    last.map_or(0, |last| last.saturating_add(1))
}

/// NIST SP 800-63B-4 section 3.2.2.
pub(super) const MAX_CONSECUTIVE_FAILURES: u8 = 100;

/// The codes of two sets: a user may still send one that was replaced.
const MAX_USED: usize = 20;
