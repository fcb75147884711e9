//! The format of the data in Redis: the names of keys, and the bytes of an entry.
//!
//! An entry is a header and the value. The header has the format (1 byte), the version and the
//! expiry (8 bytes each, big-endian), and the group: the length of the namespace (1 byte, 0 for no
//! group), the namespace and the digest (32 bytes). The scripts rely on these positions too.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};

use crate::{
    clock::Timestamp,
    error::StoreError,
    store::{Entry, StoreKey, Version, Write},
};

/// Makes and parses the names of keys under one prefix.
///
/// The name of an entry is `<prefix>:<namespace>:<digest in hexadecimal>`, that of a group's index
/// has `:group` appended. No namespace contains a colon, so two prefixes never make the same name.
#[derive(Clone, Debug)]
pub(super) struct KeyNames {
    prefix: Arc<str>,
}

impl KeyNames {
    pub(super) fn new(prefix: &str) -> Self {
        Self {
            prefix: prefix.into(),
        }
    }

    pub(super) fn entry(&self, key: &StoreKey) -> Bytes {
        self.name(key, "")
    }

    pub(super) fn index(&self, group: &StoreKey) -> Bytes {
        self.name(group, ":group")
    }

    /// The name of a random value that is lost when the database is flushed; `tag` determines the
    /// server.
    pub(super) fn epoch(&self, tag: &str) -> Bytes {
        format!("{}:{{{tag}}}:epoch", self.prefix).into()
    }

    /// Returns the key of the entry under `name`, and `None` for an index or a foreign name.
    pub(super) fn key(&self, name: &[u8]) -> Option<StoreKey> {
        let rest = name.strip_prefix(self.prefix.as_bytes())?;
        parse_member(rest.strip_prefix(b":")?)
    }

    fn name(&self, key: &StoreKey, suffix: &str) -> Bytes {
        let room = self.prefix.len() + 1 + key.namespace().len() + 65 + suffix.len();
        let mut name = BytesMut::with_capacity(room);
        name.put_slice(self.prefix.as_bytes());
        name.put_u8(b':');
        put_member(&mut name, key);
        name.put_slice(suffix.as_bytes());
        name.freeze()
    }
}

/// The form of a key as a member of its group's index.
pub(super) fn member(key: &StoreKey) -> Bytes {
    let mut member = BytesMut::with_capacity(key.namespace().len() + 65);
    put_member(&mut member, key);
    member.freeze()
}

/// Parses the output of [`member`].
pub(super) fn parse_member(member: &[u8]) -> Option<StoreKey> {
    let (rest, digits) = member.split_at_checked(member.len().checked_sub(64)?)?;
    let namespace = std::str::from_utf8(rest.strip_suffix(b":")?).ok()?;
    if namespace.contains(':') {
        return None;
    }
    let mut digest = [0; 32];
    for (byte, pair) in digest.iter_mut().zip(digits.as_chunks::<2>().0) {
        *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
    }
    Some(StoreKey::from_stored(namespace, digest))
}

fn put_member(out: &mut BytesMut, key: &StoreKey) {
    out.put_slice(key.namespace().as_bytes());
    out.put_u8(b':');
    let mut digits = [0; 64];
    for (pair, byte) in digits.as_chunks_mut::<2>().0.iter_mut().zip(key.digest()) {
        *pair = [
            DIGITS[usize::from(byte >> 4)],
            DIGITS[usize::from(byte & 15)],
        ];
    }
    out.put_slice(&digits);
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

/// Encodes an entry.
pub(super) fn encode(write: &Write) -> Result<Bytes, StoreError> {
    let group = match &write.group {
        Some(group) => group_field(group)?,
        None => Bytes::from_static(&[0]),
    };
    let mut bytes = BytesMut::with_capacity(17 + group.len() + write.value.len());
    bytes.put_u8(FORMAT);
    bytes.put_u64(write.version.as_u64());
    bytes.put_u64(write.expires_at.as_millis());
    bytes.put_slice(&group);
    bytes.put_slice(&write.value);
    Ok(bytes.freeze())
}

/// Encodes the part of an entry that names its group.
pub(super) fn group_field(group: &StoreKey) -> Result<Bytes, StoreError> {
    let namespace = group.namespace().as_bytes();
    let length = match u8::try_from(namespace.len()) {
        Ok(length) if length > 0 => length,
        _ => return Err(corrupt("a group's namespace has 1 to 255 bytes")),
    };
    let mut field = BytesMut::with_capacity(33 + namespace.len());
    field.put_u8(length);
    field.put_slice(namespace);
    field.put_slice(group.digest());
    Ok(field.freeze())
}

/// Decodes the output of [`encode`].
pub(super) fn decode(bytes: &Bytes) -> Result<Entry, StoreError> {
    let header = bytes
        .split_first_chunk::<18>()
        .map(|(header, _)| header)
        .filter(|header| header[0] == FORMAT);
    let Some([_, times @ .., length]) = header else {
        return Err(corrupt("not an entry of this version"));
    };
    let (times, _) = times.as_chunks::<8>();
    let value_at = match *length {
        0 => 18,
        length => 18 + usize::from(length) + 32,
    };
    if bytes.len() < value_at {
        return Err(corrupt("the entry ends before its value"));
    }
    let version = Version::from_stored(u64::from_be_bytes(times[0]));
    let expires_at = Timestamp::from_millis(u64::from_be_bytes(times[1]));
    Ok(Entry::new(bytes.slice(value_at..), version, expires_at))
}

/// Returns whether a valid entry is in the group of this field.
pub(super) fn is_in_group(bytes: &[u8], field: &[u8]) -> bool {
    bytes.get(17..).is_some_and(|rest| rest.starts_with(field))
}

/// Returns how long the server stores an entry, in milliseconds: `None` for no expiry, zero if it
/// has already expired. The server counts from the arrival of the command, so it never expires an
/// entry too early.
pub(super) fn time_to_live(expires_at: Timestamp, now: Timestamp) -> Option<i64> {
    let rest = i64::try_from(expires_at.since(now).as_millis()).unwrap_or(i64::MAX);
    (expires_at != Timestamp::NEVER && rest <= LONGEST).then_some(rest)
}

/// Converts an expiry to the score in an index, never below it: integers beyond 2^53 are rounded
/// up.
pub(super) fn score(expires_at: Timestamp) -> f64 {
    if expires_at == Timestamp::NEVER {
        return f64::INFINITY;
    }
    #[allow(
        clippy::cast_precision_loss,
        reason = "the next line checks for the loss"
    )]
    let nearest = expires_at.as_millis() as f64;
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "whole, not negative, and saturating"
    )]
    let is_early = (nearest as u64) < expires_at.as_millis();
    if is_early { nearest.next_up() } else { nearest }
}

