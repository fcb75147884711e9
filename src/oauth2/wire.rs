//! Sends requests to a provider's endpoints, with the `oauth2` crate.

use std::{fmt, sync::Arc, time::Duration};

use base64_simd::STANDARD;
use http::{HeaderValue, Request, StatusCode, header};
use oauth2::{
    AuthType, AuthUrl, AuthorizationCode, Client, ClientId, ClientSecret, DeviceAuthorizationUrl,
    EndpointMaybeSet, EndpointNotSet, EndpointSet, ExtraTokenFields, PkceCodeVerifier, RedirectUrl,
    RefreshToken, Scope, StandardDeviceAuthorizationResponse, StandardRevocableToken,
    StandardTokenResponse, TokenResponse, TokenUrl,
    basic::{
        BasicErrorResponse, BasicRevocationErrorResponse, BasicTokenIntrospectionResponse,
        BasicTokenType,
    },
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::watch;
use url::{Url, form_urlencoded};

use super::{
    error::{self, OAuthError},
    http::{Http, map_error},
    provider::ProviderInner,
    secret::ClientProof,
    tokens::ProviderTokens,
};
use crate::{clock::Clock, secret::Secret};

/// The protocol client of one provider.
pub(super) struct Wire {
    pub(super) provider: Arc<ProviderInner>,
    pub(super) clock: Arc<dyn Clock>,
    /// Without the client's secret, which each request adds.
    protocol: Protocol,
    http: Http,
}

pub(super) type Protocol = Client<
    BasicErrorResponse,
    TokenAnswer,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
    EndpointSet,
    EndpointMaybeSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
>;

pub(super) type TokenAnswer = StandardTokenResponse<IdTokenField, BasicTokenType>;

#[derive(Clone, Deserialize, Serialize)]
pub(super) struct IdTokenField {
    id_token: Option<String>,
}

impl ExtraTokenFields for IdTokenField {}

impl fmt::Debug for IdTokenField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdTokenField").finish_non_exhaustive()
    }
}

/// Adds the client authentication to a request of the `oauth2` crate.
macro_rules! with_parameters {
    ($request:expr, $proof:expr) => {{
        let mut request = $request;
        for (name, value) in $proof.parameters {
            request = request.add_extra_param(name, value);
        }
        request
    }};
}

impl Wire {
    pub(super) fn new(
        provider: Arc<ProviderInner>,
        clock: Arc<dyn Clock>,
        redirect_url: &Url,
    ) -> Self {
        let device = provider.device.clone();
        let protocol = Client::new(ClientId::new(provider.client_id.clone()))
            .set_auth_uri(AuthUrl::from_url(provider.authorize.clone()))
            .set_token_uri(TokenUrl::from_url(provider.token.clone()))
            .set_device_authorization_url_option(device.map(DeviceAuthorizationUrl::from_url))
            .set_redirect_uri(RedirectUrl::from_url(redirect_url.clone()));
        Self {
            http: Http(provider.fetch.clone()),
            provider,
            clock,
            protocol,
        }
    }

    /// Returns the client that builds the authorization URL.
    pub(super) const fn protocol(&self) -> &Protocol {
        &self.protocol
    }

    /// Exchanges a code for tokens (RFC 6749 section 4.1.3, RFC 7636 section 4.5).
    pub(super) async fn exchange(
        &self,
        code: &str,
        verifier: &Secret<String>,
    ) -> Result<ProviderTokens, OAuthError> {
        let (client, proof) = self.client().await?;
        let request = client
            .exchange_code(AuthorizationCode::new(code.to_owned()))
            .set_pkce_verifier(PkceCodeVerifier::new(verifier.expose().clone()));
        let request = with_parameters!(request, proof);
        let response = request.request_async(&self.http).await.map_err(map_error)?;
        self.tokens(&response, &self.provider.scopes)
    }

