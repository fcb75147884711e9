//! The methods that users of the Python library know. Each is one call into an engine.

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

/// What a token will say: a grant, and a lifetime if it is not the engine's.
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
    /// What a token will say. `ttl` of `None` is the engine's; the dates and the id are stated when it is minted.
    #[allow(clippy::unused_self, reason = "it is a method where it is known from")]
    pub fn jwt_make_payload(&self, ttl: Option<Duration>, grant: Grant<U>) -> Payload<U> {
        Payload { grant, ttl }
    }

    /// Mints a token: [`Jwt::issue`](crate::Jwt::issue).
    ///
    /// # Errors
    ///
    /// When there is no table `jwt`, the key can only verify, the payload does not serialise, or the list is not reached.
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
    /// When there is no table `jwt`, the token is not good, or the list is not reached.
    pub async fn jwt_verify_token(&self, token: &str) -> Result<Verified<U>, Rejection> {
        self.jwt()?.verify(token).await
    }
}

/// Sessions.
impl<U: Serialize + DeserializeOwned + Send + Sync + 'static> Jam<U> {
    /// Begins a session: [`Sessions::create`](crate::Sessions::create).
    ///
    /// # Errors
    ///
    /// When there is no table `session`, the user does not serialise, or the store does not answer.
    pub async fn session_create(&self, grant: Grant<U>) -> Result<NewSession, Rejection> {
        Ok(self.sessions()?.create(grant).await?)
    }

    /// What the session holds: [`Sessions::get`](crate::Sessions::get).
    ///
    /// # Errors
    ///
    /// When there is no table `session`, or the store does not answer.
    pub async fn session_get(
        &self,
        token: &str,
    ) -> Result<Option<(SessionInfo, SessionData<U>)>, Rejection> {
        Ok(self.sessions()?.get(token).await?)
    }

    /// Changes what the session holds: [`Sessions::update`](crate::Sessions::update).
    ///
    /// # Errors
    ///
    /// When there is no table `session`, the user does not serialise, or the store does not answer.
    pub async fn session_update<T>(
        &self,
        token: &str,
        change: impl FnMut(&mut SessionData<U>) -> T,
    ) -> Result<Option<T>, Rejection> {
        Ok(self.sessions()?.update(token, change).await?)
    }

    /// Ends the session: [`Sessions::delete`](crate::Sessions::delete).
    ///
    /// # Errors
    ///
    /// When there is no table `session`, or the store does not answer.
    pub async fn session_delete(&self, token: &str) -> Result<bool, Rejection> {
        Ok(self.sessions()?.delete(token).await?)
    }

    /// Ends all sessions of a subject: [`Sessions::clear`](crate::Sessions::clear).
    ///
    /// # Errors
    ///
    /// When there is no table `session`, or the store does not answer.
    pub async fn session_clear(&self, subject: &str) -> Result<u64, Rejection> {
        Ok(self.sessions()?.clear(subject).await?)
    }

    /// Gives the session a new id: [`Sessions::rework`](crate::Sessions::rework).
    ///
    /// # Errors
    ///
    /// When there is no table `session`, or the store does not answer.
    pub async fn session_rework(&self, token: &str) -> Result<Option<Secret<String>>, Rejection> {
        Ok(self.sessions()?.rework(token).await?)
    }
}

/// PASETO tokens.
#[cfg(feature = "paseto")]
impl<U: Serialize + DeserializeOwned + Send + Sync + 'static> Jam<U> {
    /// What a token will say. `ttl` of `None` is the engine's.
    #[allow(clippy::unused_self, reason = "it is a method where it is known from")]
    pub fn paseto_make_payload(&self, ttl: Option<Duration>, grant: Grant<U>) -> Payload<U> {
        Payload { grant, ttl }
    }

    /// Mints a token: [`Paseto::issue`](crate::Paseto::issue).
    ///
    /// # Errors
    ///
    /// As [`jwt_create_token`](Self::jwt_create_token), of the table `paseto`.
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
    /// As [`jwt_verify_token`](Self::jwt_verify_token), of the table `paseto`.
    pub async fn paseto_decode(&self, token: &str) -> Result<Verified<U>, Rejection> {
        self.paseto()?.verify(token).await
    }
}

