//! The key ring of an issuer, which can be changed at run time.

use std::{any::Any, fmt, sync::Arc};

use arc_swap::{ArcSwap, Guard};
use serde_json::{Value, json};

use crate::{
    error::ConfigError,
    key::{algorithm::Algorithm, jwk::Jwk, signing::Key},
};

/// One key that signs, and any number of keys that are still accepted.
///
/// A ring is a handle: clones share it, and every change is one atomic store, so a request sees
/// either the old keys or the new ones. The `kid` of a token is looked up by exact match, and
/// nothing in a token adds a key (RFC 8725 section 3.10). Ids are distinct.
///
/// To rotate without rejecting valid tokens: let every server [`accept`](Self::accept) the new key,
/// then [`rotate`](Self::rotate) to it, and [`retire`](Self::retire) the old one when the last
/// token signed with it has expired.
///
/// ```
/// use tower_jam::{Algorithm, Key, KeyRing};
///
/// let (old, new) = (Key::generate(Algorithm::EdDsa)?, Key::generate(Algorithm::EdDsa)?);
/// let ring = KeyRing::new(old.clone());
/// ring.accept(new.clone())?;
/// ring.rotate(new)?;
/// assert!(ring.retire(old.kid()));
/// # Ok::<(), tower_jam::ConfigError>(())
/// ```
#[doc(alias("jwks", "rotation", "kid"))]
pub struct KeyRing<K = Key>(Arc<ArcSwap<Ring<K>>>);

impl<K: RingKey> KeyRing<K> {
    /// Creates a ring with one key.
    #[must_use]
    pub fn new(active: K) -> Self {
        Self::from_ring(Ring {
            active,
            accepted: Vec::new(),
        })
    }

    /// Also accepts tokens signed with `key`.
    ///
    /// # Errors
    ///
    /// If a key with the same id exists.
    pub fn accept(&self, key: K) -> Result<(), ConfigError> {
        self.update(move |ring| {
            let accepted = ring.accepted.iter().chain([&key]).cloned().collect();
            Ring::checked(ring.active.clone(), accepted)
        })
    }

    /// Signs with `key` from now on, and still accepts the previous key.
    ///
    /// The key may be an accepted one, including one that was added without its private half.
    ///
    /// # Errors
    ///
    /// If another key with the same id exists.
    pub fn rotate(&self, key: K) -> Result<(), ConfigError> {
        self.update(move |ring| {
            let others = ring
                .iter()
                .filter(|other| !other.is_same(&key))
                .cloned()
                .collect();
            Ring::checked(key.clone(), others)
        })
    }

    /// Stops accepting the key with this id. Returns `false` if it is the active key, which stays,
    /// or if there is no such key.
    #[must_use = "`false` means that no key was retired"]
    pub fn retire(&self, kid: &str) -> bool {
        let before = self.0.rcu(|ring| {
            let rest = ring.accepted.iter().filter(|key| key.kid() != kid);
            Ring {
                active: ring.active.clone(),
                accepted: rest.cloned().collect(),
            }
        });
        before.accepted.iter().any(|key| key.kid() == kid)
    }

    /// Replaces all keys atomically.
    ///
    /// # Errors
    ///
    /// If two of the keys have the same id. Then the ring is not changed.
    pub fn replace(
        &self,
        active: K,
        accepted: impl IntoIterator<Item = K>,
    ) -> Result<(), ConfigError> {
        let ring = Ring::checked(active, accepted.into_iter().collect())?;
        self.0.store(Arc::new(ring));
        Ok(())
    }

    /// Replaces all keys by those of another ring.
    #[cfg(feature = "jwks")]
    pub(crate) fn replace_with(&self, other: &Self) {
        self.0.store(other.0.load_full());
    }

    /// Whether both rings have the same keys in the same order.
    #[cfg(feature = "jwks")]
    pub(crate) fn has_same_keys(&self, other: &Self) -> bool {
        let (keys, others) = (self.load(), other.load());
        keys.accepted.len() == others.accepted.len()
            && keys.iter().zip(others.iter()).all(|(a, b)| a.is_same(b))
    }

    /// Returns the current signing key.
    #[must_use]
    pub fn active(&self) -> K {
        self.load().active().clone()
    }

    /// Returns a snapshot of the keys, for one request or one token.
    pub(crate) fn load(&self) -> Guard<Arc<Ring<K>>> {
        self.0.load()
    }

    /// Whether `keys`, a snapshot taken earlier, is still current.
    pub(crate) fn is_current(&self, keys: &Arc<dyn Any + Send + Sync>) -> bool {
        Arc::as_ptr(&self.load()).cast::<()>() == Arc::as_ptr(keys).cast::<()>()
    }

    fn from_ring(ring: Ring<K>) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(ring)))
    }

    /// Applies `change` and stores the result, retrying if the keys were changed concurrently.
    fn update(
        &self,
        change: impl Fn(&Ring<K>) -> Result<Ring<K>, ConfigError>,
    ) -> Result<(), ConfigError> {
        let mut outcome = Ok(());
        self.0.rcu(|ring| match change(ring) {
            Ok(changed) => {
                outcome = Ok(());
                Arc::new(changed)
            }
            Err(error) => {
                outcome = Err(error);
                Arc::clone(ring)
            }
        });
        outcome
    }
}

