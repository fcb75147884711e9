//! Secret values, and the keys that are derived from the master secret.

#[cfg(any(feature = "session", feature = "otp", feature = "oauth2"))]
pub(crate) mod seal;
#[cfg(any(feature = "session", feature = "refresh", feature = "dpop"))]
pub(crate) mod tag;
#[cfg(any(feature = "session", feature = "refresh", feature = "dpop"))]
pub(crate) mod tagged;

use std::fmt;

#[cfg(any(
    feature = "session",
    feature = "refresh",
    feature = "otp",
    feature = "oauth2",
    feature = "dpop"
))]
use aws_lc_rs::hkdf;
use aws_lc_rs::{constant_time, digest, rand};
use zeroize::{Zeroize, Zeroizing};

use crate::error::ConfigError;

/// A value that `Debug` does not show, that compares in constant time, and that is wiped on drop.
///
/// ```
/// use tower_jam::Secret;
///
/// let password = Secret::new("correct horse".to_owned());
/// assert_eq!(format!("{password:?}"), "Secret(..)");
/// ```
#[derive(Clone)]
pub struct Secret<T: Zeroize>(Zeroizing<T>);

impl<T: Zeroize> Secret<T> {
    /// Wraps `value`.
    pub fn new(value: T) -> Self {
        Self(Zeroizing::new(value))
    }

    /// Returns the value. From here on, the caller is responsible for protecting it.
    pub fn expose(&self) -> &T {
        &self.0
    }
}

impl<T: Zeroize> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Takes the same time regardless of the position of the first difference. The length is not
/// hidden.
impl<T: Zeroize + AsRef<[u8]>> PartialEq for Secret<T> {
    fn eq(&self, other: &Self) -> bool {
        equal(self.0.as_ref(), other.0.as_ref())
    }
}

impl<T: Zeroize + AsRef<[u8]>> Eq for Secret<T> {}

/// The application's secret, at least 32 random bytes: one active secret, and any number of secrets
/// that are still accepted.
///
/// Every engine derives its keys from it with HKDF-SHA-256 (RFC 5869) and its own label. Several
/// secrets can be accepted at once, so it can be rotated without logging users out.
///
/// # Rotation
///
/// Replace a secret in this order:
///
/// 1. **Accept.** Every node accepts the new secret in addition to the old one, which stays active:
///    `old.accept(&new)`, or `secret = ["$OLD", "$NEW"]` in a configuration.
/// 2. **Activate.** On every node the new secret is active and the old one is accepted:
///    `new.accept(&old)`. New records are sealed under the new secret.
/// 3. **Retire.** Every node has only the new secret. Wait until the longest lifetime of a device
///    and of a session has passed, until your users have logged in, and until
///    `jam secret rotate --check` reports few users.
///
/// Start a step only when every node has completed the previous one: a node that does not accept
/// the new secret yet answers 503 for a device that is sealed under it.
///
/// A record that is sealed under a retired secret is lost:
///
/// | record | moves to the active secret | under a retired secret |
/// |---|---|---|
/// | devices | at a refresh or login | 401: the user logs in again |
/// | sessions | with a new id | absent: the user logs in again |
/// | users of `StoreUsers` | at a login | 503, until the secret is accepted again |
/// | one-time codes | at a code | 403: the second factor is lost, until an operator resets it |
/// | pending logins, logins with a provider | – | the user begins again |
/// | remembered and known devices | – | a code is required again; the device is unknown |
/// | hashes with a pepper | at a login | 503, until the pepper is accepted again |
///
/// ```
/// use tower_jam::MasterSecret;
///
/// // Read from a file or a variable in a real program.
/// let old = MasterSecret::new(b"6f1a3c0cd1d6f4a9d3f4b1f8f2a7e0b95c3d8e7f6a1b2c4d")?;
/// assert!(MasterSecret::new(b"a password").is_err());
///
/// // Rotation: the new secret is active, and what was written under the old one stays valid.
/// let secret = MasterSecret::generate().accept(&old);
/// # drop(secret);
/// # Ok::<(), tower_jam::ConfigError>(())
/// ```
#[doc(alias("secret key", "rotation"))]
#[derive(Clone, Debug)]
pub struct MasterSecret {
    active: Secret<Vec<u8>>,
    accepted: Vec<Secret<Vec<u8>>>,
}

impl MasterSecret {
    /// Creates a secret from these bytes.
    ///
    /// Generate them once with `openssl rand -hex 32`. Do not use a password.
    ///
    /// # Errors
    ///
    /// If there are fewer than 32 bytes, or all bytes are the same.
    pub fn new(bytes: &[u8]) -> Result<Self, ConfigError> {
        if bytes.len() < MINIMUM_BYTES {
            let reason = format!(
                "{} bytes, but at least {MINIMUM_BYTES} random bytes are required",
                bytes.len()
            );
            return Err(ConfigError::new("secret", reason));
        }
        if bytes.iter().all(|byte| *byte == bytes[0]) {
            return Err(ConfigError::new("secret", "all bytes are the same"));
        }
        Ok(Self {
            active: Secret::new(bytes.to_vec()),
            accepted: Vec::new(),
        })
    }

