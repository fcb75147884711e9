//! Requests to a provider's endpoints, in the messages of the `oauth2` crate.

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
    http::{Http, of},
    provider::Settings,
    secret::Presented,
    tokens::ProviderTokens,
};
use crate::{clock::Clock, secret::Secret};

/// What is said to one provider.
pub(super) struct Wire {
    pub(super) provider: Arc<Settings>,
    pub(super) clock: Arc<dyn Clock>,
    /// Without the client's secret, which each request states anew.
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

/// States the client's proof in a request of the crate.
macro_rules! with_parameters {
    ($request:expr, $presented:expr) => {{
        let mut request = $request;
        for (name, value) in $presented.parameters {
            request = request.add_extra_param(name, value);
        }
        request
    }};
}

impl Wire {
    pub(super) fn new(provider: Arc<Settings>, clock: Arc<dyn Clock>, redirect_url: &Url) -> Self {
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

    /// For the URL to which browsers are sent.
    pub(super) const fn protocol(&self) -> &Protocol {
        &self.protocol
    }

    /// Exchanges a code for tokens (RFC 6749 section 4.1.3, RFC 7636 section 4.5).
    pub(super) async fn exchange(
        &self,
        code: &str,
        verifier: &Secret<String>,
    ) -> Result<ProviderTokens, OAuthError> {
        let (client, presented) = self.client().await?;
        let request = client
            .exchange_code(AuthorizationCode::new(code.to_owned()))
            .set_pkce_verifier(PkceCodeVerifier::new(verifier.expose().clone()));
        let request = with_parameters!(request, presented);
        let answer = request.request_async(&self.http).await.map_err(of)?;
        self.tokens(&answer, &self.provider.scopes)
    }

    pub(super) async fn refresh(
        &self,
        refresh_token: &Secret<String>,
    ) -> Result<ProviderTokens, OAuthError> {
        let (client, presented) = self.client().await?;
        let old = RefreshToken::new(refresh_token.expose().clone());
        let request = with_parameters!(client.exchange_refresh_token(&old), presented);
        let answer = request.request_async(&self.http).await.map_err(of)?;
        let mut tokens = self.tokens(&answer, &self.provider.scopes)?;
        // RFC 6749 section 6: where no new one is issued, the old one stays.
        tokens
            .refresh_token
            .get_or_insert_with(|| refresh_token.clone());
        // Nothing has verified it.
        tokens.id_token = None;
        Ok(tokens)
    }

    pub(super) async fn client_credentials(
        &self,
        scopes: &[String],
    ) -> Result<ProviderTokens, OAuthError> {
        let (client, presented) = self.client().await?;
        let request = client
            .exchange_client_credentials()
            .add_scopes(scopes.iter().cloned().map(Scope::new));
        let request = with_parameters!(request, presented);
        let answer = request.request_async(&self.http).await.map_err(of)?;
        self.tokens(&answer, scopes)
    }

    /// Asks for a device's codes (RFC 8628 section 3.1).
    pub(super) async fn device(&self) -> Result<StandardDeviceAuthorizationResponse, OAuthError> {
        let (client, presented) = self.client().await?;
        let request = client
            .exchange_device_code()
            .map_err(|_| OAuthError::Unsupported("device authorization endpoint"))?
            .add_scopes(self.provider.scopes.iter().cloned().map(Scope::new));
        let request = with_parameters!(request, presented);
        let codes: StandardDeviceAuthorizationResponse =
            request.request_async(&self.http).await.map_err(of)?;
        match codes.interval() > LONGEST_INTERVAL {
            true => Err(OAuthError::Answer("it is to be asked too seldom")),
            false => Ok(codes),
        }
    }

    /// Asks for a device's tokens until there are some, as often as the provider allows (RFC 8628 section 3.4).
    pub(super) async fn device_tokens(
        &self,
        codes: &StandardDeviceAuthorizationResponse,
    ) -> Result<ProviderTokens, OAuthError> {
        // The crate would send one proof of the client with every request, which is good once and for minutes: so each of
        // its pauses is the end of a request here, and another one begins.
        let mut interval = codes.interval();
        loop {
            let (client, presented) = self.client().await?;
            let request = with_parameters!(client.exchange_device_access_token(codes), presented);
            let (tell, mut told) = watch::channel(None);
            let pause = |asked: Duration| {
                tell.send_replace(Some(asked));
                std::future::pending()
            };
            let answer = tokio::select! {
                answer = request.request_async(&self.http, pause, None) => Some(answer),
                _ = told.changed() => None,
            };
            if let Some(answer) = answer {
                return self.tokens(&answer.map_err(of)?, &self.provider.scopes);
            }
            // More than was asked for at first is what was added.
            let asked = told.borrow().unwrap_or_default();
            let added = asked.saturating_sub(codes.interval());
            interval = interval.saturating_add(added).min(LONGEST_INTERVAL);
            tokio::time::sleep(interval.max(SHORTEST_INTERVAL)).await;
        }
    }

    /// Ends a token (RFC 7009). The crate's own request takes no plain HTTP, not even to this machine.
    pub(super) async fn revoke(&self, token: &Secret<String>) -> Result<(), OAuthError> {
        let provider = &*self.provider;
        let url = provider.revoke.as_ref();
        let url = url.ok_or(OAuthError::Unsupported("revocation endpoint"))?;
        let presented = provider.auth.present(&provider.client_id).await?;
        let encode =
            |text: &str| -> String { form_urlencoded::byte_serialize(text.as_bytes()).collect() };
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("token", token.expose());
        let mut request = Request::post(url.as_str());
        match &presented.secret {
            Some(secret) if !presented.in_body => {
                let pair = format!(
                    "{}:{}",
                    encode(&provider.client_id),
                    encode(secret.expose())
                );
                let basic = format!("Basic {}", STANDARD.encode_to_string(pair));
                let mut basic = HeaderValue::try_from(basic)
                    .map_err(|_| OAuthError::Answer("base64 is no header"))?;
                basic.set_sensitive(true);
                request = request.header(header::AUTHORIZATION, basic);
            }
            secret => {
                form.append_pair("client_id", &provider.client_id);
                if let Some(secret) = secret {
                    form.append_pair("client_secret", secret.expose());
                }
                form.extend_pairs(presented.parameters);
            }
        }
        let request = request
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(form.finish().into_bytes())
            .map_err(|_| OAuthError::Answer("the revocation endpoint is no URL of HTTP"))?;
        let answer = self
            .http
            .send(request)
            .await
            .map_err(OAuthError::unreachable)?;
        if answer.status().is_success() {
            return Ok(());
        }
        let refused: Option<BasicErrorResponse> = serde_json::from_slice(answer.body()).ok();
        let refused = refused.ok_or(OAuthError::Answer("it is no error of RFC 7009"))?;
        let code = error::code(refused.error().as_ref());
        Err(OAuthError::Refused { code })
    }

    /// Reads a JSON document that an access token opens. `None`: it does not open this one, or there is none.
    pub(super) async fn read(
        &self,
        url: &Url,
        access_token: &Secret<String>,
    ) -> Result<Option<Value>, OAuthError> {
        let bearer = format!("Bearer {}", access_token.expose());
        let mut bearer = HeaderValue::try_from(bearer)
            .map_err(|_| OAuthError::Answer("the access token is no text for a header"))?;
        bearer.set_sensitive(true);
        let request = Request::get(url.as_str())
            .header(header::AUTHORIZATION, bearer)
            .header(header::ACCEPT, "application/json")
            // GitHub answers nobody who does not say what it is.
            .header(header::USER_AGENT, "tower-jam")
            .body(Vec::new())
            .map_err(|_| OAuthError::Answer("the address of the user is no URL of HTTP"))?;
        let answer = self.http.send(request).await;
        let answer = answer.map_err(OAuthError::unreachable)?;
        match answer.status() {
            StatusCode::OK => serde_json::from_slice(answer.body())
                .map(Some)
                .map_err(|_| OAuthError::Answer("what it says of the user is not JSON")),
            StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => Ok(None),
            _ => Err(OAuthError::Answer("it tells nothing of the user")),
        }
    }

    async fn client(&self) -> Result<(Protocol, Presented), OAuthError> {
        let presented = self.provider.auth.present(&self.provider.client_id).await?;
        let auth = match presented.in_body {
            true => AuthType::RequestBody,
            false => AuthType::BasicAuth,
        };
        let mut client = self.protocol.clone().set_auth_type(auth);
        if let Some(secret) = &presented.secret {
            client = client.set_client_secret(ClientSecret::new(secret.expose().clone()));
        }
        Ok((client, presented))
    }

    fn tokens(&self, answer: &TokenAnswer, asked: &[String]) -> Result<ProviderTokens, OAuthError> {
        if *answer.token_type() != BasicTokenType::Bearer {
            return Err(OAuthError::Answer(
                "the access token is of another type than Bearer",
            ));
        }
        let secret = |text: &String| Secret::new(text.clone());
        let now = self.clock.now();
        Ok(ProviderTokens {
            access_token: secret(answer.access_token().secret()),
            refresh_token: answer.refresh_token().map(|token| secret(token.secret())),
            id_token: answer.extra_fields().id_token.as_ref().map(secret),
            life: answer.expires_in(),
            expires_at: answer.expires_in().map(|life| now.after(life)),
            scopes: match answer.scopes() {
                // GitHub puts commas between them.
                Some(granted) => granted
                    .iter()
                    .flat_map(|scope| scope.split(','))
                    .map(str::to_owned)
                    .collect(),
                None => asked.to_vec(),
            },
        })
    }
}

/// What a provider that states none, or nonsense, is asked at most this often.
const LONGEST_INTERVAL: Duration = Duration::from_secs(5 * 60);
const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);