    pub(super) async fn refresh(
        &self,
        refresh_token: &Secret<String>,
    ) -> Result<ProviderTokens, OAuthError> {
        let (client, proof) = self.client().await?;
        let old = RefreshToken::new(refresh_token.expose().clone());
        let request = with_parameters!(client.exchange_refresh_token(&old), proof);
        let response = request.request_async(&self.http).await.map_err(map_error)?;
        let mut tokens = self.tokens(&response, &self.provider.scopes)?;
        // RFC 6749 section 6: if no new one is issued, the old one stays valid.
        tokens
            .refresh_token
            .get_or_insert_with(|| refresh_token.clone());
        // It has not been verified.
        tokens.id_token = None;
        Ok(tokens)
    }

    pub(super) async fn client_credentials(
        &self,
        scopes: &[String],
    ) -> Result<ProviderTokens, OAuthError> {
        let (client, proof) = self.client().await?;
        let request = client
            .exchange_client_credentials()
            .add_scopes(scopes.iter().cloned().map(Scope::new));
        let request = with_parameters!(request, proof);
        let response = request.request_async(&self.http).await.map_err(map_error)?;
        self.tokens(&response, scopes)
    }

    /// Requests the codes of a device (RFC 8628 section 3.1).
    pub(super) async fn device(&self) -> Result<StandardDeviceAuthorizationResponse, OAuthError> {
        let (client, proof) = self.client().await?;
        let request = client
            .exchange_device_code()
            .map_err(|_| OAuthError::Unsupported("device authorization endpoint"))?
            .add_scopes(self.provider.scopes.iter().cloned().map(Scope::new));
        let request = with_parameters!(request, proof);
        let codes: StandardDeviceAuthorizationResponse =
            request.request_async(&self.http).await.map_err(map_error)?;
        if codes.interval() > LONGEST_INTERVAL {
            return Err(OAuthError::Answer("its polling interval is too long"));
        }
        Ok(codes)
    }

    /// Polls for the tokens of a device, as often as the provider allows (RFC 8628 section 3.4).
    pub(super) async fn device_tokens(
        &self,
        codes: &StandardDeviceAuthorizationResponse,
    ) -> Result<ProviderTokens, OAuthError> {
        // The `oauth2` crate would send one client assertion with every request, but an assertion
        // is valid only once and only for minutes. So each pause of the crate ends a request here,
        // and a new one starts.
        let mut interval = codes.interval();
        loop {
            let (client, proof) = self.client().await?;
            let request = with_parameters!(client.exchange_device_access_token(codes), proof);
            let (sender, mut receiver) = watch::channel(None);
            let pause = |interval: Duration| {
                sender.send_replace(Some(interval));
                std::future::pending()
            };
            let response = tokio::select! {
                response = request.request_async(&self.http, pause, None) => Some(response),
                _ = receiver.changed() => None,
            };
            if let Some(response) = response {
                return self.tokens(&response.map_err(map_error)?, &self.provider.scopes);
            }
            // The part beyond the first interval is what `slow_down` or a failure added.
            let requested = receiver.borrow().unwrap_or_default();
            let added = requested.saturating_sub(codes.interval());
            interval = interval.saturating_add(added).min(LONGEST_INTERVAL);
            tokio::time::sleep(interval.max(SHORTEST_INTERVAL)).await;
        }
    }

