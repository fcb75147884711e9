//! The settings of the engine for PASETO tokens, with their defaults and reasons.

use std::{fmt, marker::PhantomData, sync::Arc, time::Duration};

use serde::Serialize;
use serde_json::Map;

use super::{
    Paseto,
    envelope::PasetoEnvelope,
    key::PasetoKey,
    version::{ImplicitAssertions, Purpose},
};
use crate::{
    clock::Clock,
    error::ConfigError,
    token::{
        list::TokenList,
        ring::KeyRing,
        settings::{ExpectedClaim, TokenSettings, settings},
    },
};

/// Builds a [`Paseto`] for tokens of one version and purpose.
#[must_use]
pub struct PasetoBuilder<U, V: 'static, P: Purpose<V>> {
    settings: TokenSettings,
    envelope: PasetoEnvelope<V, P>,
    /// The first that does not serialise or is the engine's own.
    bad_member: Option<ConfigError>,
    user: PhantomData<fn() -> U>,
}

settings!(PasetoBuilder<U, V, P> where V: 'static, P: Purpose<V>);

impl<U, V: 'static, P: Purpose<V>> PasetoBuilder<U, V, P> {
    pub(super) fn new(ring: KeyRing<PasetoKey<V, P>>) -> Self {
        Self {
            settings: TokenSettings::new(),
            envelope: PasetoEnvelope {
                ring,
                assertion: Vec::new(),
                members: Map::new(),
            },
            bad_member: None,
            user: PhantomData,
        }
    }

    /// Adds a member to the footer of every token that is minted. Anybody can read it, also without a key. Default:
    /// the footer holds the key's id alone.
    pub fn footer(mut self, name: impl Into<String>, value: impl Serialize) -> Self {
        let name = name.into();
        match serde_json::to_value(value) {
            Ok(_) if matches!(&*name, "kid" | "wpk") => {
                let error = ConfigError::new("footer", "`kid` and `wpk` are the engine's own");
                self.bad_member.get_or_insert(error);
            }
            Ok(value) => {
                self.envelope.members.insert(name, value);
            }
            Err(error) => {
                let error = ConfigError::new("footer", "does not serialise as JSON").because(error);
                self.bad_member.get_or_insert(error);
            }
        }
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// When issuer or audience is unset or empty, the leeway exceeds 60 seconds, the lifetime is shorter than a second, or
    /// the footer has a member of the engine's, more than 512 bytes, or too many names or levels. With a list also when it
    /// is of another issuer, the leeway is shorter than a second, or the lifetime is longer than what the list remembers.
    pub fn build(self) -> Result<Paseto<U>, ConfigError> {
        if let Some(error) = self.bad_member {
            return Err(error);
        }
        let members = &self.envelope.members;
        let footer = crate::token::json::write(members)
            .map_err(|error| ConfigError::new("footer", "is nested too deeply").because(error))?;
        if footer.len() > MAX_MEMBERS_BYTES {
            return Err(ConfigError::new("footer", "is longer than 512 bytes"));
        }
        if members.len() > MAX_MEMBERS {
            return Err(ConfigError::new("footer", "has more than 63 members"));
        }
        Ok(Paseto {
            engine: self.settings.build(self.envelope)?,
        })
    }
}

#[allow(private_bounds, reason = "the trait seals the versions")]
impl<U, V: ImplicitAssertions + 'static, P: Purpose<V>> PasetoBuilder<U, V, P> {
    /// What every token is bound to without holding it: the name of a tenant, or of a deployment. A token by the same key
    /// with another implicit assertion, or without one, is refused. Default: none.
    pub fn implicit_assertion(mut self, assertion: impl Into<Vec<u8>>) -> Self {
        self.envelope.assertion = assertion.into();
        self
    }
}

impl<U, V: 'static, P: Purpose<V>> fmt::Debug for PasetoBuilder<U, V, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasetoBuilder")
            .field("envelope", &self.envelope)
            .finish_non_exhaustive()
    }
}

/// With the longest `kid` of letters it is within what verifiers take.
const MAX_MEMBERS_BYTES: usize = 512;
/// One less than verifiers take.
const MAX_MEMBERS: usize = 63;
