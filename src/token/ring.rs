//! The keys of one issuer, exchanged while they are in use.

use std::{any::Any, fmt, sync::Arc};

use arc_swap::{ArcSwap, Guard};
use serde_json::{Value, json};

use crate::{
    error::ConfigError,
    token::{algorithm::Algorithm, jwk::Jwk, key::Key},
};

/// One key that signs, and any number that are still accepted.
///
/// A ring is a handle: clones share it, and every change is one atomic store that requests see at
/// once or not at all. A token's `kid` is looked up in it by exact match, and nothing in a token
/// adds to it (RFC 8725 section 3.10). Ids are distinct.
///
/// To rotate without refusing anybody's token: let every server [`accept`](Self::accept) the new
/// key, then [`rotate`](Self::rotate) to it, and [`retire`](Self::retire) the old one when the last
/// token made with it has expired.
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
pub struct KeyRing<K = Key>(Arc<ArcSwap<Ring<K>>>);

impl<K: RingKey> KeyRing<K> {
    /// A ring of one key.
    #[must_use]
    pub fn new(active: K) -> Self {
        Self::from_ring(Ring {
            active,
            accepted: Vec::new(),
        })
    }

    /// Also accepts what `key` has signed.
    ///
    /// # Errors
    ///
    /// When there is a key of its id.
    pub fn accept(&self, key: K) -> Result<(), ConfigError> {
        self.update(move |ring| {
            let accepted = ring.accepted.iter().chain([&key]).cloned().collect();
            Ring::checked(ring.active.clone(), accepted)
        })
    }

    /// Signs with `key` from now on and goes on accepting the one that signed until now.
    ///
    /// The key may be one that is accepted already, also without its private half.
    ///
    /// # Errors
    ///
    /// When there is another key of its id.
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

    /// No longer accepts the key of this id. `false` when it is the active one, which stays, or when
    /// there is none.
    #[must_use = "`false` says that no key was retired"]
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

    /// Exchanges all keys in one step.
    ///
    /// # Errors
    ///
    /// When two of them have one id; then nothing is changed.
    pub fn replace(
        &self,
        active: K,
        accepted: impl IntoIterator<Item = K>,
    ) -> Result<(), ConfigError> {
        let ring = Ring::checked(active, accepted.into_iter().collect())?;
        self.0.store(Arc::new(ring));
        Ok(())
    }

    /// Exchanges all keys for those of another ring.
    #[cfg(feature = "jwks")]
    pub(super) fn replace_with(&self, other: &Self) {
        self.0.store(other.0.load_full());
    }

    /// Whether both have the same keys in the same order.
    #[cfg(feature = "jwks")]
    pub(super) fn has_same_keys(&self, other: &Self) -> bool {
        let (keys, others) = (self.load(), other.load());
        keys.accepted.len() == others.accepted.len()
            && keys.iter().zip(others.iter()).all(|(a, b)| a.is_same(b))
    }

    /// The key that signs at this moment.
    #[must_use]
    pub fn active(&self) -> K {
        self.load().active().clone()
    }

    /// The keys at this moment, for one request or one token.
    pub(crate) fn load(&self) -> Guard<Arc<Ring<K>>> {
        self.0.load()
    }

    /// Whether these keys, loaded earlier, are still those of the ring.
    pub(crate) fn is_at(&self, keys: &Arc<dyn Any + Send + Sync>) -> bool {
        Arc::as_ptr(&self.load()).cast::<()>() == Arc::as_ptr(keys).cast::<()>()
    }

