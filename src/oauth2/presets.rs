//! The endpoints of well-known providers.

use super::profile::ProfileFields;

/// What this crate knows of a provider.
pub(super) struct Preset {
    pub(super) name: &'static str,
    pub(super) issuer: &'static str,
    pub(super) scopes: &'static [&'static str],
    pub(super) authorize: &'static str,
    pub(super) token: &'static str,
    pub(super) userinfo: Option<&'static str>,
    /// The URL of e-mail addresses that the user info lacks.
    pub(super) emails: Option<&'static str>,
    pub(super) device: Option<&'static str>,
    pub(super) revoke: Option<&'static str>,
    /// The URL of the keys of its ID tokens. Without ID tokens, the endpoints identify the users.
    pub(super) jwks: Option<&'static str>,
    pub(super) posts_form: bool,
    pub(super) fields: ProfileFields,
}

/// The issuer is the one that GitHub states in its callbacks (RFC 9207) and in its metadata.
pub(super) const GITHUB: Preset = Preset {
    name: "github",
    issuer: "https://github.com/login/oauth",
    scopes: &["read:user", "user:email"],
    authorize: "https://github.com/login/oauth/authorize",
    token: "https://github.com/login/oauth/access_token",
    userinfo: Some("https://api.github.com/user"),
    emails: Some("https://api.github.com/user/emails"),
    device: Some("https://github.com/login/device/code"),
    revoke: None,
    jwks: None,
    posts_form: false,
    fields: ProfileFields::GITHUB,
};

pub(super) const GITLAB: Preset = Preset {
    name: "gitlab",
    issuer: "https://gitlab.com",
    scopes: &OPENID,
    authorize: "https://gitlab.com/oauth/authorize",
    token: "https://gitlab.com/oauth/token",
    userinfo: Some("https://gitlab.com/oauth/userinfo"),
    emails: None,
    device: Some("https://gitlab.com/oauth/authorize_device"),
    revoke: Some("https://gitlab.com/oauth/revoke"),
    jwks: Some("https://gitlab.com/oauth/discovery/keys"),
    posts_form: false,
    fields: ProfileFields::OPENID,
};

pub(super) const GOOGLE: Preset = Preset {
    name: "google",
    issuer: "https://accounts.google.com",
    scopes: &OPENID,
    authorize: "https://accounts.google.com/o/oauth2/v2/auth",
    token: "https://oauth2.googleapis.com/token",
    userinfo: Some("https://openidconnect.googleapis.com/v1/userinfo"),
    emails: None,
    device: Some("https://oauth2.googleapis.com/device/code"),
    revoke: Some("https://oauth2.googleapis.com/revoke"),
    jwks: Some("https://www.googleapis.com/oauth2/v3/certs"),
    posts_form: false,
    fields: ProfileFields::OPENID,
};

pub(super) const YANDEX: Preset = Preset {
    name: "yandex",
    issuer: "https://oauth.yandex.ru",
    scopes: &["login:info", "login:email"],
    authorize: "https://oauth.yandex.ru/authorize",
    token: "https://oauth.yandex.ru/token",
    userinfo: Some("https://login.yandex.ru/info?format=json"),
    emails: None,
    device: Some("https://oauth.yandex.ru/device/code"),
    revoke: Some("https://oauth.yandex.ru/revoke_token"),
    jwks: None,
    posts_form: false,
    fields: ProfileFields::YANDEX,
};

pub(super) const APPLE: Preset = Preset {
    name: "apple",
    issuer: "https://appleid.apple.com",
    scopes: &["openid", "name", "email"],
    authorize: "https://appleid.apple.com/auth/authorize",
    token: "https://appleid.apple.com/auth/token",
    userinfo: None,
    emails: None,
    device: None,
    revoke: Some("https://appleid.apple.com/auth/revoke"),
    jwks: Some("https://appleid.apple.com/auth/keys"),
    posts_form: true,
    fields: ProfileFields::OPENID,
};

pub(super) const OPENID: [&str; 3] = ["openid", "profile", "email"];
