//! The key type for encrypting tokens, bound to one algorithm.

use std::{fmt, sync::Arc};

use aws_lc_rs::{
    agreement,
    encoding::{AsBigEndian as _, Curve25519SeedBin},
    key_wrap::{AES_256, AesKek, KeyWrap},
    rsa::{OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, OaepPublicEncryptingKey},
};
use serde_json::Value;
use zeroize::Zeroizing;

use super::{
    agree::{EcdhCurve, Point, agree, agree_ephemeral},
    compact::ContentKey,
    header::JweHeader,
};
use crate::{
    error::{ConfigError, IssueError},
    key::{
        algorithm::Algorithm,
        jwk,
        ring::{RingKey, sealed::SealedKey},
        signing::Key,
    },
    secret,
    secret::Secret,
};

/// The key management algorithm (RFC 7518 section 4). The content encryption is always A256GCM.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum JweAlgorithm {
    /// The content key is encrypted with an RSA key: OAEP with SHA-256 (section 4.3).
    RsaOaep256,
    /// The content key is agreed on directly with a key on P-256 (section 4.6) or X25519 (RFC 8037
    /// section 3.2). Keys on X25519 can only be read from JWKs.
    EcdhEs,
    /// The content key is wrapped with a shared secret of 256 bits (section 4.4).
    A256Kw,
}

impl JweAlgorithm {
    /// Returns the value of the `alg` parameter.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::RsaOaep256 => "RSA-OAEP-256",
            Self::EcdhEs => "ECDH-ES",
            Self::A256Kw => "A256KW",
        }
    }

    /// Returns the algorithm with this name. Names are case-sensitive.
    pub(super) fn from_name(name: &str) -> Option<Self> {
        let all = [Self::RsaOaep256, Self::EcdhEs, Self::A256Kw];
        all.into_iter().find(|algorithm| algorithm.name() == name)
    }

    /// Returns the signature algorithm for the same type of key, so that its key checks apply here
    /// as well.
    pub(super) const fn signing_algorithm(self) -> Algorithm {
        match self {
            Self::RsaOaep256 => Algorithm::Rs256,
            Self::EcdhEs => Algorithm::Es256,
            Self::A256Kw => Algorithm::Hs256,
        }
    }
}

impl fmt::Display for JweAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A key that encrypts tokens, and with its private half decrypts them.
///
/// Never use it for any other purpose, especially not for signing. Its id is its RFC 7638
/// thumbprint, unless the JWK has a `kid` or [`with_kid`](Self::with_kid) sets one.
#[derive(Clone)]
pub struct JweKey {
    algorithm: JweAlgorithm,
    /// The same key as a validated signing key, which has the id and the exports.
    key: Key,
    material: Arc<JweMaterial>,
}

pub(super) enum JweMaterial {
    Rsa(OaepPublicEncryptingKey, Option<OaepPrivateDecryptingKey>),
    Ec(Point, Option<agreement::PrivateKey>),
    Shared(ContentKey),
}

/// A new content key, and the data from which its recipient recovers it.
pub(super) struct WrappedKey {
    pub(super) content: ContentKey,
    pub(super) encrypted: Vec<u8>,
    pub(super) epk: Option<Value>,
}

impl JweKey {
    /// Creates a key from a shared secret of 32 random bytes, for [`JweAlgorithm::A256Kw`].
    ///
    /// # Errors
    ///
    /// If the secret has another length, is one repeated byte, or is a key in text or DER.
    pub fn a256kw(secret: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        let bytes = secret.as_ref();
        let secret = exact(bytes).ok_or_else(|| {
            let reason = format!("{} bytes, but A256KW requires 32 random bytes", bytes.len());
            ConfigError::new("secret_key", reason)
        })?;
        let (key, material) = (
            Key::shared_for(JweAlgorithm::A256Kw.name(), bytes)?,
            JweMaterial::Shared(secret),
        );
        Ok(Self::new(JweAlgorithm::A256Kw, key, material))
    }

    pub(super) fn new(algorithm: JweAlgorithm, key: Key, material: JweMaterial) -> Self {
        Self {
            algorithm,
            key,
            material: Arc::new(material),
        }
    }

    /// Generates a new key. RSA keys have 2048 bits.
    ///
    /// # Errors
    ///
    /// If the cryptographic library fails, for lack of randomness or memory.
    pub fn generate(algorithm: JweAlgorithm) -> Result<Self, ConfigError> {
        if algorithm == JweAlgorithm::A256Kw {
            let secret = Secret::new(secret::random::<32>());
            return Self::a256kw(secret.expose());
        }
        Self::of(algorithm, Key::generate(algorithm.signing_algorithm())?)
    }

    /// Sets the key's id, the value of `kid`.
    ///
    /// # Errors
    ///
    /// As [`Key::with_kid`].
    pub fn with_kid(self, kid: impl Into<String>) -> Result<Self, ConfigError> {
        let key = self.key.with_kid(kid)?;
        Ok(Self { key, ..self })
    }

    /// Returns the algorithm that this key is bound to.
    #[must_use]
    pub const fn algorithm(&self) -> JweAlgorithm {
        self.algorithm
    }

    /// Returns the key's id.
    #[must_use]
    pub fn kid(&self) -> &str {
        self.key.kid()
    }

