//! Logins on devices without a browser (RFC 8628).

use std::fmt;

use oauth2::StandardDeviceAuthorizationResponse;

use super::{client::OAuth2, error::OAuthError, finish::Login, id_token::Expected};
use crate::clock::Timestamp;

/// What to show to the user of a device.
#[non_exhaustive]
pub struct DeviceCode {
    /// What the user types.
    pub user_code: String,
    /// Where.
    pub verification_uri: String,
    /// The same with the code in it, for a picture to scan.
    pub verification_uri_complete: Option<String>,
    /// Until when.
    pub expires_at: Timestamp,
    started_at: Timestamp,
    client: OAuth2,
    codes: StandardDeviceAuthorizationResponse,
}

impl OAuth2 {
    /// Begins a login on a device.
    ///
    /// # Errors
    ///
    /// [`OAuthError::Unsupported`] when the provider has no such endpoint, and whatever goes wrong on the way.
    pub async fn device(&self) -> Result<DeviceCode, OAuthError> {
        let started_at = self.core.clock.now();
        let codes = self.core.wire.device().await?;
        let complete = codes.verification_uri_complete();
        Ok(DeviceCode {
            user_code: codes.user_code().secret().clone(),
            verification_uri: codes.verification_uri().as_str().to_owned(),
            verification_uri_complete: complete.map(|uri| uri.secret().clone()),
            expires_at: self.core.clock.now().after(codes.expires_in()),
            started_at,
            client: self.clone(),
            codes,
        })
    }
}

impl DeviceCode {
    /// Asks the provider, as often as it allows, until the user has said yes or no or the code has expired. While the provider
    /// is away it is asked less often.
    ///
    /// # Errors
    ///
    /// [`OAuthError::Refused`] with the code `access_denied` or `expired_token`, and whatever goes wrong on the way.
    pub async fn poll(&self) -> Result<Login, OAuthError> {
        let ended = self.finish().await;
        self.client.core.told(ended)
    }

    async fn finish(&self) -> Result<Login, OAuthError> {
        let core = &self.client.core;
        let asked = core.wire.device_tokens(&self.codes);
        let tokens = tokio::time::timeout(self.codes.expires_in(), asked).await;
        let expired = || OAuthError::Refused {
            code: "expired_token".to_owned(),
        };
        let tokens = tokens.unwrap_or_else(|_| Err(expired()))?;
        let profile = core.identify(&tokens, &Expected::default()).await?;
        Ok(Login {
            profile,
            tokens,
            return_to: core.default_page.clone(),
            started_at: self.started_at,
        })
    }
}

/// Shows neither code.
impl fmt::Debug for DeviceCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceCode")
            .field("verification_uri", &self.verification_uri)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}
