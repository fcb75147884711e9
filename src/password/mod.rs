//! Hashing and verification of passwords.

mod builder;
mod common;
mod context;
mod cost;
mod derive;
mod hash_error;
mod hasher;
mod new;
mod pepper;
mod pool;
mod stored;
#[cfg(test)]
mod tests;
mod requester;

use std::{fmt, sync::Arc};

pub(crate) use self::requester::Requester;
pub use self::{
    builder::PasswordsBuilder,
    cost::{Cost, PasswordScheme},
    hasher::Outcome,
    new::{NewPassword, NewPasswordError},
};
use self::{
    common::is_common,
    context::Context,
    hasher::PasswordHasher,
    new::BreachCheck,
    pool::{Pool, QueueSlot},
};
use crate::{error::StoreError, rejection::Rejection, secret::Secret};

/// Hashes new passwords and verifies them later.
///
/// It is a handle: cloning it is cheap. See the [module](super) for the rules.
///
/// ```
/// use tower_jam::Passwords;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let passwords = Passwords::builder().build()?;
/// let hash = passwords.hash(&passwords.check_new("correct horse").await?).await?;
/// let hash = hash.expose().as_str();
/// assert!(passwords.verify("correct horse", Some(hash)).await?.is_verified());
/// assert!(!passwords.verify("wrong horse", Some(hash)).await?.is_verified());
/// # Ok(())
/// # }
/// ```
#[doc(alias("argon2", "bcrypt", "hash"))]
#[derive(Clone)]
pub struct Passwords(Arc<PasswordsInner>);

struct PasswordsInner {
    hasher: Arc<PasswordHasher>,
    pool: Pool,
    min_length: usize,
    max_length: usize,
    allows_common: bool,
    context: Context,
    breached: Option<BreachCheck>,
}

impl Passwords {
    /// Returns the settings, all with defaults.
    pub fn builder() -> PasswordsBuilder {
        PasswordsBuilder::new()
    }

    /// Checks whether `password` may be used from now on: its length; that it is not one of the
    /// most common ones; that it is not made of [words of the service](PasswordsBuilder::context);
    /// and that it is not known from a breach, if there is a [hook](PasswordsBuilder::breached).
    /// The password is used exactly as given: nothing is trimmed or normalised, and no kind of
    /// character is required.
    ///
    /// # Errors
    ///
    /// The reason why it is refused.
    pub async fn check_new(&self, password: &str) -> Result<NewPassword, NewPasswordError> {
        self.check_new_for(password, []).await
    }

    /// Like [`check_new`](Self::check_new), for a known user: the password must also not be made of
    /// the words of `context`, such as the user's name and e-mail address.
    ///
    /// # Errors
    ///
    /// The reason why it is refused.
    pub async fn check_new_for(
        &self,
        password: &str,
        context: impl IntoIterator<Item = &str> + Send,
    ) -> Result<NewPassword, NewPasswordError> {
        // A character has at least one byte, so an oversized text is not counted.
        if password.len() > self.0.max_length {
            return Err(NewPasswordError::TooLong(self.0.max_length));
        }
        if password.chars().count() < self.0.min_length {
            return Err(NewPasswordError::TooShort(self.0.min_length));
        }
        self.check_guessable(password, context)?;
        let password = Secret::new(password.to_owned());
        if let Some(breached) = &self.0.breached {
            match breached(password.clone()).await {
                Ok(false) => {}
                Ok(true) => return Err(NewPasswordError::Breached),
                Err(error) => return Err(NewPasswordError::Unchecked(error)),
            }
        }
        Ok(NewPassword(password))
    }

