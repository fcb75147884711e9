//! The methods that users of the Python library know. Each is one call to an engine.

use std::{fmt, time::Duration};

use serde::{Serialize, de::DeserializeOwned};

use super::Jam;
use crate::{
    authenticate::Verified,
    grant::Grant,
    rejection::Rejection,
    secret::Secret,
    session::{NewSession, SessionData, SessionInfo},
};

/// The contents of a token to be issued: a grant, and a lifetime if it differs from the engine's.
#[must_use]
pub struct Payload<U> {
    grant: Grant<U>,
    ttl: Option<Duration>,
}

impl<U> From<Grant<U>> for Payload<U> {
    fn from(grant: Grant<U>) -> Self {
        Self { grant, ttl: None }
    }
}

impl<U> fmt::Debug for Payload<U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Payload")
            .field("ttl", &self.ttl)
            .finish_non_exhaustive()
    }
}

/// JSON Web Tokens.
impl<U: Serialize + DeserializeOwned + Send + Sync + 'static> Jam<U> {
    /// Creates the contents of a token. `ttl` of `None` means the engine's. The dates and the id
    /// are set when it is issued.
    #[allow(clippy::unused_self, reason = "it is a method in the Python library")]
    pub fn jwt_make_payload(&self, ttl: Option<Duration>, grant: Grant<U>) -> Payload<U> {
        Payload { grant, ttl }
    }

    /// Issues a token: [`Jwt::issue`](crate::Jwt::issue).
    ///
    /// # Errors
    ///
    /// If there is no table `jwt`, the key can only verify, the payload does not serialise, or the
    /// list cannot be reached.
    pub async fn jwt_create_token(
        &self,
        payload: impl Into<Payload<U>>,
    ) -> Result<Secret<String>, Rejection> {
        let Payload { grant, ttl } = payload.into();
        let issue = self.jwt()?.issue(grant);
        let issued = match ttl {
            Some(ttl) => issue.ttl(ttl).await,
            None => issue.await,
        };
        Ok(issued?)
    }

    /// Verifies a token: [`Jwt::verify`](crate::Jwt::verify).
    ///
    /// # Errors
    ///
    /// If there is no table `jwt`, the token is not valid, or the list cannot be reached.
    pub async fn jwt_verify_token(&self, token: &str) -> Result<Verified<U>, Rejection> {
        self.jwt()?.verify(token).await
    }
}

/// Sessions.
impl<U: Serialize + DeserializeOwned + Send + Sync + 'static> Jam<U> {
    /// Creates a session: [`Sessions::create`](crate::Sessions::create).
    ///
    /// # Errors
    ///
    /// If there is no table `session`, the user does not serialise, or the store does not answer.
    pub async fn session_create(&self, grant: Grant<U>) -> Result<NewSession, Rejection> {
        Ok(self.sessions()?.create(grant).await?)
    }

    /// Returns the contents of a session: [`Sessions::get`](crate::Sessions::get).
    ///
    /// # Errors
    ///
    /// If there is no table `session`, or the store does not answer.
    pub async fn session_get(
        &self,
        token: &str,
    ) -> Result<Option<(SessionInfo, SessionData<U>)>, Rejection> {
        Ok(self.sessions()?.get(token).await?)
    }

    /// Changes the contents of a session: [`Sessions::update`](crate::Sessions::update).
    ///
    /// # Errors
    ///
    /// If there is no table `session`, the user does not serialise, or the store does not answer.
    pub async fn session_update<T>(
        &self,
        token: &str,
        change: impl FnMut(&mut SessionData<U>) -> T,
    ) -> Result<Option<T>, Rejection> {
        Ok(self.sessions()?.update(token, change).await?)
    }

    /// Deletes a session: [`Sessions::revoke_token`](crate::Sessions::revoke_token).
    ///
    /// # Errors
    ///
    /// If there is no table `session`, or the store does not answer.
    pub async fn session_delete(&self, token: &str) -> Result<bool, Rejection> {
        Ok(self.sessions()?.revoke_token(token).await?)
    }

    /// Deletes all sessions of a subject: [`Sessions::revoke_all`](crate::Sessions::revoke_all).
    ///
    /// # Errors
    ///
    /// If there is no table `session`, or the store does not answer.
    pub async fn session_clear(&self, subject: &str) -> Result<usize, Rejection> {
        Ok(self.sessions()?.revoke_all(subject).await?)
    }

    /// Cycles the id of a session: [`Sessions::cycle_id`](crate::Sessions::cycle_id).
    ///
    /// # Errors
    ///
    /// If there is no table `session`, or the store does not answer.
    pub async fn session_rework(&self, token: &str) -> Result<Option<Secret<String>>, Rejection> {
        Ok(self.sessions()?.cycle_id(token).await?)
    }
}

/// PASETO tokens.
#[cfg(feature = "paseto")]
impl<U: Serialize + DeserializeOwned + Send + Sync + 'static> Jam<U> {
    /// Creates the contents of a token. `ttl` of `None` means the engine's.
    #[allow(clippy::unused_self, reason = "it is a method in the Python library")]
    pub fn paseto_make_payload(&self, ttl: Option<Duration>, grant: Grant<U>) -> Payload<U> {
        Payload { grant, ttl }
    }

    /// Issues a token: [`Paseto::issue`](crate::Paseto::issue).
    ///
    /// # Errors
    ///
    /// As for [`jwt_create_token`](Self::jwt_create_token), with the table `paseto`.
    pub async fn paseto_create(
        &self,
        payload: impl Into<Payload<U>>,
    ) -> Result<Secret<String>, Rejection> {
        let Payload { grant, ttl } = payload.into();
        let issue = self.paseto()?.issue(grant);
        let issued = match ttl {
            Some(ttl) => issue.ttl(ttl).await,
            None => issue.await,
        };
        Ok(issued?)
    }

    /// Verifies a token: [`Paseto::verify`](crate::Paseto::verify).
    ///
    /// # Errors
    ///
    /// As for [`jwt_verify_token`](Self::jwt_verify_token), with the table `paseto`.
    pub async fn paseto_decode(&self, token: &str) -> Result<Verified<U>, Rejection> {
        self.paseto()?.verify(token).await
    }
}

