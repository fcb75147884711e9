//! The source of an engine's keys: a fixed ring or a published key set.

use std::{fmt, sync::Arc};

use super::envelope::KeyRefresh;
use crate::key::ring::KeyRing;
#[cfg(feature = "jwks")]
use crate::remote::jwks::Jwks;

/// The keys of a [`Jwt`](super::Jwt): a [`KeyRing`], or the `Jwks` that another party publishes.
#[derive(Clone)]
pub struct KeySource {
    pub(super) ring: KeyRing,
    /// Where new keys come from, unless the keys are fixed.
    fetcher: Option<Arc<dyn FetchKeys>>,
}

/// Fetches keys that others publish.
trait FetchKeys: Send + Sync {
    fn fetch_keys(&self) -> KeyRefresh<'_>;
}

impl KeySource {
    /// Refreshes the keys on behalf of a token whose key is unknown. Returns `None` if the keys are
    /// fixed.
    pub(super) fn refresh_for_unknown(&self) -> Option<KeyRefresh<'_>> {
        self.fetcher.as_ref().map(|fetcher| fetcher.fetch_keys())
    }
}

impl From<KeyRing> for KeySource {
    fn from(ring: KeyRing) -> Self {
        Self {
            ring,
            fetcher: None,
        }
    }
}

#[cfg(feature = "jwks")]
impl From<Jwks> for KeySource {
    fn from(jwks: Jwks) -> Self {
        Self {
            ring: jwks.keys().clone(),
            fetcher: Some(Arc::new(jwks)),
        }
    }
}

#[cfg(feature = "jwks")]
impl FetchKeys for Jwks {
    fn fetch_keys(&self) -> KeyRefresh<'_> {
        Box::pin(self.refresh_for_unknown())
    }
}

impl fmt::Debug for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KeySource").field(&self.ring).finish()
    }
}
