//! The blocking work: a complete verification, and a new hash.

use super::{
    cost::{Cost, PasswordScheme},
    derive::{BCRYPT_BYTES, derive},
    hash_error::HashError,
    pepper::Peppers,
    stored::{HashParams, StoredHash},
};
use crate::secret::{self, Secret};

/// The result of verifying a password.
#[derive(Clone, PartialEq, Eq, Debug)]
#[must_use = "a wrong password is not an error"]
#[allow(clippy::exhaustive_enums, reason = "a password is right or wrong")]
pub enum Outcome {
    /// The password is the user's.
    Verified {
        /// A new hash to store, if the stored one is outdated.
        new_hash: Option<Secret<String>>,
    },
    /// The password is wrong, or there is no such user.
    Wrong,
}

impl Outcome {
    /// Returns whether the password is the user's.
    #[must_use]
    pub const fn is_verified(&self) -> bool {
        matches!(self, Self::Verified { .. })
    }
}

/// The current settings of new hashes, and the schemes and peppers that still verify.
#[derive(Debug)]
pub(super) struct PasswordHasher {
    schemes: Vec<PasswordScheme>,
    cost: Cost,
    rehash: bool,
    peppers: Peppers,
    /// The hash of a random password, in the form of new hashes.
    decoy: Secret<String>,
}

impl PasswordHasher {
    pub(super) fn new(
        schemes: Vec<PasswordScheme>,
        cost: Cost,
        rehash: bool,
        peppers: Peppers,
    ) -> Result<Self, HashError> {
        let mut hasher = Self {
            schemes,
            cost,
            rehash,
            peppers,
            decoy: Secret::new(String::new()),
        };
        hasher.decoy = hasher.hash(&secret::random::<32>())?;
        Ok(hasher)
    }

    /// Returns the hash to store.
    pub(super) fn hash(&self, password: &[u8]) -> Result<Secret<String>, HashError> {
        let length = match self.cost {
            Cost::Bcrypt { .. } => BCRYPT_BYTES,
            _ => DIGEST_BYTES,
        };
        let mut hash = StoredHash {
            pepper: self.peppers.active(),
            params: HashParams::of(self.cost),
            salt: secret::random::<SALT_BYTES>().to_vec(),
            digest: Vec::new(),
        };
        hash.digest = self.digest(password, &hash, length)?;
        Ok(Secret::new(hash.format()))
    }

    /// Compares `password` with the stored hash, or with one that no password matches.
    pub(super) fn verify(
        &self,
        password: &[u8],
        stored: Option<&str>,
    ) -> Result<Outcome, HashError> {
        let Some(stored) = stored else {
            return self.verify_decoy(password);
        };
        let stored = StoredHash::parse(stored)?;
        if !self.schemes.contains(&stored.params.cost.scheme()) {
            tracing::warn!("a stored password hash has a scheme that is not accepted");
            return self.verify_decoy(password);
        }
        if !self.matches(password, &stored)? {
            return Ok(Outcome::Wrong);
        }
        let is_current =
            stored.params == HashParams::of(self.cost) && stored.pepper == self.peppers.active();
        let new_hash = if self.rehash && !is_current {
            Some(self.hash(password)?)
        } else {
            None
        };
        Ok(Outcome::Verified { new_hash })
    }

    /// Takes as long as a wrong password.
    fn verify_decoy(&self, password: &[u8]) -> Result<Outcome, HashError> {
        let decoy = StoredHash::parse(self.decoy.expose())?;
        self.matches(password, &decoy)?;
        Ok(Outcome::Wrong)
    }

    fn matches(&self, password: &[u8], stored: &StoredHash) -> Result<bool, HashError> {
        let digest = self.digest(password, stored, stored.digest.len())?;
        Ok(secret::equal(&digest, &stored.digest))
    }

    fn digest(
        &self,
        password: &[u8],
        hash: &StoredHash,
        length: usize,
    ) -> Result<Vec<u8>, HashError> {
        let peppered = self.peppers.apply(hash.pepper, password);
        let peppered = peppered.ok_or(HashError::new("unknown pepper"))?;
        let mut digest = vec![0; length];
        derive(hash.params, &peppered, &hash.salt, &mut digest)?;
        Ok(digest)
    }
}

/// NIST SP 800-132 and RFC 9106 require 16 bytes.
const SALT_BYTES: usize = 16;
const DIGEST_BYTES: usize = 32;
