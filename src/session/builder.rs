//! Settings of sessions, with their defaults.

use std::{any::TypeId, fmt, marker::PhantomData, sync::Arc, time::Duration};

use serde::Serialize;

use super::{
    inner::SessionsInner,
    record::Lifetime,
    sessions::Sessions,
    token::{TEXT_BYTES, TagKeys},
    users::{ReadUserSnapshot, RereadPolicy, SnapshotReader},
};
use crate::{env::Env, error::ConfigError, grant::ReadUser, request::cookie::CookieSpec};

/// Builds a [`Sessions`].
#[must_use]
pub struct SessionsBuilder<U> {
    env: Env,
    cookie: Result<CookieSpec, ConfigError>,
    lifetime: Lifetime,
    is_plain: bool,
    users: Option<Arc<dyn ReadUserSnapshot>>,
    user_max_age: Duration,
    user: PhantomData<fn() -> U>,
}

impl<U: 'static> SessionsBuilder<U> {
    pub(super) fn new(env: &Env) -> Self {
        Self {
            env: env.clone(),
            cookie: CookieSpec::new(DEFAULT_COOKIE),
            lifetime: Lifetime {
                idle: DEFAULT_IDLE,
                absolute: DEFAULT_ABSOLUTE,
            },
            is_plain: false,
            users: None,
            user_max_age: DEFAULT_USER_MAX_AGE,
            user: PhantomData,
        }
    }

    /// Sets how long a session may be idle. Default: 30 minutes (ASVS 7.3.1).
    pub const fn idle_timeout(mut self, idle: Duration) -> Self {
        self.lifetime.idle = idle;
        self
    }

    /// Sets the total lifetime of a session, which nothing extends. Default: 12 hours, so that a
    /// working day needs one login (ASVS 7.3.2).
    #[doc(alias = "remember me")]
    pub const fn absolute_timeout(mut self, absolute: Duration) -> Self {
        self.lifetime.absolute = absolute;
        self
    }

    /// Sets the cookie. Default: `__Host-sid` with `Secure`, `HttpOnly`, `SameSite=Lax`, `Path=/`.
    pub fn cookie(mut self, cookie: CookieSpec) -> Self {
        self.cookie = Ok(cookie);
        self
    }

    /// Re-reads users from `users` while their sessions live, so that a user who is disabled or
    /// loses a role does not keep it until the session expires. Default: a session keeps its user
    /// as of the login.
    pub fn users(mut self, users: impl ReadUser<U>) -> Self
    where
        U: Serialize + Send + Sync,
    {
        self.users = Some(Arc::new(SnapshotReader::new(users)));
        self
    }

    /// Sets the maximum age of a session's user before it is re-read from [`users`](Self::users).
    /// Zero re-reads it at every request. Default: 5 minutes, which limits both the load on the
    /// user table and the time that a lost role remains valid.
    pub const fn user_max_age(mut self, max_age: Duration) -> Self {
        self.user_max_age = max_age;
        self
    }

    /// Stores users and values as plain JSON, for debugging. Anyone who can read the store can read
    /// them, and anyone who can write to it can change them.
    pub const fn dangerous_plain_records(mut self) -> Self {
        self.is_plain = true;
        self
    }

    /// Validates the settings and builds the engine.
    ///
    /// # Errors
    ///
    /// Returns an error if a timeout is shorter than one second, the idle timeout exceeds the
    /// absolute one, the issuer is empty, or the cookie's name leaves no room for its value.
    pub fn build(self) -> Result<Sessions<U>, ConfigError> {
        self.validate().map_err(|error| error.in_engine("Sessions"))
    }

    fn validate(self) -> Result<Sessions<U>, ConfigError> {
        let Lifetime { idle, absolute } = self.lifetime;
        if idle < Duration::from_secs(1) {
            return Err(ConfigError::new("idle_timeout", "is less than one second"));
        }
        if absolute < idle {
            // The value may be the default, so the message states it.
            let reason = format!(
                "is {} seconds, less than the idle timeout",
                absolute.as_secs()
            );
            return Err(ConfigError::new("absolute_timeout", reason));
        }
        if self.env.issuer.is_empty() {
            return Err(ConfigError::new("issuer", "is empty"));
        }
        let cookie = self.cookie?;
        cookie.set(&"A".repeat(TEXT_BYTES), absolute)?;
        let max_age = self.user_max_age;
        let inner = SessionsInner {
            reread: self.users.map(|users| RereadPolicy::new(users, max_age)),
            store: self.env.store,
            clock: self.env.clock,
            events: self.env.events,
            tags: TagKeys::new(&self.env.secret, &self.env.issuer),
            cookie,
            lifetime: self.lifetime,
            issuer: self.env.issuer,
            is_plain: self.is_plain,
            user_type: TypeId::of::<U>(),
        };
        Ok(Sessions::new(inner))
    }
}

impl<U> fmt::Debug for SessionsBuilder<U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionsBuilder")
            .field("cookie", &self.cookie)
            .field("lifetime", &self.lifetime)
            .finish_non_exhaustive()
    }
}

/// The middle of the range that OWASP recommends for ordinary applications.
const DEFAULT_IDLE: Duration = Duration::from_secs(30 * 60);
/// A working day.
const DEFAULT_ABSOLUTE: Duration = Duration::from_secs(12 * 60 * 60);

const DEFAULT_USER_MAX_AGE: Duration = Duration::from_secs(5 * 60);

/// The default name of the cookie.
pub(crate) const DEFAULT_COOKIE: &str = "__Host-sid";
