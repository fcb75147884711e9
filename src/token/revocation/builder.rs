//! The settings of a list, with their defaults and reasons.

use std::{
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use super::{
    inner::{ListMode, TokenListInner},
    list::TokenList,
};
use crate::{env::Env, error::ConfigError};

/// Builds a [`TokenList`].
#[derive(Debug)]
#[must_use]
pub struct TokenListBuilder {
    env: Env,
    mode: ListMode,
    longest: Duration,
}

impl TokenListBuilder {
    pub(super) fn new(env: &Env, mode: ListMode) -> Self {
        Self {
            env: env.clone(),
            mode,
            longest: DEFAULT_LONGEST,
        }
    }

    /// Sets the longest lifetime of a token, from `iat` to `exp`; tokens that live longer are
    /// neither issued nor accepted. All nodes must use the same value, and a longer one takes
    /// effect once the previous one has passed. Default: 24 hours, about a hundred times the
    /// default lifetime of a token. The mark of a subject is stored for this long.
    pub const fn max_ttl(mut self, longest: Duration) -> Self {
        self.longest = longest;
        self
    }

    /// Checks the settings. Does not access the store.
    ///
    /// # Errors
    ///
    /// When the issuer is unset or empty, or the longest lifetime is shorter than a second or
    /// longer than a year.
    pub fn build(self) -> Result<TokenList, ConfigError> {
        self.validate()
            .map_err(|error| error.in_engine("TokenList"))
    }

    fn validate(self) -> Result<TokenList, ConfigError> {
        if self.env.issuer.is_empty() {
            return Err(ConfigError::new("issuer", "is empty"));
        }
        if self.longest < Duration::from_secs(1) || self.longest > YEAR {
            let reason = "is not between a second and a year";
            return Err(ConfigError::new("max_ttl", reason));
        }
        let inner = TokenListInner {
            store: self.env.store,
            clock: self.env.clock,
            events: self.env.events,
            mode: self.mode,
            issuer: self.env.issuer,
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