/// One-time codes.
#[cfg(feature = "otp")]
impl<U> Jam<U> {
    /// Returns the code of `secret`. `factor` is the time in Unix seconds for time-based codes
    /// (default: now), or the counter for counter-based codes (default: zero).
    ///
    /// # Errors
    ///
    /// If there is no table `otp`.
    pub fn otp_code(
        &self,
        secret: &crate::otp::OtpSecret,
        factor: Option<u64>,
    ) -> Result<Secret<String>, Rejection> {
        use crate::{clock::Timestamp, otp::OtpScheme};

        Ok(match self.otp()?.scheme() {
            OtpScheme::Totp(totp) => {
                let now = || self.engines.env.clock.now();
                totp.code(secret, factor.map_or_else(now, Timestamp::from_secs))
            }
            OtpScheme::Hotp(hotp) => hotp.code(secret, factor.unwrap_or_default()),
        })
    }

    /// Verifies and consumes a code of an enrolled subject: [`Otp::verify`](crate::Otp::verify).
    ///
    /// # Errors
    ///
    /// If there is no table `otp`, the code is not valid, the subject is locked, or the store does
    /// not answer.
    pub async fn otp_verify_code(
        &self,
        subject: &str,
        code: &str,
    ) -> Result<crate::clock::Timestamp, Rejection> {
        self.otp()?.verify(subject, code).await
    }

    /// Returns the URI that an authenticator app scans: [`Otp::uri`](crate::Otp::uri).
    ///
    /// # Errors
    ///
    /// If there is no table `otp`, or the account's name is too long.
    pub fn otp_uri(
        &self,
        secret: &crate::otp::OtpSecret,
        account: &str,
    ) -> Result<Secret<String>, Rejection> {
        self.otp()?.uri(secret, account)
    }
}

/// Identity providers.
#[cfg(feature = "oauth2")]
impl<U> Jam<U> {
    /// Begins a login with a provider: [`OAuth2::authorize`](crate::OAuth2::authorize).
    ///
    /// # Errors
    ///
    /// If there is no such provider, or the store does not answer.
    pub async fn oauth2_get_authorized_url(
        &self,
        provider: &str,
    ) -> Result<crate::oauth2::Started, Rejection> {
        self.oauth2(provider)?.authorize().await.map_err(rejection)
    }

    /// Completes a login with the provider's callback and the cookie that was set when it began:
    /// [`OAuth2::finish`](crate::OAuth2::finish).
    ///
    /// # Errors
    ///
    /// If there is no such provider, the callback is not valid, or the provider or the store does
    /// not answer.
    pub async fn oauth2_fetch_token(
        &self,
        provider: &str,
        callback: crate::oauth2::Callback,
        cookie: Option<&str>,
    ) -> Result<crate::oauth2::ProviderLogin, Rejection> {
        let client = self.oauth2(provider)?;
        client.finish(callback, cookie).await.map_err(rejection)
    }

    /// Refreshes the tokens of a provider: [`OAuth2::refresh`](crate::OAuth2::refresh).
    ///
    /// # Errors
    ///
    /// If there is no such provider, or it rejects the request or does not answer.
    pub async fn oauth2_refresh_token(
        &self,
        provider: &str,
        refresh_token: &Secret<String>,
    ) -> Result<crate::oauth2::ProviderTokens, Rejection> {
        let client = self.oauth2(provider)?;
        client.refresh(refresh_token).await.map_err(rejection)
    }

    /// Requests tokens for the application itself:
    /// [`OAuth2::client_credentials`](crate::OAuth2::client_credentials).
    ///
    /// # Errors
    ///
    /// If there is no such provider, or it rejects the request or does not answer.
    pub async fn oauth2_client_credentials_flow(
        &self,
        provider: &str,
        scopes: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<crate::oauth2::ProviderTokens, Rejection> {
        let client = self.oauth2(provider)?;
        client.client_credentials(scopes).await.map_err(rejection)
    }
}

/// Converts the error to a rejection with the same status.
#[cfg(feature = "oauth2")]
fn rejection(error: crate::oauth2::OAuthError) -> Rejection {
    use http::StatusCode;

    match error.status() {
        StatusCode::SERVICE_UNAVAILABLE => {
            crate::error::StoreError::Unavailable(error.into()).into()
        }
        status if status.is_server_error() => {
            Rejection::misconfigured("the client of this provider does not support this operation")
                .with_source(error)
        }
        _ => Rejection::invalid("the login with the provider is not valid").with_source(error),
    }
}

#[cfg(all(test, feature = "oauth2"))]
mod tests {
    use super::*;
    use crate::oauth2::OAuthError;

    #[test]
    fn a_failure_of_the_provider_is_not_an_invalid_login() {
        for (error, status) in [
            (OAuthError::Answer("what it says is no JSON"), 503),
            (OAuthError::Unsupported("revocation endpoint"), 500),
            (OAuthError::UnknownState, 401),
            (OAuthError::Malformed("no code"), 401),
        ] {
            assert_eq!(rejection(error).status().as_u16(), status);
        }
    }
}
