//! Logins on devices without a browser (RFC 8628).

use std::{fmt, sync::Arc};

use oauth2::StandardDeviceAuthorizationResponse;

use super::{
    callback::ProviderLogin, error::OAuthError, finish::identify, id_token::ExpectedLogin,
    inner::OAuth2Inner,
};
use crate::clock::Timestamp;

/// The codes to show to the user of a device.
#[non_exhaustive]
pub struct DeviceCode {
    /// The code that the user enters.
    pub user_code: String,
    /// The page where the user enters it.
    pub verification_uri: String,
    /// The same page with the code included, for a QR code.
    pub verification_uri_complete: Option<String>,
    /// When the codes expire.
    pub expires_at: Timestamp,
    started_at: Timestamp,
    client: Arc<OAuth2Inner>,
    codes: StandardDeviceAuthorizationResponse,
}

/// See [`OAuth2::device`](super::OAuth2::device).
pub(super) async fn start(client: &Arc<OAuth2Inner>) -> Result<DeviceCode, OAuthError> {
    let started_at = client.clock.now();
    let codes = client.wire.device().await?;
    let complete = codes.verification_uri_complete();
    Ok(DeviceCode {
        user_code: codes.user_code().secret().clone(),
        verification_uri: codes.verification_uri().as_str().to_owned(),
        verification_uri_complete: complete.map(|uri| uri.secret().clone()),
        expires_at: client.clock.now().after(codes.expires_in()),
        started_at,
        client: Arc::clone(client),
        codes,
    })
}

impl DeviceCode {
    /// Polls the provider, as often as it allows, until the user has decided or the code has
    /// expired. Polling backs off while the provider is unavailable.
    ///
    /// # Errors
    ///
    /// [`OAuthError::Refused`] with the code `access_denied` or `expired_token`, and any error of
    /// the request.
    pub async fn poll(&self) -> Result<ProviderLogin, OAuthError> {
        let result = self.finish().await;
        self.client.report_login(result)
    }

    async fn finish(&self) -> Result<ProviderLogin, OAuthError> {
        let inner = &*self.client;
        let polling = inner.wire.device_tokens(&self.codes);
        let tokens = tokio::time::timeout(self.codes.expires_in(), polling).await;
        let expired = || OAuthError::Refused {
            code: "expired_token".to_owned(),
        };
        let tokens = tokens.unwrap_or_else(|_| Err(expired()))?;
        let profile = identify(inner, &tokens, &ExpectedLogin::default()).await?;
        Ok(ProviderLogin {
            profile,
            tokens,
            return_to: inner.default_page.clone(),
            started_at: self.started_at,
        })
    }
}

/// Hides both codes.
impl fmt::Debug for DeviceCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceCode")
            .field("verification_uri", &self.verification_uri)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}
