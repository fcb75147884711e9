//! The settings that the engines of all kinds of tokens have, with their defaults and reasons.

use std::{sync::Arc, time::Duration};

use super::{
    claim_map::Foreign,
    claims::Rules,
    engine::{Core, Engine, Envelope},
    revocation::TokenList,
};
use crate::{
    clock::{Clock, SKEW, SystemClock},
    error::ConfigError,
};

/// What is set so far.
pub(crate) struct Settings {
    pub(super) issuer: Expected<String>,
    pub(super) audiences: Expected<Vec<String>>,
    pub(super) leeway: Duration,
    pub(super) ttl: Duration,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) list: Option<TokenList>,
    pub(super) foreign: Foreign,
}

/// A claim that must be said to matter or said not to.
pub(super) enum Expected<T> {
    Unset,
    Any,
    This(T),
}

impl<T> Expected<T> {
    fn stated(self) -> Option<T> {
        match self {
            Self::This(value) => Some(value),
            Self::Unset | Self::Any => None,
        }
    }
}

impl Settings {
    pub(super) fn new() -> Self {
        Self {
            issuer: Expected::Unset,
            audiences: Expected::Unset,
            leeway: DEFAULT_LEEWAY,
            ttl: DEFAULT_TTL,
            clock: Arc::new(SystemClock),
            list: None,
            foreign: Foreign::default(),
        }
    }

    pub(super) fn add_audience(&mut self, audience: String) {
        match &mut self.audiences {
            Expected::This(audiences) => audiences.push(audience),
            _ => self.audiences = Expected::This(vec![audience]),
        }
    }

    /// Whether an engine can be made of them.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        match &self.issuer {
            Expected::Unset => return Err(ConfigError::new("issuer", "is not set")),
            Expected::This(issuer) if issuer.is_empty() => {
                return Err(ConfigError::new("issuer", "is empty"));
            }
            _ => {}
        }
        match &self.audiences {
            Expected::Unset => return Err(ConfigError::new("audience", "is not set")),
            Expected::This(all) if all.iter().any(String::is_empty) => {
                return Err(ConfigError::new("audience", "is empty"));
            }
            _ => {}
        }
        if self.leeway > MAX_LEEWAY {
            return Err(ConfigError::new("leeway", "is more than 60 seconds"));
        }
        if self.ttl < Duration::from_secs(1) {
            return Err(ConfigError::new("ttl", "is less than one second"));
        }
        let Some(list) = &self.list else {
            return Ok(());
        };
        if !matches!(&self.issuer, Expected::This(issuer) if issuer == list.issuer()) {
            return Err(ConfigError::new("list", "is of another issuer"));
        }
        if self.leeway < Duration::from_secs(1) {
            let reason = "is less than a second, by which a list may date a token ahead";
            return Err(ConfigError::new("leeway", reason));
        }
        if self.ttl > list.longest() {
            return Err(ConfigError::new("ttl", "is longer than the list remembers"));
        }
        Ok(())
    }

    /// Checks the settings, and makes an engine of them.
    pub(super) fn build<U>(self, envelope: impl Envelope) -> Result<Engine<U>, ConfigError> {
        self.check()?;
        let issuer = self.issuer.stated();
        let audiences = self.audiences.stated();
        Ok(Engine::new(Core {
            envelope: Box::new(envelope),
            rules: Rules {
                issuer,
                audiences,
                leeway: self.leeway,
            },
            ttl: self.ttl,
            clock: self.clock,
            list: self.list,
            foreign: Some(self.foreign).filter(|foreign| !foreign.is_idle()),
        }))
    }
}

/// Gives a builder whose field `settings` is a [`Settings`] the methods that set them.
macro_rules! settings {
    ($Builder:ident<$($parameter:ident),+> $(where $($bounds:tt)+)?) => {
        impl<$($parameter),+> $Builder<$($parameter),+> $(where $($bounds)+)? {
            /// The issuer: written into `iss`, and the only one accepted. Usually an https URL.
            pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
                self.settings.issuer = Expected::This(issuer.into());
                self
            }

            /// Accepts tokens of any issuer, and of none. Whoever else holds a key of the ring can then speak for
            /// every issuer.
            pub fn dangerous_any_issuer(mut self) -> Self {
                self.settings.issuer = Expected::Any;
                self
            }

            /// The audience: a token must name it in `aud`. Called again it accepts one more; the first is the
            /// one that is minted.
            pub fn audience(mut self, audience: impl Into<String>) -> Self {
                self.settings.add_audience(audience.into());
                self
            }

            /// Accepts tokens for any audience. A token given to another service is then good here.
            pub fn dangerous_any_audience(mut self) -> Self {
                self.settings.audiences = Expected::Any;
                self
            }

            /// How far the clocks of issuer and verifier may differ, at most 60 seconds. Default: 30 seconds.
            pub const fn leeway(mut self, leeway: Duration) -> Self {
                self.settings.leeway = leeway;
                self
            }

            /// How long minted tokens live, in whole seconds. Default: 15 minutes, since a token cannot be called
            /// back without a list.
            pub const fn ttl(mut self, ttl: Duration) -> Self {
                self.settings.ttl = ttl;
                self
            }

            /// The source of time. Default: the operating system.
            pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
                self.settings.clock = clock;
                self
            }

            /// Asks this list about every token, and tells it of every one that is minted. Default: none, and a token is
            /// good until it expires.
            pub fn list(mut self, list: TokenList) -> Self {
                self.settings.list = Some(list);
                self
            }
        }
    };
}

pub(super) use settings;

/// Clocks that are kept by NTP differ by less; RFC 8725 speaks of a few minutes at most.
const DEFAULT_LEEWAY: Duration = SKEW;
const MAX_LEEWAY: Duration = Duration::from_secs(60);

/// As long as a token that cannot be called back should be believed.
const DEFAULT_TTL: Duration = Duration::from_secs(15 * 60);
