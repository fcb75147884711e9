//! Where an engine has its keys from.

use std::fmt;

#[cfg(feature = "jwks")]
use super::jwks::Jwks;
use super::ring::KeyRing;

/// The keys of a [`Jwt`](super::Jwt): a [`KeyRing`], or a `Jwks` that another party publishes.
#[derive(Clone)]
pub struct KeySource {
    pub(super) ring: KeyRing,
    #[cfg(feature = "jwks")]
    pub(super) jwks: Option<Jwks>,
}

impl KeySource {
    /// Asks for keys that the ring does not have, and says whether a token that names one is worth judging again.
    pub(super) async fn refresh(&self) -> bool {
        #[cfg(feature = "jwks")]
        if let Some(jwks) = &self.jwks {
            return jwks.refresh_for_unknown().await;
        }
        false
    }

    pub(super) const fn can_refresh(&self) -> bool {
        #[cfg(feature = "jwks")]
        return self.jwks.is_some();
        #[cfg(not(feature = "jwks"))]
        false
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