    /// Generates a random secret, for tests and for processes whose data need not survive them.
    #[must_use]
    pub fn generate() -> Self {
        Self {
            active: Secret::new(random::<MINIMUM_BYTES>().to_vec()),
            accepted: Vec::new(),
        }
    }

    /// Also accepts what was written under `older`.
    #[must_use]
    pub fn accept(mut self, older: &Self) -> Self {
        self.accepted.push(older.active.clone());
        self.accepted.extend(older.accepted.iter().cloned());
        self
    }

    /// Derives the keys of `issuer` for the purpose named by `label`, the active one first. Two
    /// issuers with the same secret share no key. The empty issuer is for keys that belong to no
    /// issuer.
    #[cfg(any(
        feature = "session",
        feature = "refresh",
        feature = "otp",
        feature = "oauth2",
        feature = "dpop"
    ))]
    pub(crate) fn keys(&self, label: &str, issuer: &str) -> Vec<Secret<[u8; 32]>> {
        let issuer = match issuer {
            "" => Vec::new(),
            issuer => [b"\0", issuer.as_bytes()].concat(),
        };
        std::iter::once(&self.active)
            .chain(&self.accepted)
            .map(|secret| derive_key_of(secret.expose(), label, &issuer))
            .collect()
    }
}

/// Derives a key with HKDF-SHA-256 without salt: `input` must be uniformly random.
#[cfg(any(feature = "session", feature = "refresh", feature = "otp"))]
pub(crate) fn derive_key(input: &[u8], label: &str) -> Secret<[u8; 32]> {
    derive_key_of(input, label, &[])
}

/// Like [`derive_key`], for one of several contexts with the same label. All values of `context`
/// must have the same length, or begin with a NUL, which no label contains.
#[cfg(any(
    feature = "session",
    feature = "refresh",
    feature = "otp",
    feature = "oauth2",
    feature = "dpop"
))]
pub(crate) fn derive_key_of(input: &[u8], label: &str, context: &[u8]) -> Secret<[u8; 32]> {
    let mut key = [0; 32];
    hkdf::Salt::new(hkdf::HKDF_SHA256, &[])
        .extract(input)
        .expand(&[label.as_bytes(), context], hkdf::HKDF_SHA256)
        .and_then(|material| material.fill(&mut key))
        .expect("32 bytes do not exceed the output limit of HKDF-SHA-256");
    Secret::new(key)
}

/// Returns random bytes from the operating system's generator.
///
/// # Panics
///
/// If the operating system cannot provide randomness, since there is no safe way to continue.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).expect("the operating system provides random bytes");
    bytes
}

/// Computes SHA-256 of the concatenated `parts`.
pub(crate) fn hash<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(part);
    }
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

/// Computes the SHA-2 hash with this many bits, or returns `None` if there is none.
#[cfg(feature = "oauth2")]
pub(crate) fn sha2(bits: u16, text: &[u8]) -> Option<digest::Digest> {
    let algorithm = match bits {
        256 => &digest::SHA256,
        384 => &digest::SHA384,
        512 => &digest::SHA512,
        _ => return None,
    };
    Some(digest::digest(algorithm, text))
}

/// Compares two byte strings in time that depends only on their length.
pub(crate) fn equal(a: &[u8], b: &[u8]) -> bool {
    constant_time::verify_slices_are_equal(a, b).is_ok()
}

const MINIMUM_BYTES: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_shown_and_compares_by_value() {
        let secret = Secret::new(*b"swordfish");
        assert!(!format!("{secret:?}").contains("sword"));
        assert_eq!(secret, Secret::new(*b"swordfish"));
        assert_ne!(secret, Secret::new(*b"swordfisH"));
    }

    #[test]
    fn short_and_constant_master_secrets_are_refused() {
        assert_eq!(MasterSecret::new(&[7; 31]).unwrap_err().setting(), "secret");
        assert_eq!(MasterSecret::new(&[0; 64]).unwrap_err().setting(), "secret");
        let error = MasterSecret::new(b"swordfish").unwrap_err().to_string();
        assert!(!error.contains("swordfish"), "{error}");
    }

    #[cfg(any(feature = "session", feature = "refresh"))]
    #[test]
    fn keys_differ_by_label_and_issuer_and_the_active_secret_comes_first() {
        let old = MasterSecret::generate();
        let new = MasterSecret::generate().accept(&old);
        let keys = new.keys("a", "issuer");
        assert_eq!(keys.len(), 2);
        assert_eq!(keys[1], old.keys("a", "issuer")[0]);
        assert_ne!(keys[0], keys[1]);
        assert_ne!(keys[0], new.keys("b", "issuer")[0]);
        assert_ne!(keys[0], new.keys("a", "issue")[0]);
        assert_ne!(keys[0], new.keys("ai", "ssuer")[0]);
    }
}