impl KeyRing<Key> {
    /// Reads another party's JWK set (RFC 7517 section 5). The keys only verify.
    ///
    /// Unusable keys are skipped, as section 5 recommends: of an unknown type, curve or algorithm,
    /// for encryption, or malformed. So a new kind of key at the provider does not lock out all
    /// users. An RSA key without `alg` is read as `RS256` only: every OpenID provider supports it
    /// (OpenID Connect Core section 15.1), and it is what providers that omit `alg` mean.
    ///
    /// # Errors
    ///
    /// If `json` is not a set, if no key in it is usable, if two keys for verifying have the same
    /// id, even if one of them is malformed, and if it mixes shared secrets with public keys.
    pub fn from_jwks(json: &str) -> Result<Self, ConfigError> {
        let set = Jwk::parse("jwks", json)?;
        let (mut keys, mut kids) = (Vec::new(), Vec::new());
        let mut read = |json| {
            let jwk = Jwk::parse("jwks", json)?;
            let algorithm = verification_algorithm(&jwk)?;
            // The id of a malformed key counts as well, since which of the two keys is meant cannot
            // be known.
            kids.extend(jwk.kid()?);
            Key::of_jwk(algorithm, &jwk)
        };
        for jwk in set.keys()? {
            match read(jwk.get()) {
                Ok(key) => keys.push(key.verifying()),
                Err(error) => tracing::debug!(%error, "skipped an unusable key of the set"),
            }
        }
        ensure_unique(kids.iter().map(String::as_str))?;
        let symmetric = keys
            .iter()
            .filter(|key| key.algorithm().is_symmetric())
            .count();
        if symmetric != 0 && symmetric != keys.len() {
            return Err(set.refuse("it mixes shared secrets with public keys"));
        }
        let mut keys = keys.into_iter();
        let active = keys
            .next()
            .ok_or_else(|| set.refuse("it contains no key that can verify"))?;
        Ring::checked(active, keys.collect()).map(Self::from_ring)
    }

    /// Returns the public halves as a JWK set (RFC 7517 section 5), for `/.well-known/jwks.json`.
    /// It contains neither shared secrets nor private members.
    #[must_use]
    pub fn public_jwks(&self) -> Value {
        let keys: Vec<Value> = self.load().iter().filter_map(Key::public_jwk).collect();
        json!({ "keys": keys })
    }
}

/// Returns the algorithm of a key that is meant for verifying.
fn verification_algorithm(jwk: &Jwk<'_>) -> Result<Algorithm, ConfigError> {
    if !jwk.uses()?.verify {
        return Err(jwk.refuse("its `key_ops` does not allow verifying"));
    }
    let implied = jwk.is_rsa().then_some(Algorithm::Rs256);
    let missing = || jwk.refuse("it has no `alg`");
    jwk.algorithm()?.or(implied).ok_or_else(missing)
}

fn ensure_unique<'a>(kids: impl Iterator<Item = &'a str>) -> Result<(), ConfigError> {
    let mut kids: Vec<&str> = kids.collect();
    kids.sort_unstable();
    if kids.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(ConfigError::new("kid", "two keys have the same id"));
    }
    Ok(())
}

impl<K> Clone for KeyRing<K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K: RingKey> fmt::Debug for KeyRing<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ring = self.load();
        f.debug_struct("KeyRing")
            .field("active", &ring.active)
            .field("accepted", &ring.accepted)
            .finish()
    }
}

/// A snapshot of the keys of a ring.
pub(crate) struct Ring<K> {
    active: K,
    accepted: Vec<K>,
}

impl<K: RingKey> Ring<K> {
    fn checked(active: K, accepted: Vec<K>) -> Result<Self, ConfigError> {
        let ring = Self { active, accepted };
        ensure_unique(ring.iter().map(RingKey::kid))?;
        Ok(ring)
    }

    /// Returns the signing key.
    pub(crate) fn active(&self) -> &K {
        &self.active
    }

    /// Iterates over all keys, the active one first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &K> {
        std::iter::once(&self.active).chain(&self.accepted)
    }

    /// Returns the key with this id. Without an id, returns the only key; `None` if there are
    /// several.
    pub(crate) fn find(&self, kid: Option<&str>) -> Option<&K> {
        match kid {
            Some(kid) => self.iter().find(|key| key.kid() == kid),
            None => self.accepted.is_empty().then_some(&self.active),
        }
    }
}

/// A key that a [`KeyRing`] can hold. The trait is sealed.
pub trait RingKey: sealed::SealedKey + Clone + fmt::Debug + Send + Sync + 'static {
    /// Returns the id by which tokens refer to the key.
    fn kid(&self) -> &str;

    /// Returns whether `other` is the same key with the same id, regardless of the private half.
    fn is_same(&self, other: &Self) -> bool;
}

impl RingKey for Key {
    fn kid(&self) -> &str {
        self.kid()
    }

    fn is_same(&self, other: &Self) -> bool {
        self.algorithm() == other.algorithm()
            && self.thumbprint() == other.thumbprint()
            && self.kid() == other.kid()
    }
}

pub(crate) mod sealed {
    #[expect(
        unnameable_types,
        reason = "nobody outside may implement a sealed trait"
    )]
    pub trait SealedKey {}

    impl SealedKey for super::Key {}
}
