//! Recovery codes, for a user who has lost the authenticator.

use std::fmt;

use serde::{Serialize, Serializer};
use zeroize::Zeroizing;

use super::base32;
use crate::secret::{self, Secret, random};

/// Ten codes of 24 base32 characters, each of which works once. They are shown once: the store
/// holds only hashes.
///
/// It serializes as a list of strings, for the one response that shows them.
#[must_use = "these codes cannot be shown again"]
pub struct RecoveryCodes(Vec<Secret<String>>);

impl RecoveryCodes {
    pub(super) fn generate() -> Self {
        let draw = |_| Secret::new(base32::encode(&*Zeroizing::new(random::<CODE_BYTES>())));
        Self((0..CODES).map(draw).collect())
    }

    /// Returns the codes, to be shown to their owner.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|code| code.expose().as_str())
    }

    /// Returns the hashes to store.
    pub(super) fn hashes(&self) -> Vec<Hash> {
        self.iter().filter_map(hash).collect()
    }
}

impl fmt::Debug for RecoveryCodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryCodes(..)")
    }
}

impl Serialize for RecoveryCodes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

/// Returns the stored hash of `code`, as it was shown or as people type it; `None` if it is
/// malformed. With 120 random bits a plain hash resists a search (ASVS 6.5.2 requires a password
/// hash below 112 bits).
pub(super) fn hash(code: &str) -> Option<Hash> {
    let bytes = base32::decode(code).filter(|bytes| bytes.len() == CODE_BYTES)?;
    Some(secret::hash([
        b"tower-jam recovery code".as_slice(),
        &bytes,
    ]))
}

pub(super) type Hash = [u8; 32];

const CODES: usize = 10;
/// 120 bits are 24 characters of base32.
const CODE_BYTES: usize = 15;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ten_codes_of_24_characters_are_not_shown_by_accident() {
        let codes = RecoveryCodes::generate();
        let texts: BTreeSet<_> = codes.iter().collect();
        assert_eq!(texts.len(), 10);
        assert!(texts.iter().all(|text| text.len() == 24));
        let shown = format!("{codes:?}");
        assert!(texts.iter().all(|text| !shown.contains(text)));
        assert_eq!(
            serde_json::to_value(&codes).unwrap()[9],
            *codes.iter().last().unwrap()
        );
    }

    #[test]
    fn a_code_is_typed_in_many_ways_and_is_one_code() {
        let codes = RecoveryCodes::generate();
        let code = codes.iter().next().unwrap();
        let grouped = format!("{}-{} {}", &code[..4], &code[4..12], &code[12..]);
        assert_eq!(hash(&grouped.to_lowercase()), hash(code));
        for other in ["", "123456", &code[1..], &format!("{code}AA")] {
            assert_eq!(hash(other), None);
        }
    }
}
