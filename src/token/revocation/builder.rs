//! The settings of a list, with their defaults and reasons.

use std::{
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use super::{
    inner::{ListMode, TokenListInner},
    list::TokenList,
};
use crate::{
    clock::{Clock, SystemClock},
    error::ConfigError,
    event::Events,
    store::Store,
};

/// Builds a [`TokenList`].
#[derive(Debug)]
#[must_use]
pub struct TokenListBuilder {
    store: Arc<dyn Store>,
    mode: ListMode,
    issuer: Option<String>,
    longest: Duration,
    clock: Arc<dyn Clock>,
    events: Events,
}

impl TokenListBuilder {
    pub(super) fn new(store: Arc<dyn Store>, mode: ListMode) -> Self {
        Self {
            store,
            mode,
            issuer: None,
            longest: DEFAULT_LONGEST,
            clock: Arc::new(SystemClock),
            events: Events::default(),
        }
    }

    /// Sets the issuer of the listed tokens, as in their `iss`. Two issuers may use the same `jti`
    /// for two tokens.
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        self.issuer = Some(issuer.into());
        self
    }

    /// Sets the longest lifetime of a token, from `iat` to `exp`; tokens that live longer are
    /// neither issued nor accepted. All nodes must use the same value, and a longer one takes
    /// effect once the previous one has passed. Default: 24 hours, about a hundred times the
    /// default lifetime of a token. The mark of a subject is stored for this long.
    pub const fn max_ttl(mut self, longest: Duration) -> Self {
        self.longest = longest;
        self
    }

    /// Sets the source of time, which must be that of the engine. Default: the operating system.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Sets where revocations are reported. Default: `tracing` only.
    pub fn events(mut self, events: Events) -> Self {
        self.events = events;
        self
    }

    /// Checks the settings. Does not access the store.
    ///
    /// # Errors
    ///
    /// When the issuer is unset or empty, or the longest lifetime is shorter than a second or
    /// longer than a year.
    pub fn build(self) -> Result<TokenList, ConfigError> {
        let issuer = self.issuer.filter(|issuer| !issuer.is_empty());
        let issuer = issuer.ok_or_else(|| ConfigError::new("issuer", "is not set, or empty"))?;
        if self.longest < Duration::from_secs(1) || self.longest > YEAR {
            let reason = "is not between a second and a year";
            return Err(ConfigError::new("longest", reason));
        }
        let inner = TokenListInner {
            store: self.store,
            clock: self.clock,
            events: self.events,
            mode: self.mode,
            issuer,
            longest: self.longest,
            latest_issued_at: AtomicU64::new(0),
        };
        Ok(TokenList {
            inner: Arc::new(inner),
        })
    }
}

const DEFAULT_LONGEST: Duration = Duration::from_secs(24 * 3_600);
const YEAR: Duration = Duration::from_secs(366 * 24 * 3_600);
