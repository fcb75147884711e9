//! Builds providers.

use std::{fmt, time::Duration};

use super::{
    presets::Preset,
    profile::ProfileFields,
    provider::{Provider, ProviderInner},
    secret::ClientSecret,
};
use crate::{
    error::ConfigError,
    key::Key,
    remote::fetch::{Fetch, UrlScheme},
};

/// Builds a [`Provider`].
#[must_use]
#[derive(Clone)]
pub struct ProviderBuilder {
    name: String,
    issuer: String,
    client_id: String,
    secret: ClientSecret,
    in_body: bool,
    assertion_audience: Option<String>,
    scopes: Vec<String>,
    extra: Vec<(String, String)>,
    authorize: Option<String>,
    token: Option<String>,
    userinfo: Option<String>,
    emails: Option<String>,
    device: Option<String>,
    revoke: Option<String>,
    jwks: Option<String>,
    requires_issuer: bool,
    posts_form: bool,
    fields: ProfileFields,
    timeout: Duration,
    scheme: UrlScheme,
    /// The endpoints of a preset that identify users. They belong to the preset's issuer.
    preset_urls: Option<[Option<String>; 3]>,
    invalid: Option<(&'static str, &'static str)>,
}

impl ProviderBuilder {
    pub(super) fn new(name: &str, issuer: &str, client_id: &str) -> Self {
        Self {
            name: name.to_owned(),
            issuer: issuer.to_owned(),
            client_id: client_id.to_owned(),
            secret: ClientSecret::None,
            in_body: false,
            assertion_audience: None,
            scopes: Vec::new(),
            extra: Vec::new(),
            authorize: None,
            token: None,
            userinfo: None,
            emails: None,
            device: None,
            revoke: None,
            jwks: None,
            requires_issuer: false,
            posts_form: false,
            fields: ProfileFields::OPENID,
            timeout: DEFAULT_TIMEOUT,
            scheme: UrlScheme::Https,
            preset_urls: None,
            invalid: None,
        }
    }

    pub(super) fn preset(preset: &Preset, client_id: &str) -> Self {
        let url = |url: Option<&str>| url.map(str::to_owned);
        let mut builder = Self {
            authorize: url(Some(preset.authorize)),
            token: url(Some(preset.token)),
            userinfo: url(preset.userinfo),
            emails: url(preset.emails),
            device: url(preset.device),
            revoke: url(preset.revoke),
            jwks: url(preset.jwks),
            posts_form: preset.posts_form,
            fields: preset.fields.clone(),
            ..Self::new(preset.name, preset.issuer, client_id).scopes(preset.scopes.to_vec())
        };
        // Without ID tokens, the endpoints identify the users, and belong to the preset's issuer.
        if preset.jwks.is_none() {
            builder.preset_urls = Some(builder.identity_urls());
        }
        builder
    }

    /// Signs the client secret of Apple with `key`.
    pub(super) fn apple_key(mut self, team_id: &str, key: Key) -> Self {
        self.secret = ClientSecret::Apple {
            team_id: team_id.to_owned(),
            key,
        };
        self
    }

    fn identity_urls(&self) -> [Option<String>; 3] {
        [
            self.authorize.clone(),
            self.token.clone(),
            self.userinfo.clone(),
        ]
    }

    /// Sets the issuer of the users, an https URL; with a subject it identifies one person. A
    /// preset with replaced endpoints, such as a self-hosted GitHub, requires a different issuer,
    /// or two people would have the same key. Default: the preset's.
    pub fn issuer(mut self, issuer: &str) -> Self {
        issuer.clone_into(&mut self.issuer);
        self.preset_urls = None;
        self
    }

