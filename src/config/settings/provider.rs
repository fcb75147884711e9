//! The tables `oauth2.providers.NAME`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::forms::{Alg, Hidden, Span};

/// The table `oauth2`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct OAuth2Settings {
    /// One table for each provider. Of `github`, `gitlab`, `google`, `yandex`, `microsoft` and `apple` the addresses are
    /// known. Default: none.
    pub(crate) providers: BTreeMap<String, ProviderSettings>,
}

/// The table of one provider.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ProviderSettings {
    /// The id that the provider gave this application. Default: none, it must be set.
    pub(crate) client_id: Option<String>,
    /// The secret that goes with it. Default: none, as for a public client.
    pub(crate) client_secret: Option<Hidden>,
    /// Sends the secret in the body. Default: `false`.
    pub(crate) secret_in_body: bool,
    /// The address that the provider sends browsers back to. Default: none, it must be set.
    pub(crate) redirect_url: Option<String>,
    /// The page after a login that began nowhere. Default: `/`.
    pub(crate) default_page: Option<String>,
    /// What is asked for. Default: the preset's.
    pub(crate) scopes: Option<Vec<String>>,
    /// Further parameters of the authorization request. Default: none.
    pub(crate) parameters: BTreeMap<String, String>,
    /// Who the provider is, an https URL; without a preset and without addresses they are asked for there. Default: the
    /// preset's.
    pub(crate) issuer: Option<String>,
    /// Where browsers are sent. Default: the preset's.
    pub(crate) authorize_url: Option<String>,
    /// Where codes are exchanged. Default: the preset's.
    pub(crate) token_url: Option<String>,
    /// Where the user is described. Default: the preset's.
    pub(crate) userinfo_url: Option<String>,
    /// Where devices begin. Default: the preset's.
    pub(crate) device_url: Option<String>,
    /// Where tokens are revoked. Default: the preset's.
    pub(crate) revoke_url: Option<String>,
    /// Where the keys of ID tokens are. Default: the preset's.
    pub(crate) jwks_url: Option<String>,
    /// Refuses answers that do not say whose they are (RFC 9207). Default: `false`.
    pub(crate) require_issuer: bool,
    /// How long the provider may take. Default: `5s`.
    pub(crate) timeout: Option<Span>,
    /// The tenant of `microsoft`. Default: none, and `microsoft` needs one.
    pub(crate) tenant: Option<String>,
    /// The team of `apple`. Default: none, and `apple` needs one.
    pub(crate) team_id: Option<String>,
    /// The key by which this application proves who it is, PEM or JWK; `apple` needs one. Default: none.
    pub(crate) private_key: Option<Hidden>,
    /// A file with that key. Default: none.
    pub(crate) private_key_file: Option<String>,
    /// The algorithm of that key. Default: `ES256`.
    pub(crate) alg: Option<Alg>,
    /// The id of that key. Default: its thumbprint.
    pub(crate) kid: Option<String>,
    /// Signs with that key for this audience instead of the issuer, for a provider that takes no other. Default: the issuer.
    pub(crate) dangerous_assertion_audience: Option<String>,
    /// Speaks http with a provider on this machine. Default: `false`.
    pub(crate) insecure_http_on_loopback: bool,
}
