//! The settings of passwords, with their defaults and reasons.

use std::{fmt, future::Future, sync::Arc, thread};

use super::{
    Passwords, PasswordsInner,
    context::Context,
    cost::{Cost, PasswordScheme},
    hasher::PasswordHasher,
    new::BreachCheck,
    pepper::Peppers,
    pool::Pool,
};
use crate::{
    error::{BoxError, ConfigError},
    secret::{MasterSecret, Secret},
};

/// Builds a [`Passwords`].
#[must_use]
pub struct PasswordsBuilder {
    schemes: Vec<PasswordScheme>,
    costs: Vec<(Cost, bool)>,
    rehash: bool,
    peppers: Peppers,
    min_length: usize,
    max_length: usize,
    running: usize,
    waiting: usize,
    allows_common: bool,
    context: Context,
    breached: Option<BreachCheck>,
}

impl PasswordsBuilder {
    pub(super) fn new() -> Self {
        Self {
            schemes: PasswordScheme::ALL.to_vec(),
            costs: Vec::new(),
            rehash: true,
            peppers: Peppers::default(),
            min_length: DEFAULT_MIN_LENGTH,
            max_length: DEFAULT_MAX_LENGTH,
            running: thread::available_parallelism().map_or(1, Into::into),
            waiting: DEFAULT_WAITING,
            allows_common: false,
            context: Context::default(),
            breached: None,
        }
    }

    /// Sets the schemes: the first one hashes new passwords, all of them verify. Default: Argon2id
    /// hashes, all verify.
    ///
    /// A hash of a scheme that is not listed is no longer valid: its password is wrong.
    pub fn schemes(mut self, schemes: impl IntoIterator<Item = PasswordScheme>) -> Self {
        self.schemes = schemes.into_iter().collect();
        self
    }

    /// Sets the cost of new hashes of the scheme of `cost`. Default: [`PasswordScheme::cost`].
    pub fn cost(mut self, cost: Cost) -> Self {
        self.costs.push((cost, true));
        self
    }

    /// Like [`cost`](Self::cost), without a lower bound, for tests. A low cost makes a stolen table
    /// that much faster to crack.
    pub fn dangerous_cost(mut self, cost: Cost) -> Self {
        self.costs.push((cost, false));
        self
    }

    /// Sets whether a right password gets a new hash, to replace the stored one, if that one does
    /// not have the current scheme, cost and pepper. Default: true, so that old hashes disappear as
    /// their owners log in.
    pub const fn rehash(mut self, rehash: bool) -> Self {
        self.rehash = rehash;
        self
    }

    /// Mixes a key derived from `secret` into each password, so that a stolen table is useless by
    /// itself. Default: none, since the loss of the secret makes every password wrong.
    ///
    /// The active secret makes new hashes; hashes under secrets that it
    /// [accepts](MasterSecret::accept) still verify. A stored hash names its pepper, so older
    /// hashes without one verify too, and are then replaced.
    pub fn pepper(mut self, secret: &MasterSecret) -> Self {
        self.peppers = Peppers::new(secret);
        self
    }

    /// Sets the minimum length of a new password in characters, 1 to 64. Default: 8 (ASVS 6.2.1; 15
    /// is better).
    pub const fn min_length(mut self, characters: usize) -> Self {
        self.min_length = characters;
        self
    }

    /// Sets the maximum length of a new password in bytes, 256 to 4096. Default: 1024. 64
    /// characters always fit (ASVS 6.2.9).
    pub const fn max_length(mut self, bytes: usize) -> Self {
        self.max_length = bytes;
        self
    }

    /// Sets how many hashes are computed at a time. Default: one per processor. Each takes the
    /// memory of its cost.
    pub const fn max_running(mut self, hashes: usize) -> Self {
        self.running = hashes;
        self
    }

    /// Sets how many hashes may wait; the next one is throttled. Default: 64, about a second of
    /// work on two processors.
    pub const fn max_waiting(mut self, hashes: usize) -> Self {
        self.waiting = hashes;
        self
    }

