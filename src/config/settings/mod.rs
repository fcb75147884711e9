//! The settings, table by table. The doc comments here become the reference page and the JSON
//! Schema.

mod forms;
mod login;
mod provider;
mod store;
mod token;

use schemars::JsonSchema;
use serde::Deserialize;

pub(crate) use self::{
    forms::{Alg, Hidden, Many, Span},
    login::{
        BindKind, BlacklistKind, BudgetSettings, DigestKind, FormatKind, LimitKind, OtpKind,
        OtpSettings, PasswordsSettings, RefreshSettings, SchemeKind, SessionSettings,
        ThrottleSettings,
    },
    provider::{OAuth2Settings, ProviderSettings},
    store::{NearCacheSettings, StoreKind, StoreSettings},
    token::{JwtSettings, KeyMaterial, ListKind, PasetoSettings, PurposeKind, VersionKind},
};

/// The table of one instance.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct InstanceSettings {
    /// The issuer of tokens and the namespace of subjects: an https URL. Default: none, required
    /// for tokens.
    pub(crate) issuer: Option<String>,
    /// The audience of tokens; of a list, all are accepted and the first is issued. Default: none,
    /// required for tokens.
    pub(crate) audience: Option<Many<String>>,
    /// The master secret, at least 32 random bytes; of a list, the first is active and all are
    /// accepted. Default: a random one with the memory store, otherwise none.
    pub(crate) secret: Option<Many<Hidden>>,
    /// Files with master secrets, in place of `secret`. Default: none.
    pub(crate) secret_file: Option<Many<String>>,
    /// Where shared state is stored. Default: the memory of the process.
    pub(crate) store: Option<StoreSettings>,
    /// Signed JSON Web Tokens. Default: none.
    pub(crate) jwt: Option<JwtSettings>,
    /// Access tokens with refresh tokens. Default: none.
    pub(crate) refresh: Option<RefreshSettings>,
    /// Server-side sessions. Default: none.
    pub(crate) session: Option<SessionSettings>,
    /// How passwords are hashed. Default: none.
    pub(crate) passwords: Option<PasswordsSettings>,
    /// The limits on failed logins. Default: the defaults of the table, if there is a table
    /// `passwords`.
    pub(crate) throttle: Option<ThrottleSettings>,
    /// One-time codes. Default: none.
    pub(crate) otp: Option<OtpSettings>,
    /// PASETO tokens. Default: none.
    pub(crate) paseto: Option<PasetoSettings>,
    /// Logins through identity providers. Default: none.
    pub(crate) oauth2: Option<OAuth2Settings>,
}
