//! Namespaces: the kinds of keys, and what engines declare about them.

/// The kind of a key. The engine that writes such entries declares it once, as a constant, so no
/// store needs to know an engine.
///
/// ```
/// use tower_jam::store::{StoreKey, Namespace};
///
/// const INVITATION: Namespace = Namespace::new("invitation").revoking();
///
/// assert!(StoreKey::new(INVITATION, &[b"alice"]).is_revoking());
/// ```
///
/// A plain string converts to a namespace that is [cached](Self::cached) and
/// [revoking](Self::revoking). That costs the most and is safe for any entries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Namespace {
    name: &'static str,
    pub(super) traits: Traits,
}

/// What an engine declares about its keys.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Traits {
    pub(super) is_cached: bool,
    pub(super) is_revoking: bool,
    pub(super) is_evictable: bool,
}

impl Namespace {
    /// A namespace of lower-case ASCII letters and `-`, without any of the traits below.
    ///
    /// # Panics
    ///
    /// If the name is empty or has other characters. For a constant this is a compile error.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        let bytes = name.as_bytes();
        assert!(!bytes.is_empty(), "a namespace has a name");
        let mut at = 0;
        while at < bytes.len() {
            let is_allowed = bytes[at].is_ascii_lowercase() || bytes[at] == b'-';
            assert!(is_allowed, "a namespace has lower-case letters and `-`");
            at += 1;
        }
        Self { name, traits: NONE }
    }

    /// Requests read such keys through a near-cache, and each change sends invalidations. These
    /// have a cost, most of all in PostgreSQL. A group declares this if its members have such a
    /// namespace.
    #[must_use]
    pub const fn cached(self) -> Self {
        self.with(Traits {
            is_cached: true,
            ..self.traits
        })
    }

    /// A write removes access, even if there was no entry before: a revoked token id, a mark, an
    /// epoch. A failover must not undo such a write, so it waits for a replica.
    #[must_use]
    pub const fn revoking(self) -> Self {
        self.with(Traits {
            is_revoking: true,
            ..self.traits
        })
    }

    /// A full store may evict such entries. For counters.
    #[must_use]
    pub const fn evictable(self) -> Self {
        self.with(Traits {
            is_evictable: true,
            ..self.traits
        })
    }

    /// Returns the name, which alone identifies a namespace.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.name
    }

    const fn with(self, traits: Traits) -> Self {
        Self {
            name: self.name,
            traits,
        }
    }
}

impl From<&'static str> for Namespace {
    fn from(name: &'static str) -> Self {
        Self { name, traits: NONE }.cached().revoking()
    }
}

const NONE: Traits = Traits {
    is_cached: false,
    is_revoking: false,
    is_evictable: false,
};