    fn from_ring(ring: Ring<K>) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(ring)))
    }

    /// Stores what `change` makes of the keys, again if others changed them meanwhile.
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
    /// Reads another party's JWK set (RFC 7517 section 5), for verifying only.
    ///
    /// Keys that cannot be used are skipped, as section 5 asks: of an unknown type, curve or algorithm,
    /// for encryption, or malformed. So a new kind of key at the provider does not lock everybody out.
    /// An RSA key without `alg` is taken for `RS256` alone, which every OpenID provider has (OpenID
    /// Connect Core section 15.1) and which those mean who leave it out.
    ///
    /// # Errors
    ///
    /// When it is not a set, when no key in it can be used, when two keys that are meant for
    /// verifying have one id, be one of them malformed, and when there are shared secrets among public keys.
    pub fn from_jwks(json: &str) -> Result<Self, ConfigError> {
        let set = Jwk::parse("jwks", json)?;
        let (mut keys, mut kids) = (Vec::new(), Vec::new());
        let mut read = |json| {
            let jwk = Jwk::parse("jwks", json)?;
            let algorithm = verification_algorithm(&jwk)?;
            // Also of a key that turns out malformed: which of the two was meant is not ours to guess.
            kids.extend(jwk.kid()?);
            Key::of_jwk(algorithm, &jwk)
        };
        for jwk in set.keys()? {
            match read(jwk.get()) {
                Ok(key) => keys.push(key.verifying()),
                Err(error) => tracing::debug!(%error, "a key of the set is skipped"),
            }
        }
        ensure_unique(kids.iter().map(String::as_str))?;
        let symmetric = keys
            .iter()
            .filter(|key| key.algorithm().is_symmetric())
            .count();
        if symmetric != 0 && symmetric != keys.len() {
            return Err(set.refuse("there are shared secrets among public keys"));
        }
        let mut keys = keys.into_iter();
        let active = keys
            .next()
            .ok_or_else(|| set.refuse("there is no key in it that can verify"))?;
        Ring::checked(active, keys.collect()).map(Self::from_ring)
    }

    /// The public halves as a JWK set (RFC 7517 section 5), for `/.well-known/jwks.json`. Shared secrets
    /// are left out, private members are never in it.
    #[must_use]
    pub fn public_jwks(&self) -> Value {
        let keys: Vec<Value> = self.load().iter().filter_map(Key::public_jwk).collect();
        json!({ "keys": keys })
    }
}

/// The algorithm of a key that is meant for verifying.
fn verification_algorithm(jwk: &Jwk<'_>) -> Result<Algorithm, ConfigError> {
    if !jwk.uses()?.verify {
        return Err(jwk.refuse("its `key_ops` does not allow to verify"));
    }
    let implied = jwk.is_rsa().then_some(Algorithm::Rs256);
    let unnamed = || jwk.refuse("it has no `alg`");
    jwk.algorithm()?.or(implied).ok_or_else(unnamed)
}

fn distinct<'a>(kids: impl Iterator<Item = &'a str>) -> Result<(), ConfigError> {
    let mut kids: Vec<&str> = kids.collect();
    kids.sort_unstable();
    if kids.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(ConfigError::new("kid", "two keys of the ring have one id"));
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

/// The keys of a ring at one moment.
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

    /// The key that signs.
    pub(crate) fn active(&self) -> &K {
        &self.active
    }

    /// Every key, the active one first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &K> {
        std::iter::once(&self.active).chain(&self.accepted)
    }

    /// The key of this id. Without an id there must be no choice.
    pub(crate) fn find(&self, kid: Option<&str>) -> Option<&K> {
        match kid {
            Some(kid) => self.iter().find(|key| key.kid() == kid),
            None => self.accepted.is_empty().then_some(&self.active),
        }
    }
}

/// A key that a [`KeyRing`] can hold. Only keys of this crate are.
pub trait RingKey: sealed::SealedKey + Clone + fmt::Debug + Send + Sync + 'static {
    /// The id that a token names it by.
    fn kid(&self) -> &str;

    /// Whether `other` is this key under this id, with or without the private half.
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

pub(super) mod sealed {
    #[expect(
        unnameable_types,
        reason = "a trait that seals another is not to be named"
    )]
    pub trait SealedKey {}

    impl SealedKey for super::Key {}
}
