//! The tables `oauth2.providers.NAME`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::forms::{Alg, Hidden, Span};

/// The table `oauth2`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct OAuth2Settings {
    /// One table for each provider. The URLs of `github`, `gitlab`, `google`, `yandex`, `microsoft`
    /// and `apple` are built in. Default: none.
    pub(crate) providers: BTreeMap<String, ProviderSettings>,
}

/// The table of one provider.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ProviderSettings {
    /// The client id that the provider assigned to this application. Default: none, required.
    pub(crate) client_id: Option<String>,
    /// The client secret. Default: none, as for a public client.
    pub(crate) client_secret: Option<Hidden>,
    /// Sends the client secret in the request body. Default: `false`.
    pub(crate) secret_in_body: bool,
    /// The URL to which the provider redirects browsers. Default: none, required.
    pub(crate) redirect_url: Option<String>,
    /// The page to show after a login that started without a page to return to. Default: `/`.
    pub(crate) default_page: Option<String>,
    /// The requested scopes. Default: the preset's.
    pub(crate) scopes: Option<Vec<String>>,
    /// Further parameters of the authorization request. Default: none.
    pub(crate) parameters: BTreeMap<String, String>,
    /// The issuer of the provider, an https URL; without a preset and without explicit URLs, they
    /// are discovered there. Default: the preset's.
    pub(crate) issuer: Option<String>,
    /// The authorization endpoint. Default: the preset's.
    pub(crate) authorize_url: Option<String>,
    /// The token endpoint. Default: the preset's.
    pub(crate) token_url: Option<String>,
    /// The userinfo endpoint. Default: the preset's.
    pub(crate) userinfo_url: Option<String>,
    /// The device authorization endpoint. Default: the preset's.
    pub(crate) device_url: Option<String>,
    /// The revocation endpoint. Default: the preset's.
    pub(crate) revoke_url: Option<String>,
    /// The JWK Set with the keys of ID tokens. Default: the preset's.
    pub(crate) jwks_url: Option<String>,
    /// Rejects authorization responses without an issuer (RFC 9207). Default: `false`.
    pub(crate) require_issuer: bool,
    /// The timeout of requests to the provider. Default: `5s`.
    pub(crate) timeout: Option<Span>,
    /// The tenant of `microsoft`. Default: none, required for `microsoft`.
    pub(crate) tenant: Option<String>,
    /// The team id of `apple`. Default: none, required for `apple`.
    pub(crate) team_id: Option<String>,
    /// The key with which this application authenticates to the provider, PEM or JWK; required for
    /// `apple`. Default: none.
    pub(crate) private_key: Option<Hidden>,
    /// A file with that key. Default: none.
    pub(crate) private_key_file: Option<String>,
    /// The algorithm of that key. Default: `ES256`.
    pub(crate) alg: Option<Alg>,
    /// The id of that key. Default: its thumbprint.
    pub(crate) kid: Option<String>,
    /// The audience of the client assertions signed with that key, for a provider that rejects its
    /// issuer there. Default: the issuer.
    pub(crate) dangerous_assertion_audience: Option<String>,
    /// Allows http to a provider on this machine. Default: `false`.
    pub(crate) dangerous_http_on_loopback: bool,
}
