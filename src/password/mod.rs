//! Hashing and verification of passwords: [`Passwords`].
//!
//! # Rules
//!
//! * **Passwords are used exactly as given.** Nothing is trimmed, normalised or truncated. A new
//!   password has 8 characters to 1024 bytes ([`check_new`](Passwords::check_new)). A password of
//!   more than 4096 bytes is wrong without being hashed, for known and unknown users alike.
//! * **Guessable passwords are refused**: the 8,479 most common ones of eight characters or more,
//!   and those made of words of the service ([`context`](PasswordsBuilder::context)) or of its user
//!   ([`check_new_for`](Passwords::check_new_for)). Such words do not count toward the length.
//! * **A hundred consecutive failures disable a password** (NIST SP 800-63B-4 section 3.2.2),
//!   however much time lies between them. From then on the right password is refused like a wrong
//!   one, and an event is sent. Devices on which the user has logged in before have a counter of
//!   their own, so strangers cannot disable the password there. Both counters are reset by a right
//!   password on such a device, a login with a provider, a new password, and
//!   [`accept_password_again`](crate::Accounts::accept_password_again), for an application that has
//!   verified the user in another way. Responses reveal nothing of this.
//! * **One scheme hashes, all listed schemes verify.** New hashes use Argon2id with 19 MiB and two
//!   passes. Accepted formats: `$argon2id$`, `$argon2i$`, `$argon2d$`; `$2a$`, `$2b$`, `$2y$`;
//!   `$bcrypt-sha256$` of passlib; `$scrypt$`; `$pbkdf2-sha256$` and `$pbkdf2-sha512$` of PHC and
//!   of passlib; `pbkdf2_sha256$` of Django. `$2x$` is not accepted, since it maps different
//!   passwords to one hash.
//! * **bcrypt reads 72 bytes.** A new hash under [`PasswordScheme::Bcrypt`] is therefore computed
//!   over HMAC-SHA-256 of the password (`$bcrypt-sha256$v=2`, which passlib verifies too). A `$2b$`
//!   hash from another system is verified as it was made, by the first 72 bytes, and is then
//!   replaced.
//! * **scrypt and PBKDF2 ignore trailing zero bytes** of a password: HMAC pads its key with zeros
//!   (RFC 2104 section 2). Argon2id, and bcrypt as written here, do not; with a pepper no scheme
//!   does.
//! * **Outdated hashes are replaced.** If the password is right and the hash has another scheme,
//!   cost or pepper than new ones, [`Outcome::Verified`] contains a new hash for the caller to
//!   store.
//! * **A pepper can be rotated.** A peppered hash begins with `$pepper$` and the id of its key. The
//!   rest has the usual format, over HMAC-SHA-256 of the password.
//! * **Hashing is bounded.** At most one hash per processor runs at a time and 64 wait; the next
//!   caller is throttled at once (429), before anything is counted or read. One account holds at
//!   most 24 of these slots and 8 from one network, one device 4, one network (an IPv4 address or
//!   an IPv6 /48) three quarters. Networks take turns, so a flood delays only its own network. A
//!   caller that disconnects while waiting frees its slot; one that disconnects later frees it when
//!   the hash is done. A stored hash whose cost is over 1 GiB or some seconds of work is refused
//!   before it is computed.
//! * **An unknown user** ([`verify`](Passwords::verify) with `None`) takes as long as a wrong
//!   password under the current scheme, cost and pepper. A user whose hash has another scheme
//!   differs from that until the next login.
//! * **A damaged hash is 503**, not a wrong password, and is logged as an error; otherwise its
//!   owner would retry forever. The response reveals that such an account exists. A hash of a
//!   scheme that is no longer listed is a wrong password, since unlisting it was a decision.

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
/// It is a handle: cloning it is cheap. See the [module](self) for the rules.
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
