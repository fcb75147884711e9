//! Tokens that a provider grants.

use std::{fmt, time::Duration};

use crate::{clock::Timestamp, secret::Secret};

/// Tokens of a provider, for requests to its API.
#[derive(Clone)]
#[non_exhaustive]
pub struct ProviderTokens {
    /// The access token, for the `Authorization: Bearer` header.
    pub access_token: Secret<String>,
    /// The refresh token, if there is one, for [`OAuth2::refresh`](super::OAuth2::refresh).
    pub refresh_token: Option<Secret<String>>,
    /// The verified ID token of a login.
    pub id_token: Option<Secret<String>>,
    /// When the access token expires, if the provider states it.
    pub expires_at: Option<Timestamp>,
    /// The granted scopes, which may be fewer than requested.
    pub scopes: Vec<String>,
    /// The lifetime of the access token when it was granted.
    pub(super) lifetime: Option<Duration>,
}

impl fmt::Debug for ProviderTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProviderTokens")
            .field("has_refresh_token", &self.refresh_token.is_some())
            .field("has_id_token", &self.id_token.is_some())
            .field("expires_at", &self.expires_at)
            .field("scopes", &self.scopes)
            .finish_non_exhaustive()
    }
}