    /// Returns whether the key can decrypt.
    #[must_use]
    pub fn can_decrypt(&self) -> bool {
        match &*self.material {
            JweMaterial::Rsa(_, private) => private.is_some(),
            JweMaterial::Ec(_, private) => private.is_some(),
            JweMaterial::Shared(_) => true,
        }
    }

    /// Returns the public half as a JSON Web Key, with which others can encrypt. Returns `None` for
    /// a shared secret.
    #[must_use]
    pub fn public_jwk(&self) -> Option<Value> {
        let mut public = self.key.public_jwk()?;
        public["alg"] = self.algorithm.name().into();
        public["use"] = "enc".into();
        Some(public)
    }

    /// Returns the whole key as a JSON Web Key, for storage. [`from_jwk`](Self::from_jwk) reads it.
    /// Returns `None` if the key cannot decrypt.
    #[must_use]
    pub fn to_private_jwk(&self) -> Option<Secret<String>> {
        let name = self.algorithm.name();
        match &*self.material {
            JweMaterial::Ec(point, private) if point.curve == EcdhCurve::X25519 => {
                let seed: Curve25519SeedBin<'_> = private.as_ref()?.as_be_bytes().ok()?;
                let d = Zeroizing::new(jwk::encode(seed.as_ref()));
                self.key.jwk_with(&vec![("d", d)], name, "enc", false)
            }
            _ => self.key.private_jwk_for(name, "enc"),
        }
    }

    /// Returns the private key as PKCS#8 in PEM, for storage. Returns `None` for a shared secret,
    /// for X25519, and if there is no private half.
    #[must_use]
    pub fn to_pkcs8_pem(&self) -> Option<Secret<String>> {
        self.key.to_pkcs8_pem()
    }

    /// Creates a content key that the holder of this key can recover.
    pub(super) fn wrap_content_key(&self) -> Result<WrappedKey, IssueError> {
        match &*self.material {
            JweMaterial::Rsa(public, _) => {
                let content = random_content_key();
                let mut encrypted = vec![0; public.ciphertext_size()];
                let written = public
                    .encrypt(&OAEP_SHA256_MGF1SHA256, &*content, &mut encrypted, None)
                    .map_err(|_| IssueError::Crypto)?
                    .len();
                encrypted.truncate(written);
                Ok(WrappedKey::new(content, encrypted))
            }
            JweMaterial::Shared(secret) => {
                let content = random_content_key();
                let mut encrypted = vec![0; content.len() + WRAP_BYTES];
                AesKek::new(&AES_256, secret.as_slice())
                    .and_then(|kek| kek.wrap(&*content, &mut encrypted).map(drop))
                    .map_err(|_| IssueError::Crypto)?;
                Ok(WrappedKey::new(content, encrypted))
            }
            JweMaterial::Ec(point, _) => agree_ephemeral(point).ok_or(IssueError::Crypto),
        }
    }

    /// Recovers the content key. Returns `None` for every failure, so that the reason stays hidden
    /// (RFC 7516 section 11.5).
    pub(super) fn unwrap_content_key(
        &self,
        header: &JweHeader<'_>,
        encrypted: &[u8],
    ) -> Option<ContentKey> {
        match &*self.material {
            JweMaterial::Rsa(_, private) => {
                let private = private.as_ref()?;
                let mut buffer = Zeroizing::new(vec![0; private.min_output_size()]);
                let key = private.decrypt(&OAEP_SHA256_MGF1SHA256, encrypted, &mut buffer, None);
                exact(key.ok()?)
            }
            JweMaterial::Shared(secret) => {
                let mut buffer = Zeroizing::new(vec![0; encrypted.len()]);
                let kek = AesKek::new(&AES_256, secret.as_slice()).ok()?;
                exact(kek.unwrap(encrypted, &mut buffer).ok()?)
            }
            JweMaterial::Ec(own, private) => {
                // With direct agreement there is no encrypted key (RFC 7516 section 5.2, step 10).
                if !encrypted.is_empty() {
                    return None;
                }
                let point = header.epk.as_ref()?.point()?;
                if point.curve != own.curve {
                    return None;
                }
                agree(private.as_ref()?, &point, &header.parties)
            }
        }
    }
}

impl WrappedKey {
    const fn new(content: ContentKey, encrypted: Vec<u8>) -> Self {
        Self {
            content,
            encrypted,
            epk: None,
        }
    }
}

fn random_content_key() -> ContentKey {
    Zeroizing::new(secret::random::<32>())
}

pub(super) fn exact(bytes: &[u8]) -> Option<ContentKey> {
    bytes.try_into().ok().map(Zeroizing::new)
}

impl RingKey for JweKey {
    fn kid(&self) -> &str {
        self.kid()
    }

    fn is_same(&self, other: &Self) -> bool {
        self.algorithm == other.algorithm && self.key.is_same(&other.key)
    }
}

impl SealedKey for JweKey {}

impl fmt::Debug for JweKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JweKey")
            .field("algorithm", &self.algorithm)
            .field("kid", &self.kid())
            .field("can_decrypt", &self.can_decrypt())
            .finish_non_exhaustive()
    }
}

/// The overhead of AES Key Wrap (RFC 3394 section 2.2.1).
const WRAP_BYTES: usize = 8;
