//! A key bound to one version and one purpose.

use std::{fmt, marker::PhantomData, sync::Arc};

use super::{
    paserk,
    version::{
        LOCAL_KEY_BYTES, Local, Public, Purpose,
        sealed::{Cipher, KeyPair, SharedKey},
    },
};
use crate::{
    error::ConfigError,
    key::ring::{RingKey, sealed::SealedKey},
    secret,
    secret::Secret,
};

/// A key of one version and one purpose of PASETO, for a [`KeyRing`](crate::KeyRing).
///
/// Its id is its PASERK id, which is the same wherever it is computed, unless
/// [`with_kid`](Self::with_kid) sets another. Keys are validated when they are created; clones
/// share the parsed key.
///
/// ```
/// use tower_jam::token::paseto::{Local, PasetoKey, Public, V4};
///
/// let shared = PasetoKey::<V4, Local>::generate();
/// let stored = shared.to_paserk(); // `k4.local.…`, as secret as the key
/// assert_eq!(PasetoKey::<V4, Local>::from_paserk(stored.expose())?.kid(), shared.kid());
/// assert!(shared.kid().starts_with("k4.lid."));
///
/// let pair = PasetoKey::<V4, Public>::generate()?;
/// let public = PasetoKey::<V4, Public>::from_paserk(&pair.public_paserk())?;
/// assert_eq!((public.kid(), public.can_sign()), (pair.kid(), false));
/// # Ok::<(), tower_jam::ConfigError>(())
/// ```
pub struct PasetoKey<V: 'static, P: Purpose<V>> {
    kid: Arc<str>,
    inner: Arc<PasetoKeyInner<P::Material>>,
    version: PhantomData<fn() -> V>,
}

struct PasetoKeyInner<M> {
    id: String,
    /// The shared key, or the private half if there is one.
    secret: Option<Secret<Vec<u8>>>,
    /// The public half if there is one.
    public: Vec<u8>,
    material: M,
}

impl<V: 'static, P: Purpose<V>> PasetoKey<V, P> {
    /// Sets the id of the key, the `kid` in the footers of its tokens.
    ///
    /// # Errors
    ///
    /// When it is empty, longer than 128 characters, or contains anything but visible ASCII: it
    /// appears in every token and in logs.
    pub fn with_kid(self, kid: impl Into<String>) -> Result<Self, ConfigError> {
        let kid = kid.into();
        if !(1..=MAXIMUM_KID).contains(&kid.len())
            || !kid.bytes().all(|byte| byte.is_ascii_graphic())
        {
            let reason = format!("a key id is 1 to {MAXIMUM_KID} visible ASCII characters");
            return Err(ConfigError::new("kid", reason));
        }
        Ok(Self {
            kid: kid.into(),
            ..self
        })
    }

    /// Returns the id of the key.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    pub(super) fn material(&self) -> &P::Material {
        &self.inner.material
    }

    fn new(id: String, secret: Option<&[u8]>, public: Vec<u8>, material: P::Material) -> Self {
        Self {
            kid: id.as_str().into(),
            inner: Arc::new(PasetoKeyInner {
                id,
                secret: secret.map(|secret| Secret::new(secret.to_vec())),
                public,
                material,
            }),
            version: PhantomData,
        }
    }

    fn encode(&self, kind: &str, key: &[u8]) -> String {
        paserk::encode(<P as Cipher<V>>::VERSION, kind, key)
    }

    fn secret(&self) -> Option<&[u8]> {
        self.inner.secret.as_ref().map(|secret| &**secret.expose())
    }
}

