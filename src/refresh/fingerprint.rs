//! What a client says of itself.

use std::fmt;

use serde_json::Value;

use super::record::Hash;
use crate::{
    rejection::Rejection,
    secret::{MasterSecret, Secret, tag::TagKey},
};

/// What a client says of itself: a string, or an object of things such as its language and time zone.
///
/// It is personal data, and a hint at most. Only a keyed hash is stored, by which it can be recognised and not read.
/// Say in your privacy notice that you take it and what for.
#[derive(Clone)]
pub struct Fingerprint(Secret<Vec<u8>>);

impl Fingerprint {
    /// The most that is taken, in bytes of canonical JSON.
    pub const MAX_BYTES: usize = 4096;

    /// Takes a JSON string or object. Two objects with the same members are the same fingerprint, however they
    /// are written (RFC 8785).
    ///
    /// # Errors
    ///
    /// A malformed [`Rejection`] for anything else, and for more than [`MAX_BYTES`](Self::MAX_BYTES).
    pub fn new(value: &Value) -> Result<Self, Rejection> {
        if !(value.is_string() || value.is_object()) {
            return Err(Rejection::malformed(
                "a fingerprint is a string or an object",
            ));
        }
        let bytes = serde_json_canonicalizer::to_vec(value)
            .map_err(|_| Rejection::malformed("a fingerprint that has no canonical form"))?;
        if bytes.len() > Self::MAX_BYTES {
            return Err(Rejection::malformed("a fingerprint over 4096 bytes"));
        }
        Ok(Self(Secret::new(bytes)))
    }

    /// Its canonical JSON.
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

/// The keys under which fingerprints are hashed, one for each of the application's secrets.
pub(super) struct FingerprintKeys(Vec<TagKey>);

impl FingerprintKeys {
    pub(super) fn new(secret: &MasterSecret, issuer: &str) -> Self {
        let keys = secret.keys("tower-jam fingerprint", issuer);
        Self(keys.iter().map(TagKey::new).collect())
    }

    /// The hash by each key, the one to store first.
    pub(super) fn hash(&self, fingerprint: Option<&Fingerprint>) -> Vec<Hash> {
        let Some(Fingerprint(bytes)) = fingerprint else {
            return Vec::new();
        };
        let tags = self.0.iter().map(|key| key.tag(bytes.expose()));
        tags.map(|tag| Hash::of(&tag)).collect()
    }
}
