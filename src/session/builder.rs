//! The settings of sessions, with their defaults and reasons.

use std::{any::TypeId, fmt, marker::PhantomData, sync::Arc, time::Duration};

use serde::Serialize;

use super::{
    core::Core,
    engine::Sessions,
    record::Lifetime,
    reread::{ReadSnapshot, Reread, Snapshots},
    token::{TEXT_BYTES, TagKeys},
};
use crate::{
    clock::{Clock, SystemClock},
    error::ConfigError,
    event::Events,
    grant::ReadUser,
    request::cookie::CookieSpec,
    secret::MasterSecret,
    store::Store,
};

/// Builds a [`Sessions`].
#[must_use]
pub struct SessionsBuilder<U> {
    store: Arc<dyn Store>,
    secret: MasterSecret,
    cookie: Result<CookieSpec, ConfigError>,
    lifetime: Lifetime,
    issuer: String,
    is_plain: bool,
    users: Option<Arc<dyn ReadSnapshot>>,
    user_max_age: Duration,
    clock: Arc<dyn Clock>,
    events: Events,
    user: PhantomData<fn() -> U>,
}

impl<U: 'static> SessionsBuilder<U> {
    pub(super) fn new(store: Arc<dyn Store>, secret: &MasterSecret) -> Self {
        Self {
            store,
            secret: secret.clone(),
            cookie: CookieSpec::new(DEFAULT_COOKIE),
            lifetime: Lifetime {
                idle: DEFAULT_IDLE,
                absolute: DEFAULT_ABSOLUTE,
            },
            issuer: "self".to_owned(),
            is_plain: false,
            users: None,
            user_max_age: DEFAULT_USER_MAX_AGE,
            clock: Arc::new(SystemClock),
            events: Events::default(),
            user: PhantomData,
        }
    }

    /// How long a session may lie idle. Default: 30 minutes (ASVS 7.3.1).
    pub const fn idle(mut self, idle: Duration) -> Self {
        self.lifetime.idle = idle;
        self
    }

    /// How long a session may live in all; nothing extends it. Default: 12 hours, so that a working day
    /// takes one login (ASVS 7.3.2).
    pub const fn absolute(mut self, absolute: Duration) -> Self {
        self.lifetime.absolute = absolute;
        self
    }

    /// The cookie. Default: `__Host-sid` with `Secure`, `HttpOnly`, `SameSite=Lax`, `Path=/`.
    pub fn cookie(mut self, cookie: CookieSpec) -> Self {
        self.cookie = Ok(cookie);
        self
    }

    /// The issuer of the identities. Sessions of one issuer are absent at every other, also on one store
    /// with one secret. Give it the issuer of your tokens if one route accepts both; `Accounts` require that. Default: `self`.
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        self.issuer = issuer.into();
        self
    }

    /// Reads users anew from `users` while their sessions live, so that a user who is disabled or loses a role
    /// does not keep it until the session ends. Default: a session keeps its user as of the login.
    pub fn users(mut self, users: impl ReadUser<U>) -> Self
    where
        U: Serialize + Send + Sync,
    {
        self.users = Some(Arc::new(Snapshots::new(users)));
        self
    }

    /// How old the user of a session may be before it is read anew, in the [users](Self::users) that the engine
    /// was given. Zero reads it at every request. Default: 5 minutes, so that a user table is asked once in a
    /// while and a lost role is lost soon.
    pub const fn user_max_age(mut self, max_age: Duration) -> Self {
        self.user_max_age = max_age;
        self
    }

    /// The source of time. Default: the operating system.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Where it is told of logins, new ids and endings. Default: `tracing` alone.
    pub fn events(mut self, events: Events) -> Self {
        self.events = events;
        self
    }

    /// Stores users and values as readable JSON, for debugging. A party that can read the store reads them, and one that
    /// can write to it changes them.
    pub const fn dangerous_plain_records(mut self) -> Self {
        self.is_plain = true;
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// When a lifetime is shorter than a second, the idle time exceeds the absolute one, the issuer is
    /// empty, or the cookie's name leaves no room for its value.
    pub fn build(self) -> Result<Sessions<U>, ConfigError> {
        let Lifetime { idle, absolute } = self.lifetime;
        if idle < Duration::from_secs(1) {
            return Err(ConfigError::new("idle", "is less than one second"));
        }
        if absolute < idle {
            // It may be the default that is told of.
            let reason = format!("is {} seconds, less than `idle`", absolute.as_secs());
            return Err(ConfigError::new("absolute", reason));
        }
        if self.issuer.is_empty() {
            return Err(ConfigError::new("issuer", "is empty"));
        }
        let cookie = self.cookie?;
        cookie.set(&"A".repeat(TEXT_BYTES), absolute)?;
        let max_age = self.user_max_age;
        let core = Core {
            reread: self.users.map(|users| Reread::new(users, max_age)),
            store: self.store,
            clock: self.clock,
            events: self.events,
            tags: TagKeys::new(&self.secret, &self.issuer),
            cookie,
            lifetime: self.lifetime,
            issuer: self.issuer,
            is_plain: self.is_plain,
            user_type: TypeId::of::<U>(),
        };
        Ok(Sessions::new(core))
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

/// The middle of what OWASP recommends for ordinary applications.
const DEFAULT_IDLE: Duration = Duration::from_secs(30 * 60);
/// A working day.
const DEFAULT_ABSOLUTE: Duration = Duration::from_secs(12 * 60 * 60);

const DEFAULT_USER_MAX_AGE: Duration = Duration::from_secs(5 * 60);

/// The name of the cookie, unless another one is stated.
pub(crate) const DEFAULT_COOKIE: &str = "__Host-sid";