#[allow(private_bounds, reason = "the trait seals the purposes")]
impl<V: 'static> PasetoKey<V, Local>
where
    Local: SharedKey<V>,
{
    /// Generates a new key.
    ///
    /// # Panics
    ///
    /// When the operating system provides no randomness; nothing safe can be done then.
    #[must_use]
    pub fn generate() -> Self {
        let key = Secret::new(secret::random::<LOCAL_KEY_BYTES>());
        Self::of(key.expose()).expect("32 random bytes are a key")
    }

    /// Creates a key from 32 random bytes, never from a password.
    ///
    /// # Errors
    ///
    /// When there are not 32 bytes, or all of them are the same.
    pub fn from_bytes(bytes: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        let key = Self::of(bytes.as_ref());
        key.ok_or_else(|| ConfigError::new("key", "a shared key has 32 bytes"))?
            .varied()
    }

    /// Reads a key from its PASERK, `k4.local.…` for version 4.
    ///
    /// # Errors
    ///
    /// When it is of another version or type, is not a key in every character, or all bytes are the
    /// same.
    pub fn from_paserk(text: &str) -> Result<Self, ConfigError> {
        let version = <Local as Cipher<V>>::VERSION;
        let key = Self::read(text);
        key.ok_or_else(|| ConfigError::new("key", format!("is not a PASERK `k{version}.local`")))?
            .varied()
    }

    /// Reads a key that has the right form, even a weak one.
    pub(super) fn read(text: &str) -> Option<Self> {
        let bytes = paserk::decode(<Local as Cipher<V>>::VERSION, "local", text)?;
        Self::of(&bytes)
    }

    /// Rejects a key whose bytes are all the same, since anybody can guess it.
    fn varied(self) -> Result<Self, ConfigError> {
        let bytes = self.secret().unwrap_or_default();
        if bytes.iter().all(|byte| *byte == bytes[0]) {
            return Err(ConfigError::new("key", "the same byte all over"));
        }
        Ok(self)
    }

    /// Returns the key as PASERK, to be stored for the next start.
    #[must_use]
    pub fn to_paserk(&self) -> Secret<String> {
        Secret::new(self.encode("local", self.secret().unwrap_or_default()))
    }

    /// Returns the PASERK id, `k4.lid.…` for version 4.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.inner.id
    }

    fn of(bytes: &[u8]) -> Option<Self> {
        let key: &[u8; LOCAL_KEY_BYTES] = bytes.try_into().ok()?;
        let version = <Local as Cipher<V>>::VERSION;
        let text = Secret::new(paserk::encode(version, "local", key));
        let id = paserk::id(version, "lid", text.expose());
        let material = <Local as SharedKey<V>>::material(key)?;
        Some(Self::new(id, Some(bytes), Vec::new(), material))
    }
}

