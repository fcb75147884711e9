//! What is stated of a provider before it is one.

use std::{fmt, sync::Arc, time::Duration};

use super::{
    profile::Fields,
    provider::{Provider, Settings},
    secret::ClientSecret,
};
use crate::{
    error::ConfigError,
    fetch::{Fetch, UrlScheme},
};

/// The settings of a [`Provider`].
#[must_use]
#[derive(Clone)]
pub struct ProviderBuilder {
    pub(super) name: String,
    pub(super) issuer: String,
    pub(super) client_id: String,
    pub(super) secret: ClientSecret,
    pub(super) in_body: bool,
    assertion_audience: Option<String>,
    pub(super) scopes: Vec<String>,
    pub(super) extra: Vec<(String, String)>,
    pub(super) authorize: Option<String>,
    pub(super) token: Option<String>,
    pub(super) userinfo: Option<String>,
    pub(super) emails: Option<String>,
    pub(super) device: Option<String>,
    pub(super) revoke: Option<String>,
    pub(super) jwks: Option<String>,
    pub(super) states_issuer: bool,
    pub(super) posts_form: bool,
    pub(super) fields: Fields,
    pub(super) timeout: Duration,
    pub(super) scheme: UrlScheme,
    /// The addresses that say who a user is, as a preset without ID tokens knows them together with its issuer.
    known: Option<[Option<String>; 3]>,
    refused: Option<(&'static str, &'static str)>,
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
            states_issuer: false,
            posts_form: false,
            fields: Fields::OPENID,
            timeout: DEFAULT_TIMEOUT,
            scheme: UrlScheme::Https,
            known: None,
            refused: None,
        }
    }

    /// What a preset knows: with its addresses goes its issuer.
    pub(super) fn known(mut self) -> Self {
        self.known = Some(self.witnesses());
        self
    }

    fn witnesses(&self) -> [Option<String>; 3] {
        [
            self.authorize.clone(),
            self.token.clone(),
            self.userinfo.clone(),
        ]
    }

    /// Whose its users are, an https URL: with their `subject` it names one person. A preset whose addresses are replaced, such
    /// as those of a GitHub of your own, needs another one, or two people would have one name. Default: the preset's.
    pub fn issuer(mut self, issuer: &str) -> Self {
        issuer.clone_into(&mut self.issuer);
        self.known = None;
        self
    }

    /// What the routes call it, 1 to 32 of `a` to `z`, `0` to `9` and `-`. Default: the preset's.
    pub fn name(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// The secret by which the provider knows this application. Default: none, as for a public client.
    pub fn client_secret(mut self, secret: &str) -> Self {
        self.secret = ClientSecret::shared(secret);
        self
    }

    /// Proves who this application is by a token signed with `key` instead of a secret (`private_key_jwt`, OpenID Connect
    /// Core section 9). Its audience is the issuer and nothing else, at each endpoint: a token for an endpoint could be obtained
    /// by one provider to be presented at another (FAPI 2.0 section 5.3.3, draft-ietf-oauth-rfc7523bis).
    pub fn private_key(mut self, key: crate::token::Key) -> Self {
        self.secret = ClientSecret::PrivateKey(key);
        self
    }

    /// Signs the token of [`private_key`](Self::private_key) for `audience` instead of the issuer, for a provider that takes no
    /// other, such as one that wants the address of its token endpoint. A party that makes this application
    /// believe that this audience is its own gets a proof that is good at the provider.
    pub fn dangerous_assertion_audience(mut self, audience: &str) -> Self {
        self.assertion_audience = Some(audience.to_owned());
        self
    }

    /// Sends the secret in the body (`client_secret_post`) instead of the `Authorization` header.
    pub const fn secret_in_body(mut self) -> Self {
        self.in_body = true;
        self
    }

    /// What is asked for, instead of what was there before. With `openid` an ID token is asked for, and required.
    pub fn scopes(mut self, scopes: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.scopes = scopes.into_iter().map(Into::into).collect();
        self
    }

    /// One more parameter of the authorization request, such as `prompt` or `hd`. Those of the protocol are this
    /// crate's and refused.
    pub fn parameter(mut self, name: &str, value: &str) -> Self {
        if PROTOCOL.contains(&name) {
            self.refuse("parameter", "this parameter is the protocol's own");
        }
        self.extra.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The authorization endpoint, to which browsers are sent.
    pub fn authorize_url(mut self, url: &str) -> Self {
        self.authorize = Some(url.to_owned());
        self
    }

    /// The token endpoint.
    pub fn token_url(mut self, url: &str) -> Self {
        self.token = Some(url.to_owned());
        self
    }

    /// The user info endpoint (OpenID Connect Core section 5.3), or what the provider has in its place. One of your own has
    /// addresses of its own, too: no token for it goes to the preset's.
    pub fn userinfo_url(mut self, url: &str) -> Self {
        self.userinfo = Some(url.to_owned());
        self.emails = None;
        self
    }

    /// The device authorization endpoint (RFC 8628).
    pub fn device_url(mut self, url: &str) -> Self {
        self.device = Some(url.to_owned());
        self
    }

    /// The revocation endpoint (RFC 7009).
    pub fn revoke_url(mut self, url: &str) -> Self {
        self.revoke = Some(url.to_owned());
        self
    }

    /// The keys of its ID tokens.
    pub fn jwks_url(mut self, url: &str) -> Self {
        self.jwks = Some(url.to_owned());
        self
    }

    /// Refuses answers without `iss` (RFC 9207). One that is there and wrong is always refused.
    pub const fn require_issuer(mut self) -> Self {
        self.states_issuer = true;
        self
    }

    /// Has the provider answer by a form that its page posts (`response_mode=form_post`).
    pub const fn post_form(mut self) -> Self {
        self.posts_form = true;
        self
    }

    /// How long each answer of the provider may take, at most half a minute. Default: five seconds.
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Allows plain HTTP to a provider on this machine, for tests and development.
    pub const fn insecure_http_on_loopback(mut self) -> Self {
        self.scheme = UrlScheme::HttpOnLoopback;
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// When a needed address is missing, an address is not an https URL, a name is not one for a path, `openid` is
    /// asked for without an address of keys, or a preset's addresses were replaced and its issuer was not.
    pub fn build(self) -> Result<Provider, ConfigError> {
        if let Some((setting, reason)) = self.refused {
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
        if self
            .known
            .as_ref()
            .is_some_and(|known| *known != self.witnesses())
        {
            return Err(ConfigError::new(
                "issuer",
                "is the preset's, and the addresses are others: say whose their users are",
            ));
        }
        let wants_id_token = self.scopes.iter().any(|scope| scope == "openid");
        if wants_id_token && self.jwks.is_none() {
            return Err(ConfigError::new(
                "jwks_url",
                "`openid` is asked for, and without keys no ID token can be verified",
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
        let settings = Settings {
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
            states_issuer: self.states_issuer,
            posts_form: self.posts_form,
            fields: self.fields,
            scheme: self.scheme,
        };
        if !settings.wants_id_token() && settings.userinfo.is_none() {
            return Err(ConfigError::new(
                "userinfo_url",
                "is not set, and without `openid` nothing else says who the user is",
            ));
        }
        Ok(Provider {
            inner: Arc::new(settings),
        })
    }

    pub(super) fn refuse(&mut self, setting: &'static str, reason: &'static str) {
        self.refused.get_or_insert((setting, reason));
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

/// Longer than a healthy provider takes by far; a user waits for it.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);
/// The parameters of RFC 6749, RFC 7636, RFC 8707, RFC 9101 and OpenID Connect Core that this crate sets itself or that
/// would replace what it sets.
const PROTOCOL: [&str; 14] = [
    "response_type",
    "response_mode",
    "client_id",
    "client_secret",
    "redirect_uri",
    "scope",
    "state",
    "nonce",
    "code_challenge",
    "code_challenge_method",
    "max_age",
    "request",
    "request_uri",
    "resource",
];
