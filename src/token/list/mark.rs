//! A subject's mark and the list's birth: seconds, and what becomes of them.

use std::time::Duration;

use super::id::LONGEST_LEEWAY;
use crate::{
    clock::Timestamp,
    error::StoreError,
    store::{Entry, Write},
};

/// What is kept of a subject, in seconds. A subject of which nothing is kept has zeros.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct SubjectMark {
    /// A token with an `iat` up to this second is refused.
    pub(super) before: u64,
    /// The latest `iat` that was minted ahead of its clock, because of a mark or a birth in the same second.
    pub(super) minted: u64,
}

impl SubjectMark {
    pub(super) fn read(entry: Option<&Entry>) -> Result<Self, StoreError> {
        let Some(entry) = entry else {
            return Ok(Self::default());
        };
        let (before, minted) = entry.value.split_at_checked(8).ok_or_else(corrupt)?;
        Ok(Self {
            before: second(before)?,
            minted: second(minted)?,
        })
    }

    /// As it is to be written over `entry`. It is kept until no token of these seconds can be accepted any more; the second
    /// that is added is for an `iat` with a fraction.
    pub(super) fn write(self, entry: Option<&Entry>, longest: Duration) -> Write {
        let last = Timestamp::from_secs(self.last() + 1);
        let expires_at = last.after(longest).after(LONGEST_LEEWAY);
        let before = entry.map_or(expires_at, |entry| entry.expires_at);
        let value = [self.before.to_be_bytes(), self.minted.to_be_bytes()].concat();
        Write::new(value, expires_at.max(before))
    }

    /// The mark after a revocation at `now`. Where no token was minted since the last one in this second, it stays: so
    /// revocations alone never drive it ahead of the clock.
    pub(super) fn raised(self, now: Timestamp) -> Self {
        Self {
            before: self.last().max(now.as_secs()),
            ..self
        }
    }

    /// The `iat` of a token that is minted at `now` on a list of this birth, and the mark that takes note of it, where
    /// it is ahead of the clock.
    pub(super) fn next_issued_at(self, now: Timestamp, birth: u64) -> (u64, Self) {
        let issued_at = now.as_secs().max(self.before.max(birth) + 1);
        if issued_at == now.as_secs() {
            return (issued_at, self);
        }
        let minted = self.minted.max(issued_at);
        (issued_at, Self { minted, ..self })
    }

    fn last(self) -> u64 {
        self.before.max(self.minted)
    }
}

/// The second in which a black list was made.
pub(super) struct Birth;

impl Birth {
    pub(super) fn read(entry: &Entry) -> Result<u64, StoreError> {
        second(&entry.value)
    }

    /// A list that forgot its birth would refuse every token, so it is kept for ever.
    pub(super) fn write(birth: u64) -> Write {
        Write::new(birth.to_be_bytes().to_vec(), Timestamp::NEVER)
    }
}

/// A second of a calendar year with four digits, so that one more is no overflow.
fn second(bytes: &[u8]) -> Result<u64, StoreError> {
    let second = bytes.try_into().map(u64::from_be_bytes);
    second
        .ok()
        .filter(|second| *second <= LAST_SECOND)
        .ok_or_else(corrupt)
}

fn corrupt() -> StoreError {
    StoreError::Corrupt("a mark that is not one".into())
}

/// 9999-12-31T23:59:59Z, and the longest leeway.
const LAST_SECOND: u64 = 253_402_300_799 + 60;

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000_900);

    fn mark(before: u64, minted: u64) -> SubjectMark {
        SubjectMark { before, minted }
    }

    #[test]
    fn a_mark_is_this_second_and_never_goes_back() {
        assert_eq!(mark(0, 0).raised(NOW), mark(1_000, 0));
        assert_eq!(mark(1_000, 0).raised(NOW), mark(1_000, 0), "and no further");
        assert_eq!(mark(1_000, 1_001).raised(NOW), mark(1_001, 1_001));
        assert_eq!(mark(2_000, 0).raised(NOW), mark(2_000, 0));
    }

    #[test]
    fn a_token_is_dated_after_mark_and_birth_and_the_next_mark_knows() {
        assert_eq!(
            mark(999, 999).next_issued_at(NOW, 0),
            (1_000, mark(999, 999))
        );
        assert_eq!(mark(0, 0).next_issued_at(NOW, 999), (1_000, mark(0, 0)));
        assert_eq!(
            mark(1_000, 0).next_issued_at(NOW, 999),
            (1_001, mark(1_000, 1_001))
        );
        assert_eq!(
            mark(0, 0).next_issued_at(NOW, 1_000),
            (1_001, mark(0, 1_001))
        );
        assert_eq!(
            mark(7, 1_005).next_issued_at(NOW, 1_000),
            (1_001, mark(7, 1_005))
        );
        for (before, minted, birth) in [(1_000, 0, 0), (0, 0, 1_000), (1_000, 1_003, 1_001)] {
            let (issued_at, marked) = mark(before, minted).next_issued_at(NOW, birth);
            assert!(issued_at > before.max(birth));
            assert!(
                issued_at <= marked.raised(NOW).before,
                "the next mark ends it"
            );
        }
    }

    #[test]
    fn what_is_written_is_read_and_what_is_not_a_mark_is_corrupt() {
        let longest = Duration::from_secs(100);
        let write = mark(1_000, 1_002).write(None, longest);
        assert_eq!(write.expires_at, Timestamp::from_secs(1_003 + 100 + 60));
        let entry = Entry::new(write.value, write.version, Timestamp::NEVER);
        assert_eq!(
            SubjectMark::read(Some(&entry)).ok(),
            Some(mark(1_000, 1_002))
        );
        assert_eq!(
            mark(1, 1).write(Some(&entry), longest).expires_at,
            Timestamp::NEVER
        );
        assert_eq!(SubjectMark::read(None).ok(), Some(mark(0, 0)));
        for value in [vec![], vec![0; 15], vec![0; 17], vec![0xff; 16]] {
            let entry = Entry::new(value.into(), write.version, Timestamp::NEVER);
            assert!(SubjectMark::read(Some(&entry)).is_err() && Birth::read(&entry).is_err());
        }
    }
}