    /// Revokes a token (RFC 7009). The crate's own request does not accept plain HTTP, not even on
    /// loopback.
    pub(super) async fn revoke(&self, token: &Secret<String>) -> Result<(), OAuthError> {
        let provider = &*self.provider;
        let url = provider.revoke.as_ref();
        let url = url.ok_or(OAuthError::Unsupported("revocation endpoint"))?;
        let proof = provider.auth.present(&provider.client_id).await?;
        let encode =
            |text: &str| -> String { form_urlencoded::byte_serialize(text.as_bytes()).collect() };
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("token", token.expose());
        let mut request = Request::post(url.as_str());
        match &proof.secret {
            Some(secret) if !proof.in_body => {
                let pair = format!(
                    "{}:{}",
                    encode(&provider.client_id),
                    encode(secret.expose())
                );
                let basic = format!("Basic {}", STANDARD.encode_to_string(pair));
                let mut basic = HeaderValue::try_from(basic).map_err(|_| {
                    OAuthError::Answer("the client credentials are not a valid header")
                })?;
                basic.set_sensitive(true);
                request = request.header(header::AUTHORIZATION, basic);
            }
            secret => {
                form.append_pair("client_id", &provider.client_id);
                if let Some(secret) = secret {
                    form.append_pair("client_secret", secret.expose());
                }
                form.extend_pairs(proof.parameters);
            }
        }
        let request = request
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(form.finish().into_bytes())
            .map_err(|_| OAuthError::Answer("the revocation endpoint is not an HTTP URL"))?;
        let response = self
            .http
            .send(request)
            .await
            .map_err(OAuthError::unreachable)?;
        if response.status().is_success() {
            return Ok(());
        }
        let rejected: Option<BasicErrorResponse> = serde_json::from_slice(response.body()).ok();
        let rejected = rejected.ok_or(OAuthError::Answer("it is not an error of RFC 7009"))?;
        let code = error::code(rejected.error().as_ref());
        Err(OAuthError::Refused { code })
    }

    /// Reads a JSON document with an access token. Returns `None` if the token does not grant
    /// access, or there is no document.
    pub(super) async fn read(
        &self,
        url: &Url,
        access_token: &Secret<String>,
    ) -> Result<Option<Value>, OAuthError> {
        let bearer = format!("Bearer {}", access_token.expose());
        let mut bearer = HeaderValue::try_from(bearer)
            .map_err(|_| OAuthError::Answer("the access token is not a valid header"))?;
        bearer.set_sensitive(true);
        let request = Request::get(url.as_str())
            .header(header::AUTHORIZATION, bearer)
            .header(header::ACCEPT, "application/json")
            // GitHub rejects requests without a user agent.
            .header(header::USER_AGENT, "tower-jam")
            .body(Vec::new())
            .map_err(|_| OAuthError::Answer("the user info endpoint is not an HTTP URL"))?;
        let response = self.http.send(request).await;
        let response = response.map_err(OAuthError::unreachable)?;
        match response.status() {
            StatusCode::OK => serde_json::from_slice(response.body())
                .map(Some)
                .map_err(|_| OAuthError::Answer("the user info is not JSON")),
            StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => Ok(None),
            _ => Err(OAuthError::Answer("it has no user info")),
        }
    }

    async fn client(&self) -> Result<(Protocol, ClientProof), OAuthError> {
        let proof = self.provider.auth.present(&self.provider.client_id).await?;
        let auth = if proof.in_body {
            AuthType::RequestBody
        } else {
            AuthType::BasicAuth
        };
        let mut client = self.protocol.clone().set_auth_type(auth);
        if let Some(secret) = &proof.secret {
            client = client.set_client_secret(ClientSecret::new(secret.expose().clone()));
        }
        Ok((client, proof))
    }

    fn tokens(
        &self,
        response: &TokenAnswer,
        requested: &[String],
    ) -> Result<ProviderTokens, OAuthError> {
        if *response.token_type() != BasicTokenType::Bearer {
            return Err(OAuthError::Answer("the access token is not a Bearer token"));
        }
        let secret = |text: &String| Secret::new(text.clone());
        let now = self.clock.now();
        Ok(ProviderTokens {
            access_token: secret(response.access_token().secret()),
            refresh_token: response.refresh_token().map(|token| secret(token.secret())),
            id_token: response.extra_fields().id_token.as_ref().map(secret),
            lifetime: response.expires_in(),
            expires_at: response.expires_in().map(|lifetime| now.after(lifetime)),
            scopes: match response.scopes() {
                // GitHub separates scopes by commas.
                Some(granted) => granted
                    .iter()
                    .flat_map(|scope| scope.split(','))
                    .map(str::to_owned)
                    .collect(),
                None => requested.to_vec(),
            },
        })
    }
}

/// A longer interval is rejected, and backing off stops here.
const LONGEST_INTERVAL: Duration = Duration::from_secs(5 * 60);
/// A provider that states no interval, or an unreasonable one, is polled at most this often.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);
