//! The mark of a subject and the birth of a list: both are seconds.

use std::time::Duration;

use super::id::LONGEST_LEEWAY;
use crate::{
    clock::Timestamp,
    error::StoreError,
    store::{Entry, Write},
};

/// The stored state of a subject, in seconds; zeros if nothing is stored.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct SubjectMark {
    /// A token with an `iat` up to this second is rejected.
    pub(super) before: u64,
    /// The latest `iat` that was postdated because of a mark or a birth in the same second.
    pub(super) postdated: u64,
}

impl SubjectMark {
    pub(super) fn read(entry: Option<&Entry>) -> Result<Self, StoreError> {
        let Some(entry) = entry else {
            return Ok(Self::default());
        };
        let (before, postdated) = entry.value.split_at_checked(8).ok_or_else(corrupt)?;
        Ok(Self {
            before: second(before)?,
            postdated: second(postdated)?,
        })
    }

    /// Returns the write that replaces `entry`. It expires when no token of these seconds can be
    /// accepted any more; the added second is for an `iat` with a fraction.
    pub(super) fn write(self, entry: Option<&Entry>, longest: Duration) -> Write {
        let last = Timestamp::from_secs(self.last() + 1);
        let expires_at = last.after(longest).after(LONGEST_LEEWAY);
        let before = entry.map_or(expires_at, |entry| entry.expires_at);
        let value = [self.before.to_be_bytes(), self.postdated.to_be_bytes()].concat();
        Write::new(value, expires_at.max(before))
    }

    /// Returns the mark after a revocation at `now`. If no token was issued since the last
    /// revocation in this second, the mark stays, so that revocations alone never move it ahead of
    /// the clock.
    pub(super) fn raised(self, now: Timestamp) -> Self {
        Self {
            before: self.last().max(now.as_secs()),
            ..self
        }
    }

    /// Returns the `iat` of a token that is issued at `now` on a list with this birth, and the mark
    /// that records the `iat` if it is postdated.
    pub(super) fn next_issued_at(self, now: Timestamp, birth: u64) -> (u64, Self) {
        let issued_at = now.as_secs().max(self.before.max(birth) + 1);
        if issued_at == now.as_secs() {
            return (issued_at, self);
        }
        let postdated = self.postdated.max(issued_at);
        (issued_at, Self { postdated, ..self })
    }

    fn last(self) -> u64 {
        self.before.max(self.postdated)
    }
}

/// The second in which a deny list was created.
pub(super) struct Birth;

impl Birth {
    pub(super) fn read(entry: &Entry) -> Result<u64, StoreError> {
        second(&entry.value)
    }

    /// It never expires: a list without its birth would reject every token.
    pub(super) fn write(birth: u64) -> Write {
        Write::new(birth.to_be_bytes().to_vec(), Timestamp::NEVER)
    }
}

/// Reads a second of a year with four digits, so that adding one cannot overflow.
fn second(bytes: &[u8]) -> Result<u64, StoreError> {
    let second = bytes.try_into().map(u64::from_be_bytes);
    second
        .ok()
        .filter(|second| *second <= LAST_SECOND)
        .ok_or_else(corrupt)
}

fn corrupt() -> StoreError {
    StoreError::Corrupt("not a mark".into())
}

/// 9999-12-31T23:59:59Z plus the longest leeway.
const LAST_SECOND: u64 = 253_402_300_799 + 60;

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000_900);

    fn mark(before: u64, postdated: u64) -> SubjectMark {
        SubjectMark { before, postdated }
    }

    #[test]
    fn a_mark_is_this_second_and_never_goes_back() {
        assert_eq!(mark(0, 0).raised(NOW), mark(1_000, 0));
        assert_eq!(mark(1_000, 0).raised(NOW), mark(1_000, 0), "and no later");
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
        for (before, postdated, birth) in [(1_000, 0, 0), (0, 0, 1_000), (1_000, 1_003, 1_001)] {
            let (issued_at, marked) = mark(before, postdated).next_issued_at(NOW, birth);
            assert!(issued_at > before.max(birth));
            assert!(
                issued_at <= marked.raised(NOW).before,
                "the next mark revokes it"
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
