//! What kind of thing a key names, and what follows for the stores.

/// The kind of a key, declared once, as a constant of the engine that writes such entries. So no store knows an engine.
///
/// ```
/// use tower_jam::store::{Key, Namespace};
///
/// const INVITATION: Namespace = Namespace::new("invitation").revoking();
///
/// assert!(Key::new(INVITATION, &[b"alice"]).is_revoking());
/// ```
///
/// A bare name is a namespace too, [cached](Self::cached) and [revoking](Self::revoking): what costs most, and is safe
/// whatever the entries are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Namespace {
    name: &'static str,
    pub(super) traits: Traits,
}

/// What an engine declares of its keys.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Traits {
    pub(super) is_cached: bool,
    pub(super) is_revoking: bool,
    pub(super) is_evictable: bool,
}

impl Namespace {
    /// A namespace of lower-case ASCII letters and `-`, with none of the traits below.
    ///
    /// # Panics
    ///
    /// When the name is empty or has other characters; for a constant that is an error of the compiler.
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

    /// Requests read such keys through a near-cache, and their changes trigger invalidations. That is not free, least of
    /// all in PostgreSQL. A group declares it where its members are of such a namespace.
    #[must_use]
    pub const fn cached(self) -> Self {
        self.with(Traits {
            is_cached: true,
            ..self.traits
        })
    }

    /// A write removes access, also where nothing was before: a token that is listed, a mark, an epoch. A failover
    /// must not undo it, so it waits for a replica.
    #[must_use]
    pub const fn revoking(self) -> Self {
        self.with(Traits {
            is_revoking: true,
            ..self.traits
        })
    }

    /// A bounded store that is full may evict such entries: counters.
    #[must_use]
    pub const fn evictable(self) -> Self {
        self.with(Traits {
            is_evictable: true,
            ..self.traits
        })
    }

    /// The name, by which alone namespaces are told apart.
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