    /// Checks that a password is not one of those that are tried first.
    fn check_guessable<'a>(
        &self,
        password: &str,
        context: impl IntoIterator<Item = &'a str>,
    ) -> Result<(), NewPasswordError> {
        let is_common = |text: &str| !self.0.allows_common && is_common(text);
        if is_common(password) {
            return Err(NewPasswordError::Common);
        }
        let mut words = self.0.context.clone();
        for text in context {
            words.add(text);
        }
        // Such a word adds no strength: the rest must be a password by itself.
        let rest = words.without(password);
        let is_weak =
            |rest: &String| rest.chars().count() < self.0.min_length || is_common(rest.trim());
        if rest.is_some_and(|rest| is_weak(&rest)) {
            Err(NewPasswordError::Context)
        } else {
            Ok(())
        }
    }

    /// Returns the hash of a new password, to be stored with its user.
    ///
    /// # Errors
    ///
    /// [`RejectionKind::Throttled`](crate::RejectionKind::Throttled) when too many hashes are
    /// waiting, [`RejectionKind::Unavailable`](crate::RejectionKind::Unavailable) when there is not
    /// enough memory, [`RejectionKind::Misconfigured`](crate::RejectionKind::Misconfigured) outside
    /// a tokio runtime.
    pub async fn hash(&self, password: &NewPassword) -> Result<Secret<String>, Rejection> {
        self.admit(Requester::internal())?.hash(password).await
    }

    /// Compares `password` with the hash `stored`. Pass `None` for a user who is unknown or has no
    /// password: that is always wrong and takes as long.
    ///
    /// A password of more than 4096 bytes is wrong at once, for every user.
    ///
    /// # Errors
    ///
    /// [`RejectionKind::Unavailable`](crate::RejectionKind::Unavailable) when `stored` is not a
    /// known hash format, its pepper is unknown, or its cost is out of bounds: the password is then
    /// neither right nor wrong, and the log states the reason. Otherwise as for
    /// [`hash`](Self::hash).
    pub async fn verify(&self, password: &str, stored: Option<&str>) -> Result<Outcome, Rejection> {
        let slot = self.admit(Requester::internal())?;
        slot.verify(password, stored).await
    }

    /// Reserves a slot in the hashing queue, which costs nothing yet. Nothing else is to be spent
    /// on a request without one.
    pub(crate) fn admit(&self, requester: Requester) -> Result<HashingSlot, Rejection> {
        Ok(HashingSlot {
            slot: Arc::new(self.0.pool.admit(requester)?),
            hasher: Arc::clone(&self.0.hasher),
        })
    }
}

/// A slot in the hashing queue. It is held until it is dropped and all work in it has finished.
pub(crate) struct HashingSlot {
    slot: Arc<QueueSlot>,
    hasher: Arc<PasswordHasher>,
}

impl HashingSlot {
    /// See [`Passwords::hash`].
    pub(crate) async fn hash(&self, password: &NewPassword) -> Result<Secret<String>, Rejection> {
        let hasher = Arc::clone(&self.hasher);
        let password = password.0.clone();
        let hash = Arc::clone(&self.slot)
            .run(move || hasher.hash(password.expose().as_bytes()))
            .await?;
        hash.map_err(|error| StoreError::Unavailable(error.into()).into())
    }

    /// See [`Passwords::verify`].
    pub(crate) async fn verify(
        &self,
        password: &str,
        stored: Option<&str>,
    ) -> Result<Outcome, Rejection> {
        if password.len() > MAX_BYTES {
            return Ok(Outcome::Wrong);
        }
        let hasher = Arc::clone(&self.hasher);
        let password = Secret::new(password.to_owned());
        let stored = stored.map(|stored| Secret::new(stored.to_owned()));
        let verify = move || {
            let stored = stored.as_ref().map(|stored| stored.expose().as_str());
            hasher.verify(password.expose().as_bytes(), stored)
        };
        let verified = Arc::clone(&self.slot).run(verify).await?;
        verified.map_err(|error| {
            tracing::error!(%error, "a stored password hash cannot be verified");
            StoreError::Corrupt(error.into()).into()
        })
    }
}

impl fmt::Debug for Passwords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Passwords")
            .field("hasher", &self.0.hasher)
            .field("pool", &self.0.pool)
            .finish_non_exhaustive()
    }
}

/// The longest password that is ever hashed, so that length cannot make a hash expensive.
const MAX_BYTES: usize = 4096;
