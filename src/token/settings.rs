//! The settings that all token engines share, with their defaults and reasons.

use std::{sync::Arc, time::Duration};

use super::{
    claim_map::ForeignRules, claims::Rules, engine::Engine, envelope::Envelope, inner::EngineInner,
    revocation::TokenList,
};
use crate::{
    clock::{Clock, SKEW, SystemClock},
    error::ConfigError,
};

/// The settings so far.
pub(crate) struct TokenSettings {
    pub(super) issuer: ExpectedClaim<String>,
    pub(super) audiences: ExpectedClaim<Vec<String>>,
    pub(super) leeway: Duration,
    pub(super) ttl: Duration,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) list: Option<TokenList>,
    pub(super) foreign: ForeignRules,
}

/// What a claim must be. The application has to choose a value or any value.
pub(super) enum ExpectedClaim<T> {
    Unset,
    Any,
    This(T),
}

impl<T> ExpectedClaim<T> {
    fn value(self) -> Option<T> {
        match self {
            Self::This(expected) => Some(expected),
            Self::Unset | Self::Any => None,
        }
    }
}

impl TokenSettings {
    pub(super) fn new() -> Self {
        Self {
            issuer: ExpectedClaim::Unset,
            audiences: ExpectedClaim::Unset,
            leeway: DEFAULT_LEEWAY,
            ttl: DEFAULT_TTL,
            clock: Arc::new(SystemClock),
            list: None,
            foreign: ForeignRules::default(),
        }
    }

    pub(super) fn add_audience(&mut self, audience: String) {
        match &mut self.audiences {
            ExpectedClaim::This(audiences) => audiences.push(audience),
            _ => self.audiences = ExpectedClaim::This(vec![audience]),
        }
    }

    /// Checks that an engine can be built from these settings.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        match &self.issuer {
            ExpectedClaim::Unset => return Err(ConfigError::new("issuer", "is not set")),
            ExpectedClaim::This(issuer) if issuer.is_empty() => {
                return Err(ConfigError::new("issuer", "is empty"));
            }
            _ => {}
        }
        match &self.audiences {
            ExpectedClaim::Unset => return Err(ConfigError::new("audience", "is not set")),
            ExpectedClaim::This(all) if all.iter().any(String::is_empty) => {
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
        if !matches!(&self.issuer, ExpectedClaim::This(issuer) if issuer == list.issuer()) {
            return Err(ConfigError::new("list", "belongs to another issuer"));
        }
        if self.leeway < Duration::from_secs(1) {
            let reason = "is less than one second, by which a list may postdate `iat`";
            return Err(ConfigError::new("leeway", reason));
        }
        if self.ttl > list.max_ttl() {
            return Err(ConfigError::new(
                "ttl",
                "is longer than the longest lifetime of the list",
            ));
        }
        Ok(())
    }

    /// Checks the settings, and builds an engine from them.
    pub(super) fn build<U>(self, envelope: impl Envelope) -> Result<Engine<U>, ConfigError> {
        self.check()?;
        let issuer = self.issuer.value();
        let audiences = self.audiences.value();
        Ok(Engine::new(EngineInner {
            envelope: Box::new(envelope),
            rules: Rules {
                issuer,
                audiences,
                leeway: self.leeway,
            },
            ttl: self.ttl,
            clock: self.clock,
            list: self.list,
            foreign: Some(self.foreign).filter(|foreign| !foreign.is_empty()),
        }))
    }
}

/// Implements the setters for a builder that has [`TokenSettings`] in its field `settings`.
macro_rules! settings {
    ($Builder:ident<$($parameter:ident),+> $(where $($bounds:tt)+)?) => {
        impl<$($parameter),+> $Builder<$($parameter),+> $(where $($bounds)+)? {
            /// Sets the issuer, which is written into `iss` and is the only one accepted. Usually
            /// an https URL.
            pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
                self.settings.issuer = ExpectedClaim::This(issuer.into());
                self
            }

            /// Accepts tokens of any issuer, and tokens without `iss`. Any other party that holds a
            /// key of the ring can then issue tokens as any issuer.
            pub fn dangerous_any_issuer(mut self) -> Self {
                self.settings.issuer = ExpectedClaim::Any;
                self
            }

            /// Sets the audience, which a token must name in `aud`. Each further call accepts one
            /// more audience; the first one is written into issued tokens.
            pub fn audience(mut self, audience: impl Into<String>) -> Self {
                self.settings.add_audience(audience.into());
                self
            }

            /// Accepts tokens for any audience. A token issued for another service is then valid
            /// here.
            pub fn dangerous_any_audience(mut self) -> Self {
                self.settings.audiences = ExpectedClaim::Any;
                self
            }

            /// Sets how far the clocks of issuer and verifier may differ, at most 60 seconds.
            /// Default: 30 seconds.
            pub const fn leeway(mut self, leeway: Duration) -> Self {
                self.settings.leeway = leeway;
                self
            }

            /// Sets the lifetime of issued tokens, in whole seconds. Default: 15 minutes, since a
            /// token cannot be revoked without a list.
            pub const fn ttl(mut self, ttl: Duration) -> Self {
                self.settings.ttl = ttl;
                self
            }

            /// Takes issuer and clock from `env`, so that they are those of the other engines.
            pub fn env(mut self, env: &crate::env::Env) -> Self {
                self.settings.issuer = ExpectedClaim::This(env.issuer.clone());
                self.settings.clock = std::sync::Arc::clone(&env.clock);
                self
            }

            /// Sets the source of time. Default: the operating system.
            pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
                self.settings.clock = clock;
                self
            }

            /// Checks every token against this list, and registers issued tokens with it. Default:
            /// none; a token is then valid until it expires.
            pub fn list(mut self, list: TokenList) -> Self {
                self.settings.list = Some(list);
                self
            }
        }
    };
}

pub(super) use settings;

/// Clocks that are synchronized by NTP differ by less; RFC 8725 speaks of a few minutes at most.
const DEFAULT_LEEWAY: Duration = SKEW;
const MAX_LEEWAY: Duration = Duration::from_secs(60);

/// A token without a list cannot be revoked, so it should not be valid for longer.
const DEFAULT_TTL: Duration = Duration::from_secs(15 * 60);
