//! The settings of the PASETO engine, with their defaults and reasons.

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
    key::ring::KeyRing,
    token::{
        revocation::TokenList,
        settings::{ExpectedClaim, TokenSettings, settings},
    },
};

/// Builds a [`Paseto`] for tokens of one version and purpose.
#[must_use]
pub struct PasetoBuilder<U, V: 'static, P: Purpose<V>> {
    settings: TokenSettings,
    envelope: PasetoEnvelope<V, P>,
    /// The error of the first footer member that does not serialize or is reserved.
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

    /// Adds a member to the footer of every issued token. Anybody can read it, even without a key.
    /// Default: the footer contains only the id of the key.
    pub fn footer(mut self, name: impl Into<String>, value: impl Serialize) -> Self {
        let name = name.into();
        match serde_json::to_value(value) {
            Ok(_) if matches!(&*name, "kid" | "wpk") => {
                let error = ConfigError::new("footer", "`kid` and `wpk` are reserved");
                self.bad_member.get_or_insert(error);
            }
            Ok(value) => {
                self.envelope.members.insert(name, value);
            }
            Err(error) => {
                let error =
                    ConfigError::new("footer", "does not serialize as JSON").with_source(error);
                self.bad_member.get_or_insert(error);
            }
        }
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// When issuer or audience is unset or empty, the leeway exceeds 60 seconds, the lifetime is
    /// shorter than a second, or the footer has a reserved member, more than 512 bytes, or too many
    /// names or levels. With a list, also when the list belongs to another issuer, the leeway is
    /// shorter than a second, or the lifetime exceeds the longest lifetime of the list.
    pub fn build(self) -> Result<Paseto<U>, ConfigError> {
        self.validate().map_err(|error| error.in_engine("Paseto"))
    }

    fn validate(self) -> Result<Paseto<U>, ConfigError> {
        if let Some(error) = self.bad_member {
            return Err(error);
        }
        let members = &self.envelope.members;
        let footer = crate::json::write(members).map_err(|error| {
            ConfigError::new("footer", "is nested too deeply").with_source(error)
        })?;
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
    /// Binds every token to bytes that it does not contain, such as the name of a tenant or a
    /// deployment. A token of the same key with another implicit assertion, or without one, is
    /// rejected. Default: none.
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

/// With the longest `kid` of letters, a footer is within the limit of verifiers.
const MAX_MEMBERS_BYTES: usize = 512;
/// One less than the limit of verifiers, since `kid` is a member too.
const MAX_MEMBERS: usize = 63;
