//! What names an entry, and the namespaces that stores treat in a way of their own.

use std::{borrow::Cow, fmt};

use crate::secret;

/// Names an entry or a group: a namespace and 256 bits that tell nothing of what they stand for.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    pub(super) namespace: Cow<'static, str>,
    pub(super) digest: [u8; 32],
}

impl Key {
    /// The key of `parts`, hashed with SHA-256. Parts are joined with their lengths, so `["ab", "c"]`
    /// and `["a", "bc"]` are different keys.
    #[must_use]
    pub fn new(namespace: &'static str, parts: &[&[u8]]) -> Self {
        let lengths: Vec<_> = parts
            .iter()
            .map(|part| (part.len() as u64).to_be_bytes())
            .collect();
        let framed = lengths
            .iter()
            .zip(parts)
            .flat_map(|(length, part)| [length.as_slice(), part]);
        let digest = secret::hash(framed);
        Self {
            namespace: Cow::Borrowed(namespace),
            digest,
        }
    }

    /// The key that a backend stored as these two columns.
    #[must_use]
    pub fn from_stored(namespace: &str, digest: [u8; 32]) -> Self {
        Self {
            namespace: Cow::Owned(namespace.to_owned()),
            digest,
        }
    }

    /// The key with this digest, which was a key's before.
    #[cfg(feature = "refresh")]
    pub(crate) const fn from_digest(namespace: &'static str, digest: [u8; 32]) -> Self {
        Self {
            namespace: Cow::Borrowed(namespace),
            digest,
        }
    }

    /// What kind of thing the key names, such as `session`: lower-case ASCII letters and `-`.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Whether requests glance at such a key, so that its changes are announced. See [`Store::glance`](super::Store::glance).
    #[must_use]
    pub fn is_glanced(&self) -> bool {
        GLANCED.contains(&self.namespace())
    }

    /// Whether a write under such a key takes something away from somebody, also where nothing was before: a token
    /// that is listed, a mark, an epoch.
    #[cfg(feature = "store-redis")]
    pub(crate) fn revokes_when_new(&self) -> bool {
        REVOKING.contains(&self.namespace())
    }

    /// The hash that tells it from others of its namespace.
    #[must_use]
    pub const fn digest(&self) -> &[u8; 32] {
        &self.digest
    }
}

/// Shows the namespace and the first bytes, enough to tell two keys apart in a test.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, ..] = self.digest;
        write!(f, "Key({}/{a:02x}{b:02x}{c:02x}…)", self.namespace)
    }
}

/// The namespaces that requests [`glance`](super::Store::glance) at: the only ones whose changes a store announces and
/// a near-cache remembers. Announcing is not free, least of all in PostgreSQL.
pub(crate) const GLANCED: [&str; 3] = ["session", "account", "token-list"];

/// The namespaces of what says that something has ended or was used: a failover must not undo it.
#[cfg(feature = "store-redis")]
const REVOKING: [&str; 4] = ["account", "otp", "session-epoch", "token-list"];

/// The namespace of attempt counters, which give way when a bounded store is full.
pub(crate) const THROTTLE: &str = "throttle";
