//! The source of an engine's keys: a fixed ring or a published key set.

use std::fmt;

use super::envelope::KeyRefresh;
use crate::key::ring::KeyRing;
#[cfg(feature = "jwks")]
use crate::remote::jwks::Jwks;

/// The keys of a [`Jwt`](super::Jwt): a [`KeyRing`], or the `Jwks` that another party publishes.
#[derive(Clone)]
pub struct KeySource {
    pub(super) ring: KeyRing,
    #[cfg(feature = "jwks")]
    pub(super) jwks: Option<Jwks>,
}

impl KeySource {
    /// Refreshes the keys on behalf of a token whose key is unknown. Returns `None` if the keys are
    /// fixed.
    pub(super) fn refresh_for_unknown(&self) -> Option<KeyRefresh<'_>> {
        #[cfg(feature = "jwks")]
        if let Some(jwks) = &self.jwks {
            return Some(Box::pin(jwks.refresh_for_unknown()));
        }
        None
    }
}

impl From<KeyRing> for KeySource {
    fn from(ring: KeyRing) -> Self {
        Self {
            ring,
            #[cfg(feature = "jwks")]
            jwks: None,
        }
    }
}

#[cfg(feature = "jwks")]
impl From<Jwks> for KeySource {
    fn from(jwks: Jwks) -> Self {
        Self {
            ring: jwks.keys().clone(),
            jwks: Some(jwks),
        }
    }
}

impl fmt::Debug for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KeySource").field(&self.ring).finish()
    }
}