#[allow(private_bounds, reason = "the trait seals the purposes")]
impl<V: 'static> PasetoKey<V, Public>
where
    Public: KeyPair<V>,
{
    /// Generates a new key pair.
    ///
    /// # Errors
    ///
    /// When the cryptographic library fails, for lack of randomness or memory.
    pub fn generate() -> Result<Self, ConfigError> {
        <Public as KeyPair<V>>::generate()
            .and_then(|secret| Self::pair(&secret))
            .ok_or_else(|| ConfigError::new("key", "the key pair could not be generated"))
    }

    /// Reads a key pair from the PASERK of its private half, or only the public half from its
    /// PASERK: `k4.secret.…` and `k4.public.…` for version 4.
    ///
    /// A point of P-384 must be on its curve, one of Ed25519 must not be of low order, and the
    /// halves must match. A seed of zeros, which the official PASERK vectors contain, is read but
    /// cannot sign.
    ///
    /// # Errors
    ///
    /// When it is of another version or type, or is not a key in every character.
    pub fn from_paserk(text: &str) -> Result<Self, ConfigError> {
        let version = <Public as Cipher<V>>::VERSION;
        if let Some(public) = paserk::decode(version, "public", text) {
            return Self::from_public_bytes(&*public);
        }
        let secret = paserk::decode(version, "secret", text);
        secret
            .and_then(|secret| Self::pair(&secret))
            .ok_or_else(|| {
                let reason = format!("is not a PASERK `k{version}.secret` or `k{version}.public`");
                ConfigError::new("key", reason)
            })
    }

    /// Creates a key pair from the bytes of its private half: the 32-byte seed and the 32-byte
    /// public key for Ed25519, 48 bytes for P-384.
    ///
    /// # Errors
    ///
    /// When they are not a private key.
    pub fn from_secret_bytes(bytes: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        Self::pair(bytes.as_ref()).ok_or_else(|| ConfigError::new("key", "is not a private key"))
    }

    /// Creates a public half: 32 bytes for Ed25519, 49 bytes of a compressed point for P-384.
    ///
    /// # Errors
    ///
    /// When they are not a public key.
    pub fn from_public_bytes(bytes: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        Self::half(bytes.as_ref()).ok_or_else(|| ConfigError::new("key", "is not a public key"))
    }

    /// Returns the private half as PASERK, to be stored for the next start, or `None` if there is
    /// none.
    #[must_use]
    pub fn secret_paserk(&self) -> Option<Secret<String>> {
        let secret = self.secret()?;
        Some(Secret::new(self.encode("secret", secret)))
    }

    /// Returns the public half as PASERK, for other parties to verify with.
    #[must_use]
    pub fn public_paserk(&self) -> String {
        self.encode("public", &self.inner.public)
    }

    /// Returns the PASERK id of the public half, `k4.pid.…` for version 4.
    #[must_use]
    pub fn public_id(&self) -> &str {
        &self.inner.id
    }

    /// Returns the PASERK id of the private half, `k4.sid.…` for version 4, or `None` if there is
    /// none.
    #[must_use]
    pub fn secret_id(&self) -> Option<String> {
        let text = self.secret_paserk()?;
        let version = <Public as Cipher<V>>::VERSION;
        Some(paserk::id(version, "sid", text.expose()))
    }

    /// Returns whether the key can sign.
    #[must_use]
    pub fn can_sign(&self) -> bool {
        <Public as KeyPair<V>>::can_sign(&self.inner.material)
    }

    /// Returns the same key without its private half, under the same id.
    ///
    /// # Panics
    ///
    /// Never: the public half was read before.
    #[must_use]
    pub fn public_only(&self) -> Self {
        let half = Self::half(&self.inner.public).expect("the public half was read before");
        Self {
            kid: Arc::clone(&self.kid),
            ..half
        }
    }

    fn pair(secret: &[u8]) -> Option<Self> {
        let (material, public) = <Public as KeyPair<V>>::from_secret(secret)?;
        let id = Self::id_of(&public);
        Some(Self::new(id, Some(secret), public, material))
    }

    fn half(public: &[u8]) -> Option<Self> {
        let material = <Public as KeyPair<V>>::from_public(public)?;
        let id = Self::id_of(public);
        Some(Self::new(id, None, public.to_vec(), material))
    }

    fn id_of(public: &[u8]) -> String {
        let version = <Public as Cipher<V>>::VERSION;
        paserk::id(version, "pid", &paserk::encode(version, "public", public))
    }
}

impl<V: 'static, P: Purpose<V>> RingKey for PasetoKey<V, P> {
    fn kid(&self) -> &str {
        &self.kid
    }

    fn is_same(&self, other: &Self) -> bool {
        self.inner.id == other.inner.id && self.kid == other.kid
    }
}

impl<V: 'static, P: Purpose<V>> SealedKey for PasetoKey<V, P> {}

impl<V: 'static, P: Purpose<V>> Clone for PasetoKey<V, P> {
    fn clone(&self) -> Self {
        Self {
            kid: Arc::clone(&self.kid),
            inner: Arc::clone(&self.inner),
            version: PhantomData,
        }
    }
}

impl<V: 'static, P: Purpose<V>> fmt::Debug for PasetoKey<V, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasetoKey")
            .field("tokens", &P::HEADER)
            .field("kid", &self.kid)
            .field("has_secret", &self.inner.secret.is_some())
            .finish_non_exhaustive()
    }
}

const MAXIMUM_KID: usize = 128;
