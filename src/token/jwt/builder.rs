//! The settings of the JWT engine, with their defaults and reasons.

use std::{fmt, marker::PhantomData, sync::Arc, time::Duration};

use super::{Jws, Jwt, jws::Types};
use crate::{
    clock::Clock,
    error::ConfigError,
    key::header,
    token::{
        claim_map::ClaimMap,
        key_source::KeySource,
        revocation::TokenList,
        settings::{ExpectedClaim, TokenSettings, settings},
    },
};

/// Builds a [`Jwt`].
#[must_use]
pub struct JwtBuilder<U> {
    settings: TokenSettings,
    keys: KeySource,
    types: Vec<String>,
    untyped: bool,
    user: PhantomData<fn() -> U>,
}

settings!(JwtBuilder<U>);

impl<U> JwtBuilder<U> {
    pub(crate) fn new(keys: KeySource) -> Self {
        Self::with_settings(keys, TokenSettings::new())
    }

    pub(crate) fn with_settings(keys: KeySource, settings: TokenSettings) -> Self {
        Self {
            settings,
            keys,
            types: vec![header::DEFAULT_TYPE.to_owned()],
            untyped: false,
            user: PhantomData,
        }
    }

    /// Sets the accepted values of `typ`, compared case-insensitively and without `application/`.
    /// The first one is written into issued tokens. Default: `at+jwt` (RFC 9068 section 2.1), so
    /// that no ID token or other JWT signed with the same key passes for an access token.
    pub fn types(mut self, types: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.types = types.into_iter().map(Into::into).collect();
        self
    }

    /// Also accepts tokens without `typ`, which older issuers issue.
    pub fn dangerous_accept_untyped(mut self) -> Self {
        self.untyped = true;
        self
    }

    /// Sets which claims of another party's tokens contain roles and scopes. Default: the claims
    /// `roles` and `scope`.
    pub fn claim_map(mut self, map: ClaimMap) -> Self {
        self.settings.foreign.map = Some(map);
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// When issuer or audience is unset or empty, `types` is empty or contains a character that is
    /// not visible ASCII, the leeway exceeds 60 seconds, or the lifetime is shorter than a second.
    /// With a list, also when the list belongs to another issuer, the leeway is shorter than a
    /// second, or the lifetime exceeds the
    /// [longest lifetime](crate::token::TokenListBuilder::max_ttl) of
    /// the list.
    pub fn build(self) -> Result<Jwt<U>, ConfigError> {
        self.validate().map_err(|error| error.in_engine("Jwt"))
    }

    fn validate(self) -> Result<Jwt<U>, ConfigError> {
        let accepted: Vec<_> = self
            .types
            .iter()
            .map(|typ| header::strip_application(typ).to_owned())
            .collect();
        let is_type =
            |typ: &String| !typ.is_empty() && typ.bytes().all(|byte| byte.is_ascii_graphic());
        if accepted.is_empty() || !accepted.iter().all(is_type) {
            return Err(ConfigError::new(
                "typ",
                "needs at least one media type, in visible ASCII",
            ));
        }
        let envelope = Jws {
            keys: self.keys.clone(),
            types: Types {
                accepted,
                untyped: self.untyped,
            },
        };
        Ok(Jwt::new(self.settings.build(envelope)?, self.keys.ring))
    }
}

impl<U> fmt::Debug for JwtBuilder<U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwtBuilder").finish_non_exhaustive()
    }
}
