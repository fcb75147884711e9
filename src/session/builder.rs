//! The settings of sessions, with their defaults and reasons.

use std::{any::TypeId, fmt, marker::PhantomData, sync::Arc, time::Duration};

use super::{
    core::Core,
    engine::Sessions,
    record::Lifetime,
    token::{TEXT_BYTES, TagKeys},
};
use crate::{
    clock::{Clock, SystemClock},
    cookie::CookieSpec,
    error::ConfigError,
    event::Events,
    secret::MasterSecret,
    store::Store,
};

/// Builds a [`Sessions`].
#[must_use]
pub struct SessionsBuilder<U> {
    store: Arc<dyn Store>,
    tags: TagKeys,
    cookie: Result<CookieSpec, ConfigError>,
    lifetime: Lifetime,
    issuer: String,
    is_plain: bool,
    clock: Arc<dyn Clock>,
    events: Events,
    user: PhantomData<fn() -> U>,
}

impl<U: 'static> SessionsBuilder<U> {
    pub(super) fn new(store: Arc<dyn Store>, secret: &MasterSecret) -> Self {
        Self {
            store,
            tags: TagKeys::new(secret),
            cookie: CookieSpec::new(DEFAULT_COOKIE),
            lifetime: Lifetime {
                idle: DEFAULT_IDLE,
                absolute: DEFAULT_ABSOLUTE,
            },
            issuer: "self".to_owned(),
            is_plain: false,
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

    /// The issuer of the identities. Give it the issuer of your tokens if one route accepts both. Default:
    /// `self`.
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        self.issuer = issuer.into();
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

    /// Stores users and values as readable JSON, for debugging. Whoever reads the store reads them.
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
        let core = Core {
            store: self.store,
            clock: self.clock,
            events: self.events,
            tags: self.tags,
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

/// The name of the cookie, unless another one is stated.
pub(crate) const DEFAULT_COOKIE: &str = "__Host-sid";
