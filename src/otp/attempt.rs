//! Makes an attempt on the record of a user.

use super::{
    inner::{OtpInner, OtpRecordError},
    record::{OtpAttempt, OtpDecision},
};
use crate::{
    clock::Timestamp,
    event::EventKind,
    rejection::Rejection,
    store::swap::{Step, swap},
};

/// Decides on an attempt. The decision is returned only after it is stored.
pub(super) async fn attempt(
    otp: &OtpInner,
    subject: &str,
    attempt: &OtpAttempt<'_>,
    success: EventKind,
) -> Result<(Timestamp, usize), Rejection> {
    let key = otp.key(subject);
    let decided = swap(&*otp.store, &*otp.clock, &key, |entry| {
        let now = otp.clock.now();
        let mut record = otp.read(&key, entry)?;
        let decision = record.attempt(attempt, &otp.policy, now);
        Ok::<_, OtpRecordError>(if decision.is_change() {
            Step::Swap(otp.write(&key, subject, record)?, (decision, now))
        } else {
            Step::Keep((decision, now))
        })
    });
    let decided = decided.await;
    let (decision, at) = decided.map_err(|error| otp.record_rejection(error, subject))?;
    match decision {
        OtpDecision::Accepted { recovery_left } => {
            otp.emit(success, subject, at);
            Ok((at, recovery_left))
        }
        OtpDecision::Wrong { locks, caps } => {
            otp.emit(EventKind::OtpRefused, subject, at);
            if locks {
                otp.emit(EventKind::OtpLocked, subject, at);
            }
            if caps {
                otp.emit(EventKind::OtpCapped, subject, at);
            }
            Err(Rejection::invalid("the code is wrong"))
        }
        OtpDecision::Replayed => {
            otp.emit(EventKind::OtpReplayed, subject, at);
            Err(Rejection::invalid("the code or a later one was used"))
        }
        OtpDecision::Locked(wait) => {
            otp.emit(EventKind::Throttled, subject, at);
            Err(Rejection::throttled(wait, "too many wrong codes in a row"))
        }
        OtpDecision::Capped => Err(Rejection::factor_lost(
            "a hundred codes were wrong in a row: a recovery code is required",
        )),
        OtpDecision::Absent => Err(absent()),
    }
}

pub(super) fn absent() -> Rejection {
    Rejection::invalid("no one-time codes are set up for this user")
}