    /// Accepts new passwords that are among the most common ones. Default: they are refused, by a
    /// list of some 19,700, of which 8,479 have eight characters or more (ASVS 6.2.4).
    pub const fn dangerous_allow_common(mut self) -> Self {
        self.allows_common = true;
        self
    }

    /// Refuses new passwords made of `text`: the name of the service, its address, its issuer (ASVS
    /// 6.2.11). A word of four characters or more does not count, and the rest must be long enough
    /// by itself. Default: none. Pass what is known of the user to
    /// [`check_new_for`](Passwords::check_new_for).
    pub fn context(mut self, text: &str) -> Self {
        self.context.add(text);
        self
    }

    /// Calls `hook` for each new password, to check whether it is known from a breach (ASVS
    /// 6.2.12). Default: no check.
    ///
    /// If the hook fails, the password is refused for now, as
    /// [`Unchecked`](super::NewPasswordError::Unchecked). A hook that prefers to accept it returns
    /// `Ok(false)`.
    pub fn breached<F, A>(mut self, hook: F) -> Self
    where
        F: Fn(Secret<String>) -> A + Send + Sync + 'static,
        A: Future<Output = Result<bool, BoxError>> + Send + 'static,
    {
        self.breached = Some(Arc::new(move |password| Box::pin(hook(password))));
        self
    }

    /// Checks the settings, and computes one hash, with which the passwords of unknown users are
    /// compared. That takes as long as a login.
    ///
    /// # Errors
    ///
    /// When no scheme is listed, a cost is below OWASP's minimum or above the limits of this crate,
    /// a length is out of range, or no hash may run.
    pub fn build(self) -> Result<Passwords, ConfigError> {
        self.validate()
            .map_err(|error| error.in_engine("Passwords"))
    }

    fn validate(self) -> Result<Passwords, ConfigError> {
        let reason = "no scheme is listed";
        let first = self.schemes.first();
        let first = *first.ok_or_else(|| ConfigError::new("schemes", reason))?;
        for (cost, must_be_strong) in &self.costs {
            cost.check_bounds()
                .map_err(|error| ConfigError::new("cost", "is out of bounds").with_source(error))?;
            if *must_be_strong {
                cost.check_minimum()?;
            }
        }
        if !(1..=MAX_MIN_LENGTH).contains(&self.min_length) {
            return Err(ConfigError::new("min_length", "is not 1 to 64 characters"));
        }
        if !(MIN_MAX_LENGTH..=super::MAX_BYTES).contains(&self.max_length) {
            return Err(ConfigError::new("max_length", "is not 256 to 4096 bytes"));
        }
        if !(1..=MAX_POOL).contains(&self.running) {
            return Err(ConfigError::new("max_running", "is not 1 to 65536"));
        }
        if self.waiting > MAX_POOL {
            return Err(ConfigError::new("max_waiting", "is more than 65536"));
        }
        let mut costs = self.costs.iter().rev().map(|(cost, _)| *cost);
        let chosen = costs.find(|cost| cost.scheme() == first);
        let cost = chosen.unwrap_or_else(|| first.cost());
        let hasher = PasswordHasher::new(self.schemes, cost, self.rehash, self.peppers)
            .map_err(|error| ConfigError::new("cost", "cannot be computed").with_source(error))?;
        Ok(Passwords(Arc::new(PasswordsInner {
            hasher: Arc::new(hasher),
            pool: Pool::new(self.running, self.waiting),
            min_length: self.min_length,
            max_length: self.max_length,
            allows_common: self.allows_common,
            context: self.context,
            breached: self.breached,
        })))
    }
}

impl fmt::Debug for PasswordsBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasswordsBuilder")
            .field("schemes", &self.schemes)
            .field("costs", &self.costs)
            .field("peppers", &self.peppers)
            .finish_non_exhaustive()
    }
}

const DEFAULT_MIN_LENGTH: usize = 8;
const MAX_MIN_LENGTH: usize = 64;
const DEFAULT_MAX_LENGTH: usize = 1024;
/// 64 characters of four bytes.
const MIN_MAX_LENGTH: usize = 256;
const DEFAULT_WAITING: usize = 64;
const MAX_POOL: usize = 65_536;
