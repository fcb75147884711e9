//! What a provider grants this application.

use std::{fmt, time::Duration};

use crate::{clock::Timestamp, secret::Secret};

/// Tokens of a provider, to call its API with.
#[derive(Clone)]
#[non_exhaustive]
pub struct ProviderTokens {
    /// For the `Authorization: Bearer` header.
    pub access_token: Secret<String>,
    /// For [`OAuth2::refresh`](super::OAuth2::refresh), if there is one.
    pub refresh_token: Option<Secret<String>>,
    /// The ID token of a login, which was verified.
    pub id_token: Option<Secret<String>>,
    /// When the access token expires, if the provider says so.
    pub expires_at: Option<Timestamp>,
    /// What was granted, which may be less than was asked for.
    pub scopes: Vec<String>,
    /// From now to `expires_at`, when they were granted.
    pub(super) life: Option<Duration>,
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
