//! The access token engines that pairs can use.

use std::fmt;

#[cfg(feature = "paseto")]
use crate::token::Paseto;
use crate::token::{Engine, Jwt};

/// An engine for the access tokens of pairs, made from a [`Jwt`] or a `Paseto`.
pub struct AccessTokens<U>(pub(super) Engine<U>);

impl<U> From<Jwt<U>> for AccessTokens<U> {
    fn from(jwt: Jwt<U>) -> Self {
        Self(jwt.engine)
    }
}

#[cfg(feature = "paseto")]
impl<U> From<Paseto<U>> for AccessTokens<U> {
    fn from(paseto: Paseto<U>) -> Self {
        Self(paseto.engine)
    }
}

impl<U> fmt::Debug for AccessTokens<U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AccessTokens").field(&self.0).finish()
    }
}
