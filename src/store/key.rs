//! Store keys: a namespace and a hash.

use std::{
    borrow::Cow,
    cmp::Ordering,
    fmt,
    hash::{Hash, Hasher},
};

use super::namespace::{Namespace, Traits};
use crate::secret;

/// The name of an entry or a group: a namespace and 256 bits that do not reveal what they stand
/// for.
///
/// The declarations of the namespace travel with the key but are not part of its identity. A key
/// that was read from a store, without declarations, is equal to the one that its engine makes.
#[derive(Clone)]
pub struct StoreKey {
    pub(super) namespace: Cow<'static, str>,
    pub(super) digest: [u8; 32],
    traits: Option<Traits>,
}

impl StoreKey {
    /// Hashes `parts` with SHA-256 to a key. Each part is hashed with its length, so `["ab", "c"]`
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

    /// The key that a backend stored as these two columns. The declarations of its namespace are
    /// not stored, so they may change with a version of the engine. Until the engine makes the key
    /// itself, a store treats it with care: it sends an invalidation for each change, waits for the
    /// replication of each write, and neither caches nor evicts the entry.
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

    /// The key with a digest that was taken from an earlier key.
    pub(crate) const fn from_parts(namespace: Namespace, digest: [u8; 32]) -> Self {
        Self {
            namespace: Cow::Borrowed(namespace.name()),
            digest,
            traits: Some(namespace.traits),
        }
    }

    /// Returns the namespace, such as `session`: lower-case ASCII letters and `-`.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Returns whether a near-cache may hold the entry for cached reads. See
    /// [`Store::read_cached`](super::Store::read_cached).
    #[must_use]
    pub fn is_cached(&self) -> bool {
        self.traits.is_some_and(|traits| traits.is_cached)
    }

    /// Returns whether a change of the entry must invalidate it in near-caches.
    #[must_use]
    pub fn needs_invalidation(&self) -> bool {
        self.traits.is_none_or(|traits| traits.is_cached)
    }

    /// Returns whether a write under the key removes access, even if there was no entry before.
    #[must_use]
    pub fn is_revoking(&self) -> bool {
        self.traits.is_none_or(|traits| traits.is_revoking)
    }

    /// Returns whether a full store may evict the entry.
    #[must_use]
    pub fn is_evictable(&self) -> bool {
        self.traits.is_some_and(|traits| traits.is_evictable)
    }

    /// Returns the hash that distinguishes the key within its namespace.
    #[must_use]
    pub const fn digest(&self) -> &[u8; 32] {
        &self.digest
    }
}

impl PartialEq for StoreKey {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest && self.namespace == other.namespace
    }
}

impl Eq for StoreKey {}

impl PartialOrd for StoreKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for StoreKey {
    fn cmp(&self, other: &Self) -> Ordering {
        (&self.namespace, &self.digest).cmp(&(&other.namespace, &other.digest))
    }
}

impl Hash for StoreKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.namespace.hash(state);
        self.digest.hash(state);
    }
}

/// Shows the namespace and the first bytes, enough to distinguish two keys in a test.
impl fmt::Debug for StoreKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, ..] = self.digest;
        write!(f, "StoreKey({}/{a:02x}{b:02x}{c:02x}…)", self.namespace)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_careful_with_keys_of_which_nothing_is_declared() {
        const DECLARED: Namespace = Namespace::new("kind").cached().evictable();
        let declared = StoreKey::new(DECLARED, &[b"a"]);
        assert!(declared.is_cached() && declared.needs_invalidation() && declared.is_evictable());
        assert!(!declared.is_revoking());
        let plain = StoreKey::new(Namespace::new("kind"), &[b"a"]);
        assert!(!plain.needs_invalidation() && !plain.is_revoking());
        let stored = StoreKey::from_stored("kind", *declared.digest());
        for unknown in [StoreKey::new("kind", &[b"a"]), stored.clone()] {
            assert!(unknown.needs_invalidation() && unknown.is_revoking());
            assert!(!unknown.is_evictable());
            assert_eq!(unknown, declared);
        }
        assert!(!stored.is_cached());
    }
}
