//! The settings as they are written, table by table. What is said of each here is what the reference page says.

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
    token::{JwtSettings, ListKind, Material, PasetoSettings, PurposeKind, VersionKind},
};

/// The table of one instance.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Settings {
    /// Who issues tokens, and the namespace of subjects: an https URL. Default: none, and tokens need one.
    pub(crate) issuer: Option<String>,
    /// For whom tokens are; a list accepts each and mints the first. Default: none, and tokens need one.
    pub(crate) audience: Option<Many<String>>,
    /// The master secret, 32 random bytes or more; of a list the first is active and all are accepted. Default: a random
    /// one with the memory store, none otherwise.
    pub(crate) secret: Option<Many<Hidden>>,
    /// Files with master secrets, in place of `secret`. Default: none.
    pub(crate) secret_file: Option<Many<String>>,
    /// Where shared state is kept. Default: the memory of the process.
    pub(crate) store: Option<StoreSettings>,
    /// Signed JSON Web Tokens. Default: none.
    pub(crate) jwt: Option<JwtSettings>,
    /// Access tokens with refresh tokens. Default: none.
    pub(crate) refresh: Option<RefreshSettings>,
    /// Server-side sessions. Default: none.
    pub(crate) session: Option<SessionSettings>,
    /// How passwords are hashed. Default: none.
    pub(crate) passwords: Option<PasswordsSettings>,
    /// How many logins may fail. Default: the table's defaults, where there are passwords.
    pub(crate) throttle: Option<ThrottleSettings>,
    /// One-time codes. Default: none.
    pub(crate) otp: Option<OtpSettings>,
    /// PASETO tokens. Default: none.
    pub(crate) paseto: Option<PasetoSettings>,
    /// Logins with identity providers. Default: none.
    pub(crate) oauth2: Option<OAuth2Settings>,
}