/// One-time codes.
#[cfg(feature = "otp")]
impl<U> Jam<U> {
    /// The code of `secret`: by the time, of `factor` in Unix seconds or now; by a counter, of `factor` or zero.
    ///
    /// # Errors
    ///
    /// When there is no table `otp`.
    pub fn otp_code(
        &self,
        secret: &crate::otp::OtpSecret,
        factor: Option<u64>,
    ) -> Result<Secret<String>, Rejection> {
        use crate::{clock::Timestamp, otp::Scheme};

        Ok(match self.otp()?.scheme() {
            Scheme::Totp(totp) => {
                let now = || self.engines.clock.now();
                totp.code(secret, factor.map_or_else(now, Timestamp::from_secs))
            }
            Scheme::Hotp(hotp) => hotp.code(secret, factor.unwrap_or_default()),
        })
    }

    /// Verifies a code of an enrolled subject and uses it up: [`Otp::verify`](crate::Otp::verify).
    ///
    /// # Errors
    ///
    /// When there is no table `otp`, the code is not good, the subject is locked, or the store does not answer.
    pub async fn otp_verify_code(
        &self,
        subject: &str,
        code: &str,
    ) -> Result<crate::clock::Timestamp, Rejection> {
        self.otp()?.verify(subject, code).await
    }

    /// The URI that an authenticator scans: [`Otp::uri`](crate::Otp::uri).
    ///
    /// # Errors
    ///
    /// When there is no table `otp`, or the account's name is too long.
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
    /// When there is no such provider, or the store does not answer.
    pub async fn oauth2_get_authorized_url(
        &self,
        provider: &str,
    ) -> Result<crate::oauth2::Started, Rejection> {
        self.oauth2(provider)?.authorize().await.map_err(refused)
    }

    /// Ends a login, with what the browser brings back and the cookie of its beginning: [`OAuth2::finish`](crate::OAuth2::finish).
    ///
    /// # Errors
    ///
    /// When there is no such provider, the answer is not good, or provider or store do not answer.
    pub async fn oauth2_fetch_token(
        &self,
        provider: &str,
        callback: crate::oauth2::Callback,
        cookie: Option<&str>,
    ) -> Result<crate::oauth2::Login, Rejection> {
        let client = self.oauth2(provider)?;
        client.finish(callback, cookie).await.map_err(refused)
    }

    /// New tokens of the provider: [`OAuth2::refresh`](crate::OAuth2::refresh).
    ///
    /// # Errors
    ///
    /// When there is no such provider, or it refuses or does not answer.
    pub async fn oauth2_refresh_token(
        &self,
        provider: &str,
        refresh_token: &Secret<String>,
    ) -> Result<crate::oauth2::ProviderTokens, Rejection> {
        let client = self.oauth2(provider)?;
        client.refresh(refresh_token).await.map_err(refused)
    }

    /// Tokens for the application itself: [`OAuth2::client_credentials`](crate::OAuth2::client_credentials).
    ///
    /// # Errors
    ///
    /// When there is no such provider, or it refuses or does not answer.
    pub async fn oauth2_client_credentials_flow(
        &self,
        provider: &str,
        scopes: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<crate::oauth2::ProviderTokens, Rejection> {
        let client = self.oauth2(provider)?;
        client.client_credentials(scopes).await.map_err(refused)
    }
}

/// Under the status that the error has.
#[cfg(feature = "oauth2")]
fn refused(error: crate::oauth2::OAuthError) -> Rejection {
    use http::StatusCode;

    match error.status() {
        StatusCode::SERVICE_UNAVAILABLE => {
            crate::error::StoreError::Unavailable(error.into()).into()
        }
        status if status.is_server_error() => {
            Rejection::misconfigured("the client of this provider cannot do that").because(error)
        }
        _ => Rejection::invalid("the provider's login is not good").because(error),
    }
}

#[cfg(all(test, feature = "oauth2"))]
mod tests {
    use super::*;
    use crate::oauth2::OAuthError;

    #[test]
    fn a_provider_that_fails_is_no_wrong_login() {
        for (error, status) in [
            (OAuthError::Answer("what it says is no JSON"), 503),
            (OAuthError::Unsupported("revocation endpoint"), 500),
            (OAuthError::UnknownState, 401),
            (OAuthError::Malformed("no code"), 401),
        ] {
            assert_eq!(refused(error).status().as_u16(), status);
        }
    }
}