pub(super) fn corrupt(reason: &'static str) -> StoreError {
    StoreError::Corrupt(reason.into())
}

/// The first byte of every entry.
pub(super) const FORMAT: u8 = 1;

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Thirty thousand years. The server rejects an expiry that does not fit its own 64 bits.
const LONGEST: i64 = 1_000_000_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn key(namespace: &str) -> StoreKey {
        StoreKey::from_stored(
            namespace,
            std::array::from_fn(|at| at.to_le_bytes()[0].wrapping_mul(37)),
        )
    }

    #[test]
    fn a_name_leads_back_to_its_key() {
        for prefix in ["acme", "localhost:3000", "a:session", ""] {
            let names = KeyNames::new(prefix);
            for namespace in ["session", "token-list", "c"] {
                let key = key(namespace);
                assert_eq!(names.key(&names.entry(&key)), Some(key.clone()));
                assert_eq!(parse_member(&member(&key)), Some(key.clone()));
                assert_eq!(names.key(&names.index(&key)), None);
                assert_eq!(KeyNames::new("other").key(&names.entry(&key)), None);
            }
            assert_eq!(names.key(&names.epoch("3")), None);
        }
    }

    #[test]
    fn foreign_names_are_no_keys() {
        let names = KeyNames::new("acme");
        let name = names.entry(&key("session"));
        for at in 0..name.len() {
            assert_eq!(names.key(&name[..at]), None, "cut to {at}");
        }
        for foreign in [&b"acme"[..], b"acme:", b"", b"acme:\xff:00"] {
            assert_eq!(names.key(foreign), None);
        }
        let upper = name.to_ascii_uppercase();
        assert_eq!(names.key(&upper), None);
        assert_eq!(
            KeyNames::new("a").key(&KeyNames::new("a:b").entry(&key("c"))),
            None
        );
    }

    #[test]
    fn an_entry_comes_back_as_it_was_written() {
        for group in [None, Some(key("account")), Some(key(&"g".repeat(255)))] {
            for value in [&b""[..], b"value", &[0; 1000]] {
                let mut write = Write::new(value.to_vec(), Timestamp::NEVER);
                write.version = Version::from_stored(u64::MAX - 1);
                write.group.clone_from(&group);
                let bytes = encode(&write).unwrap();
                let entry = Entry::new(write.value, write.version, write.expires_at);
                assert_eq!(decode(&bytes).unwrap(), entry);
                for other in [key("account"), key("accounts"), key(&"g".repeat(255))] {
                    let field = group_field(&other).unwrap();
                    assert_eq!(is_in_group(&bytes, &field), group.as_ref() == Some(&other));
                }
            }
        }
    }

    #[test]
    fn what_is_no_entry_is_corrupt() {
        let write = Write::new("", Timestamp::NEVER).in_group(key("account"));
        let bytes = encode(&write).unwrap();
        for length in 0..bytes.len() {
            assert!(matches!(
                decode(&bytes.slice(..length)),
                Err(StoreError::Corrupt(_))
            ));
        }
        let mut later = bytes.to_vec();
        later[0] = 2;
        assert!(matches!(decode(&later.into()), Err(StoreError::Corrupt(_))));
        for namespace in [String::new(), "g".repeat(256)] {
            let write = Write::new("", Timestamp::NEVER).in_group(key(&namespace));
            assert!(matches!(encode(&write), Err(StoreError::Corrupt(_))));
        }
    }

    #[test]
    fn a_score_is_never_before_its_expiry() {
        for millis in [0, 1, (1 << 53) + 1, (1 << 60) + 1, u64::MAX - 1] {
            let score = score(Timestamp::from_millis(millis));
            let written = format!("{score:.0}").parse::<u128>().unwrap();
            assert!(
                written >= u128::from(millis),
                "{written} is before {millis}"
            );
        }
        assert_eq!(score(Timestamp::NEVER), f64::INFINITY);
    }

    #[test]
    fn only_what_ends_in_our_days_gets_an_expiry() {
        let now = Timestamp::from_secs(1_000);
        let live = |millis| time_to_live(Timestamp::from_millis(millis), now);
        assert_eq!(live(1_000_001), Some(1));
        assert_eq!(live(1_000_000), Some(0));
        assert_eq!(live(5), Some(0));
        assert_eq!(live(u64::MAX - 1), None);
        assert_eq!(time_to_live(Timestamp::NEVER, now), None);
    }
}
