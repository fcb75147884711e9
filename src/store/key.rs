//! What names an entry.

use std::{
    borrow::Cow,
    cmp::Ordering,
    fmt,
    hash::{Hash, Hasher},
};

use super::namespace::{Namespace, Traits};
use crate::secret;

/// Names an entry or a group: a namespace and 256 bits that tell nothing of what they stand for.
///
/// What the namespace declares travels with the key and is no part of its name: a key that was read from a store, of which
/// nothing is declared, is equal to the one that its engine makes.
#[derive(Clone)]
pub struct Key {
    pub(super) namespace: Cow<'static, str>,
    pub(super) digest: [u8; 32],
    traits: Option<Traits>,
}

impl Key {
    /// The key of `parts`, hashed with SHA-256. Parts are joined with their lengths, so `["ab", "c"]`
    /// and `["a", "bc"]` are different keys.
    #[must_use]
    pub fn new(namespace: impl Into<Namespace>, parts: &[&[u8]]) -> Self {
        let lengths: Vec<_> = parts
            .iter()
            .map(|part| (part.len() as u64).to_be_bytes())
            .collect();
        let framed = lengths
            .iter()
            .zip(parts)
            .flat_map(|(length, part)| [length.as_slice(), part]);
        let digest = secret::hash(framed);
        Self::from_parts(namespace.into(), digest)
    }

    /// The key that a backend stored as these two columns. What its engine declares of it is not stored, so that it may
    /// change with a version of the engine. Until the engine makes the key again a store is careful with it: a change is
    /// announced, a write waited for, and the entry is neither remembered nor evicted.
    #[must_use]
    pub fn from_stored(namespace: &str, digest: [u8; 32]) -> Self {
        Self::undeclared(Cow::Owned(namespace.to_owned()), digest)
    }

    pub(super) const fn undeclared(namespace: Cow<'static, str>, digest: [u8; 32]) -> Self {
        Self {
            namespace,
            digest,
            traits: None,
        }
    }

    /// The key with this digest, which was a key's before.
    pub(crate) const fn from_parts(namespace: Namespace, digest: [u8; 32]) -> Self {
        Self {
            namespace: Cow::Borrowed(namespace.name()),
            digest,
            traits: Some(namespace.traits),
        }
    }

    /// What kind of thing the key names, such as `session`: lower-case ASCII letters and `-`.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Whether requests read such a key through a near-cache, which may then remember it. See [`Store::glance`](super::Store::glance).
    #[must_use]
    pub fn is_cached(&self) -> bool {
        self.traits.is_some_and(|traits| traits.is_cached)
    }

    /// Whether a change to the key has to be announced to near-caches.
    #[must_use]
    pub fn is_announced(&self) -> bool {
        self.traits.is_none_or(|traits| traits.is_cached)
    }

    /// Whether a write under the key removes access, also where nothing was before.
    #[must_use]
    pub fn is_revoking(&self) -> bool {
        self.traits.is_none_or(|traits| traits.is_revoking)
    }

    /// Whether a store that is full may evict the entry.
    #[must_use]
    pub fn is_evictable(&self) -> bool {
        self.traits.is_some_and(|traits| traits.is_evictable)
    }

    /// The hash that tells it from others of its namespace.
    #[must_use]
    pub const fn digest(&self) -> &[u8; 32] {
        &self.digest
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest && self.namespace == other.namespace
    }
}

impl Eq for Key {}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        (&self.namespace, &self.digest).cmp(&(&other.namespace, &other.digest))
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.namespace.hash(state);
        self.digest.hash(state);
    }
}

/// Shows the namespace and the first bytes, enough to tell two keys apart in a test.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, ..] = self.digest;
        write!(f, "Key({}/{a:02x}{b:02x}{c:02x}…)", self.namespace)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_careful_with_keys_of_which_nothing_is_declared() {
        const DECLARED: Namespace = Namespace::new("kind").cached().evictable();
        let declared = Key::new(DECLARED, &[b"a"]);
        assert!(declared.is_cached() && declared.is_announced() && declared.is_evictable());
        assert!(!declared.is_revoking());
        let plain = Key::new(Namespace::new("kind"), &[b"a"]);
        assert!(!plain.is_announced() && !plain.is_revoking());
        let stored = Key::from_stored("kind", *declared.digest());
        for unknown in [Key::new("kind", &[b"a"]), stored.clone()] {
            assert!(unknown.is_announced() && unknown.is_revoking());
            assert!(!unknown.is_evictable());
            assert_eq!(unknown, declared);
        }
        assert!(!stored.is_cached());
    }
}
