//! The settings of the token engine, with their defaults and reasons.

use std::{fmt, marker::PhantomData, sync::Arc, time::Duration};

use super::{
    claims::Rules,
    jws::{self, Types},
    jwt::{Inner, Jwt},
    list::TokenList,
    ring::KeyRing,
};
use crate::{
    clock::{Clock, SystemClock},
    error::ConfigError,
};

/// Builds a [`Jwt`].
#[must_use]
pub struct JwtBuilder<U> {
    ring: KeyRing,
    issuer: Expected<String>,
    audiences: Expected<Vec<String>>,
    types: Vec<String>,
    untyped: bool,
    leeway: Duration,
    ttl: Duration,
    clock: Arc<dyn Clock>,
    list: Option<TokenList>,
    user: PhantomData<fn() -> U>,
}

/// A claim that must be said to matter or said not to.
enum Expected<T> {
    Unset,
    Any,
    This(T),
}

impl<U> JwtBuilder<U> {
    pub(super) fn new(ring: KeyRing) -> Self {
        Self {
            ring,
            issuer: Expected::Unset,
            audiences: Expected::Unset,
            types: vec![jws::DEFAULT_TYPE.to_owned()],
            untyped: false,
            leeway: DEFAULT_LEEWAY,
            ttl: DEFAULT_TTL,
            clock: Arc::new(SystemClock),
            list: None,
            user: PhantomData,
        }
    }

    /// The issuer: written into `iss`, and the only one accepted. Usually an https URL.
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        self.issuer = Expected::This(issuer.into());
        self
    }

    /// Accepts tokens of any issuer, and of none. Whoever else holds a key of the ring can then speak for
    /// every issuer.
    pub fn dangerous_any_issuer(mut self) -> Self {
        self.issuer = Expected::Any;
        self
    }

    /// The audience: a token must name it in `aud`. Called again it accepts one more; the first is the
    /// one that is minted.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        match &mut self.audiences {
            Expected::This(audiences) => audiences.push(audience.into()),
            _ => self.audiences = Expected::This(vec![audience.into()]),
        }
        self
    }

    /// Accepts tokens for any audience. A token given to another service is then good here.
    pub fn dangerous_any_audience(mut self) -> Self {
        self.audiences = Expected::Any;
        self
    }

    /// The values of `typ` that are accepted, compared without case and without `application/`; the first
    /// is the one that is minted. Default: `at+jwt` (RFC 9068 section 2.1), so that no ID token or other
    /// JWT by the same key passes for an access token.
    pub fn types(mut self, types: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.types = types.into_iter().map(Into::into).collect();
        self
    }

    /// Also accepts tokens without `typ`, as older issuers mint them.
    pub fn accept_untyped(mut self) -> Self {
        self.untyped = true;
        self
    }

    /// How far the clocks of issuer and verifier may differ, at most 60 seconds. Default: 30 seconds.
    pub const fn leeway(mut self, leeway: Duration) -> Self {
        self.leeway = leeway;
        self
    }

    /// How long minted tokens live, in whole seconds. Default: 15 minutes, since a token cannot be called
    /// back without a list.
    pub const fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self
    }

    /// The source of time. Default: the operating system.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Asks this list about every token, and tells it of every one that is minted. Default: none, and a token is
    /// good until it expires.
    pub fn list(mut self, list: TokenList) -> Self {
        self.list = Some(list);
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// When issuer or audience is unset or empty, `types` is empty or has an odd character, the leeway
    /// exceeds 60 seconds, or the lifetime is shorter than a second. With a list also when it is of another issuer, the leeway
    /// is shorter than a second, or the lifetime is longer than what the list remembers.
    pub fn build(self) -> Result<Jwt<U>, ConfigError> {
        let issuer = match self.issuer {
            Expected::Unset => return Err(ConfigError::new("issuer", "is not set")),
            Expected::This(issuer) if issuer.is_empty() => {
                return Err(ConfigError::new("issuer", "is empty"));
            }
            Expected::This(issuer) => Some(issuer),
            Expected::Any => None,
        };
        let audiences = match self.audiences {
            Expected::Unset => return Err(ConfigError::new("audience", "is not set")),
            Expected::This(all) if all.iter().any(String::is_empty) => {
                return Err(ConfigError::new("audience", "is empty"));
            }
            Expected::This(all) => Some(all),
            Expected::Any => None,
        };
        let accepted: Vec<_> = self
            .types
            .iter()
            .map(|typ| jws::strip_application(typ).to_owned())
            .collect();
        let is_type =
            |typ: &String| !typ.is_empty() && typ.bytes().all(|byte| byte.is_ascii_graphic());
        if accepted.is_empty() || !accepted.iter().all(is_type) {
            return Err(ConfigError::new(
                "typ",
                "needs at least one media type, in visible ASCII",
            ));
        }
        if self.leeway > MAX_LEEWAY {
            return Err(ConfigError::new("leeway", "is more than 60 seconds"));
        }
        if self.ttl < Duration::from_secs(1) {
            return Err(ConfigError::new("ttl", "is less than one second"));
        }
        if let Some(list) = &self.list {
            if issuer.as_deref() != Some(list.issuer()) {
                return Err(ConfigError::new("list", "is of another issuer"));
            }
            if self.leeway < Duration::from_secs(1) {
                let reason = "is less than a second, by which a list may date a token ahead";
                return Err(ConfigError::new("leeway", reason));
            }
            if self.ttl > list.longest() {
                return Err(ConfigError::new("ttl", "is longer than the list remembers"));
            }
        }
        let inner = Inner {
            ring: self.ring,
            rules: Rules {
                issuer,
                audiences,
                leeway: self.leeway,
            },
            types: Types {
                accepted,
                untyped: self.untyped,
            },
            ttl: self.ttl,
            clock: self.clock,
            list: self.list,
        };
        Ok(Jwt::new(inner))
    }
}

impl<U> fmt::Debug for JwtBuilder<U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwtBuilder").finish_non_exhaustive()
    }
}

/// Clocks that are kept by NTP differ by less; RFC 8725 speaks of a few minutes at most.
const DEFAULT_LEEWAY: Duration = Duration::from_secs(30);
const MAX_LEEWAY: Duration = Duration::from_secs(60);

/// As long as a token that cannot be called back should be believed.
const DEFAULT_TTL: Duration = Duration::from_secs(15 * 60);