    /// Sets the name for the routes: 1 to 32 of `a` to `z`, `0` to `9` and `-`. Default: the
    /// preset's.
    pub fn name(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// Sets the client secret of this application. Default: none, as for a public client.
    pub fn client_secret(mut self, secret: &str) -> Self {
        self.secret = ClientSecret::shared(secret);
        self
    }

    /// Authenticates this application by a token signed with `key` instead of a secret
    /// (`private_key_jwt`, OpenID Connect Core section 9). Its audience is only the issuer, at each
    /// endpoint: one provider could obtain a token for an endpoint in order to present it at
    /// another (FAPI 2.0 section 5.3.3, draft-ietf-oauth-rfc7523bis).
    pub fn private_key(mut self, key: Key) -> Self {
        self.secret = ClientSecret::PrivateKey(key);
        self
    }

    /// Signs the token of [`private_key`](Self::private_key) for `audience` instead of the issuer,
    /// for a provider that accepts no other, such as one that requires the URL of its token
    /// endpoint. A party that convinces this application that the audience is its own obtains a
    /// token that is valid at the provider.
    pub fn dangerous_assertion_audience(mut self, audience: &str) -> Self {
        self.assertion_audience = Some(audience.to_owned());
        self
    }

    /// Sends the secret in the body (`client_secret_post`) instead of the `Authorization` header.
    pub const fn secret_in_body(mut self) -> Self {
        self.in_body = true;
        self
    }

    /// Replaces the requested scopes. With `openid`, an ID token is requested and required.
    pub fn scopes(mut self, scopes: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.scopes = scopes.into_iter().map(Into::into).collect();
        self
    }

    /// Adds a parameter to the authorization request, such as `prompt` or `hd`. Parameters of the
    /// protocol are rejected, since this crate sets them.
    pub fn parameter(mut self, name: &str, value: &str) -> Self {
        if PROTOCOL_PARAMETERS.split(' ').any(|it| it == name) {
            self.set_invalid("parameter", "the protocol defines this parameter");
        }
        self.extra.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets the authorization endpoint, to which browsers are redirected.
    pub fn authorize_url(mut self, url: &str) -> Self {
        self.authorize = Some(url.to_owned());
        self
    }

    /// Sets the token endpoint.
    pub fn token_url(mut self, url: &str) -> Self {
        self.token = Some(url.to_owned());
        self
    }

    /// Sets the user info endpoint (OpenID Connect Core section 5.3) or the provider's equivalent.
    /// It clears the preset's [`emails_url`](Self::emails_url), so that no token for the new
    /// endpoint is sent to the preset's.
    pub fn userinfo_url(mut self, url: &str) -> Self {
        self.userinfo = Some(url.to_owned());
        self.emails = None;
        self
    }

    /// Sets the URL that lists the user's e-mail addresses in GitHub's format. The primary address
    /// is used if it is verified. Call it after [`userinfo_url`](Self::userinfo_url), for a
    /// self-hosted GitHub.
    pub fn emails_url(mut self, url: &str) -> Self {
        self.emails = Some(url.to_owned());
        self
    }

    /// Sets the device authorization endpoint (RFC 8628).
    pub fn device_url(mut self, url: &str) -> Self {
        self.device = Some(url.to_owned());
        self
    }

    /// Sets the revocation endpoint (RFC 7009).
    pub fn revoke_url(mut self, url: &str) -> Self {
        self.revoke = Some(url.to_owned());
        self
    }

    /// Sets the URL of the keys of its ID tokens.
    pub fn jwks_url(mut self, url: &str) -> Self {
        self.jwks = Some(url.to_owned());
        self
    }

    /// Rejects callbacks without `iss` (RFC 9207). A wrong one is always rejected.
    pub const fn require_issuer(mut self) -> Self {
        self.requires_issuer = true;
        self
    }

    /// Makes the provider send its callback as a form that its page posts
    /// (`response_mode=form_post`).
    pub const fn post_form(mut self) -> Self {
        self.posts_form = true;
        self
    }

    /// Sets how long each response of the provider may take, at most half a minute. Default: five
    /// seconds.
    pub const fn request_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Allows plain HTTP to a provider on a loopback address, for tests and development.
    pub const fn dangerous_http_on_loopback(mut self) -> Self {
        self.scheme = UrlScheme::HttpOnLoopback;
        self
    }

    /// Validates the settings and builds the provider.
    ///
    /// # Errors
    ///
    /// Returns an error if a required URL is missing, a URL is not an https URL, the name is not
    /// valid in a path, `openid` is requested without a URL of keys, or a preset's endpoints were
    /// replaced but its issuer was not.
    pub fn build(self) -> Result<Provider, ConfigError> {
        self.validate().map_err(|error| error.in_engine("Provider"))
    }

    fn validate(self) -> Result<Provider, ConfigError> {
        if let Some((setting, reason)) = self.invalid {
            return Err(ConfigError::new(setting, reason));
        }
        let is_name = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
        if !(1..=32).contains(&self.name.len()) || !self.name.bytes().all(is_name) {
            return Err(ConfigError::new(
                "name",
                "is not 1 to 32 of a to z, 0 to 9 and `-`",
            ));
        }
        if self.client_id.is_empty() {
            return Err(ConfigError::new("client_id", "is empty"));
        }
        self.scheme.url("issuer", &self.issuer)?;
        if self.preset_urls.is_some() && self.preset_urls != Some(self.identity_urls()) {
            return Err(ConfigError::new(
                "issuer",
                "is the preset's, but the endpoints were replaced: set the issuer of their users",
            ));
        }
        let requires_id_token = self.scopes.iter().any(|scope| scope == "openid");
        if requires_id_token && self.jwks.is_none() {
            return Err(ConfigError::new(
                "jwks_url",
                "is not set, and the scope `openid` requires keys to verify ID tokens",
            ));
        }
        if self.assertion_audience.is_some() && !self.secret.is_private_key() {
            return Err(ConfigError::new(
                "dangerous_assertion_audience",
                "there is no private key to sign with",
            ));
        }
        let audience = self.assertion_audience.as_ref().unwrap_or(&self.issuer);
        let optional = |setting, url: &Option<String>| {
            url.as_ref()
                .map(|url| self.scheme.url(setting, url))
                .transpose()
        };
        let required = |setting, url: &Option<String>| {
            optional(setting, url)?.ok_or_else(|| ConfigError::new(setting, "is not set"))
        };
        let settings = ProviderInner {
            authorize: required("authorize_url", &self.authorize)?,
            token: required("token_url", &self.token)?,
            userinfo: optional("userinfo_url", &self.userinfo)?,
            emails: optional("emails_url", &self.emails)?,
            device: optional("device_url", &self.device)?,
            revoke: optional("revoke_url", &self.revoke)?,
            jwks: optional("jwks_url", &self.jwks)?,
            auth: self.secret.build(&self.client_id, audience, self.in_body)?,
            fetch: Fetch::new(self.timeout)?,
            name: self.name,
            issuer: self.issuer,
            client_id: self.client_id,
            scopes: self.scopes,
            extra: self.extra,
            requires_issuer: self.requires_issuer,
            posts_form: self.posts_form,
            fields: self.fields,
            scheme: self.scheme,
        };
        if !settings.requires_id_token() && settings.userinfo.is_none() {
            return Err(ConfigError::new(
                "userinfo_url",
                "is not set, and without the scope `openid` nothing else identifies the user",
            ));
        }
        Ok(Provider::new(settings))
    }

    pub(super) fn set_invalid(&mut self, setting: &'static str, reason: &'static str) {
        self.invalid.get_or_insert((setting, reason));
    }
}

impl fmt::Debug for ProviderBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProviderBuilder")
            .field("name", &self.name)
            .field("issuer", &self.issuer)
            .finish_non_exhaustive()
    }
}

/// Much longer than a healthy provider takes; a user waits for it.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);
/// The parameters of RFC 6749, RFC 7636, RFC 8707, RFC 9101 and OpenID Connect Core that this crate
/// sets itself or that would replace what it sets.
const PROTOCOL_PARAMETERS: &str = "response_type response_mode client_id client_secret redirect_uri \
    scope state nonce code_challenge code_challenge_method max_age request request_uri resource";
