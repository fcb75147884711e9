//! Fingerprints of clients.

use std::fmt;

use serde_json::Value;

use super::device::Hash256;
use crate::{
    rejection::Rejection,
    secret::{MasterSecret, Secret, tag::TagKey},
};

/// A client's description of itself: a string, or an object with members such as language and time
/// zone.
///
/// A fingerprint is personal data, and only a hint. Only a keyed hash is stored, which allows it to
/// be recognised but not read. State in your privacy notice that you collect it, and why.
#[derive(Clone)]
pub struct Fingerprint(Secret<Vec<u8>>);

impl Fingerprint {
    /// The maximum size, in bytes of canonical JSON.
    pub const MAX_BYTES: usize = 4096;

    /// Creates a fingerprint from a JSON string or object. Two objects with the same members are
    /// the same fingerprint, regardless of their formatting (RFC 8785).
    ///
    /// # Errors
    ///
    /// [`RejectionKind::Malformed`](crate::RejectionKind) for any other JSON, and for more than
    /// [`MAX_BYTES`](Self::MAX_BYTES).
    pub fn new(value: &Value) -> Result<Self, Rejection> {
        if !(value.is_string() || value.is_object()) {
            return Err(Rejection::malformed(
                "a fingerprint must be a string or an object",
            ));
        }
        let bytes = serde_json_canonicalizer::to_vec(value)
            .map_err(|_| Rejection::malformed("the fingerprint has no canonical form"))?;
        if bytes.len() > Self::MAX_BYTES {
            return Err(Rejection::malformed(
                "the fingerprint has more than 4096 bytes",
            ));
        }
        Ok(Self(Secret::new(bytes)))
    }

    /// Returns its canonical JSON.
    #[cfg(feature = "account")]
    pub(crate) fn as_json(&self) -> Value {
        serde_json::from_slice(self.0.expose()).unwrap_or_default()
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fingerprint(..)")
    }
}

/// The keys that hash fingerprints, one for each of the application's secrets.
pub(super) struct FingerprintKeys(Vec<TagKey>);

impl FingerprintKeys {
    pub(super) fn new(secret: &MasterSecret, issuer: &str) -> Self {
        let keys = secret.keys("tower-jam fingerprint", issuer);
        Self(keys.iter().map(TagKey::new).collect())
    }

    /// Returns the hash under each key. The first one is the one to store.
    pub(super) fn hash(&self, fingerprint: Option<&Fingerprint>) -> Vec<Hash256> {
        let Some(Fingerprint(bytes)) = fingerprint else {
            return Vec::new();
        };
        let tags = self.0.iter().map(|key| key.tag(bytes.expose()));
        tags.map(|tag| Hash256::of(&tag)).collect()
    }
}
