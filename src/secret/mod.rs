//! Bytes that must not be seen, and what is derived from them.
//!
//! * [`Secret`] wraps a value so that `Debug` cannot show it, `==` takes constant time, and its memory
//!   is wiped when it goes.
//! * [`MasterSecret`] is the application's own secret, from which every engine derives its keys with
//!   HKDF-SHA-256 (RFC 5869) and a label of its own. Several may be accepted at once, so it can be
//!   rotated without logging anybody out.
//!
//! ```
//! use tower_jam::{MasterSecret, Secret};
//!
//! let password = Secret::new("correct horse".to_owned());
//! assert_eq!(format!("{password:?}"), "Secret(..)");
//!
//! // Rotation: the new secret is active, what was made with the old one stays valid.
//! let old = MasterSecret::new(b"0123456789abcdef0123456789abcdef")?;
//! let secret = MasterSecret::generate().accept(&old);
//! # Ok::<(), tower_jam::ConfigError>(())
//! ```

#[cfg(feature = "refresh")]
pub(crate) mod record;
#[cfg(any(feature = "session", feature = "otp", feature = "oauth2"))]
pub(crate) mod seal;
#[cfg(any(feature = "session", feature = "refresh", feature = "dpop"))]
pub(crate) mod tag;

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

/// A value that is not shown, not compared in a hurry, and wiped when dropped.
#[derive(Clone)]
pub struct Secret<T: Zeroize>(Zeroizing<T>);

impl<T: Zeroize> Secret<T> {
    /// Takes `value` into keeping.
    pub fn new(value: T) -> Self {
        Self(Zeroizing::new(value))
    }

    /// The value itself. Where it goes from here is the caller's care.
    pub fn expose(&self) -> &T {
        &self.0
    }
}

impl<T: Zeroize> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Takes the same time wherever the first difference is; the length is not hidden.
impl<T: Zeroize + AsRef<[u8]>> PartialEq for Secret<T> {
    fn eq(&self, other: &Self) -> bool {
        equal(self.0.as_ref(), other.0.as_ref())
    }
}

impl<T: Zeroize + AsRef<[u8]>> Eq for Secret<T> {}

/// The application's secret, at least 32 random bytes: one that is active and any number that are
/// still accepted.
///
/// # Rotation
///
/// Another secret takes the place of the old one in this order:
///
/// 1. **Accept.** Every node accepts the new secret behind the old one, which stays active:
///    `old.accept(&new)`, in a configuration `secret = ["$OLD", "$NEW"]`.
/// 2. **Activate.** Every node has the new secret active and the old one behind it:
///    `new.accept(&old)`. What is written from now on is made and sealed with the new secret.
/// 3. **Retire.** Every node has the new secret alone. Wait until the longest life of a device and of a
///    session has passed, until your users have logged in, and until `jam secret rotate --check` names few
///    users.
///
/// Begin a step only when every node has made the one before it: a node that does not accept the new
/// secret yet answers 503 for a device that is sealed under it.
///
/// A record that only a retired secret opens is lost:
///
/// | record | moves to the active secret | under a retired secret |
/// |---|---|---|
/// | devices | at a refresh or login | 401: the user logs in again |
/// | sessions | with a new id | absent: the user logs in again |
/// | users of `StoreUsers` | at a login | 503, until the secret is accepted again |
/// | one-time codes | at a code | 403: the second factor is lost, until an operator resets it |
/// | pending logins, logins with a provider | – | the user begins again |
/// | remembered and known devices | – | a code is asked for again; the device is unknown |
/// | hashes with a pepper | at a login | 503, until the pepper is accepted again |
#[derive(Clone, Debug)]
pub struct MasterSecret {
    active: Secret<Vec<u8>>,
    accepted: Vec<Secret<Vec<u8>>>,
}

impl MasterSecret {
    /// A secret of these bytes.
    ///
    /// Generate them once with `openssl rand -hex 32`; a password is not a secret in this sense.
    ///
    /// # Errors
    ///
    /// When there are fewer than 32 bytes, or all are the same.
    pub fn new(bytes: &[u8]) -> Result<Self, ConfigError> {
        if bytes.len() < MINIMUM_BYTES {
            let reason = format!(
                "{} bytes, and at least {MINIMUM_BYTES} random bytes are needed",
                bytes.len()
            );
            return Err(ConfigError::new("secret", reason));
        }
        if bytes.iter().all(|byte| *byte == bytes[0]) {
            return Err(ConfigError::new("secret", "every byte is the same"));
        }
        Ok(Self {
            active: Secret::new(bytes.to_vec()),
            accepted: Vec::new(),
        })
    }

    /// A fresh secret, for tests and for processes that keep nothing beyond their own life.
    #[must_use]
    pub fn generate() -> Self {
        Self {
            active: Secret::new(random::<MINIMUM_BYTES>().to_vec()),
            accepted: Vec::new(),
        }
    }

    /// Also accepts what was made with `older`.
    #[must_use]
    pub fn accept(mut self, older: &Self) -> Self {
        self.accepted.push(older.active.clone());
        self.accepted.extend(older.accepted.iter().cloned());
        self
    }

    /// The keys of `issuer` for the purpose named by `label`, the active one first. Two issuers with one
    /// secret share no key. An empty issuer is for what belongs to none.
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

/// HKDF-SHA-256 without salt: `input` must already be uniformly random.
#[cfg(any(feature = "session", feature = "refresh", feature = "otp"))]
pub(crate) fn derive_key(input: &[u8], label: &str) -> Secret<[u8; 32]> {
    derive_key_of(input, label, &[])
}

/// The same for one of many things of a purpose. `thing` has the same length for each of them, or begins
/// with a NUL, which no label has.
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
        .expect("32 bytes are within what HKDF-SHA-256 yields");
    Secret::new(key)
}

/// Random bytes from the operating system's generator.
///
/// # Panics
///
/// When the operating system has no randomness to give; nothing safe can be done then.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}

/// SHA-256 of `parts`, one after the other.
pub(crate) fn hash<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(part);
    }
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

/// The hash of the SHA-2 family with so many bits.
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

/// Whether two byte strings are the same, in time that depends on their length alone.
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
