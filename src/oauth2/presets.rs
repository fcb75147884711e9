//! Presets for well-known providers.

use super::{
    builder::ProviderBuilder, profile::ProfileFields, provider::Provider, secret::ClientSecret,
};

impl Provider {
    /// GitHub, which issues no ID tokens, so the user is read from its API. Scopes:
    /// `read:user user:email`. A self-hosted GitHub requires its own
    /// [issuer](ProviderBuilder::issuer).
    pub fn github(client_id: &str, client_secret: &str) -> ProviderBuilder {
        let mut github = ProviderBuilder::new("github", GITHUB, client_id)
            .client_secret(client_secret)
            .scopes(["read:user", "user:email"])
            .authorize_url("https://github.com/login/oauth/authorize")
            .token_url("https://github.com/login/oauth/access_token")
            .device_url("https://github.com/login/device/code")
            .userinfo_url("https://api.github.com/user")
            .emails_url("https://api.github.com/user/emails");
        github.fields = ProfileFields::GITHUB;
        github.with_preset_urls()
    }

    /// GitLab's hosted service, with OpenID Connect. Scopes: `openid profile email`.
    pub fn gitlab(client_id: &str, client_secret: &str) -> ProviderBuilder {
        ProviderBuilder::new("gitlab", "https://gitlab.com", client_id)
            .client_secret(client_secret)
            .scopes(OPENID)
            .authorize_url("https://gitlab.com/oauth/authorize")
            .token_url("https://gitlab.com/oauth/token")
            .device_url("https://gitlab.com/oauth/authorize_device")
            .revoke_url("https://gitlab.com/oauth/revoke")
            .userinfo_url("https://gitlab.com/oauth/userinfo")
            .jwks_url("https://gitlab.com/oauth/discovery/keys")
    }

    /// Google, with OpenID Connect. Scopes: `openid profile email`.
    pub fn google(client_id: &str, client_secret: &str) -> ProviderBuilder {
        ProviderBuilder::new("google", "https://accounts.google.com", client_id)
            .client_secret(client_secret)
            .scopes(OPENID)
            .authorize_url("https://accounts.google.com/o/oauth2/v2/auth")
            .token_url("https://oauth2.googleapis.com/token")
            .device_url("https://oauth2.googleapis.com/device/code")
            .revoke_url("https://oauth2.googleapis.com/revoke")
            .userinfo_url("https://openidconnect.googleapis.com/v1/userinfo")
            .jwks_url("https://www.googleapis.com/oauth2/v3/certs")
    }

    /// Yandex, which issues no ID tokens, so the user is read from its API. Scopes:
    /// `login:info login:email`.
    pub fn yandex(client_id: &str, client_secret: &str) -> ProviderBuilder {
        let mut yandex = ProviderBuilder::new("yandex", "https://oauth.yandex.ru", client_id)
            .client_secret(client_secret)
            .scopes(["login:info", "login:email"])
            .authorize_url("https://oauth.yandex.ru/authorize")
            .token_url("https://oauth.yandex.ru/token")
            .device_url("https://oauth.yandex.ru/device/code")
            .revoke_url("https://oauth.yandex.ru/revoke_token")
            .userinfo_url("https://login.yandex.ru/info?format=json");
        yandex.fields = ProfileFields::YANDEX;
        yandex.with_preset_urls()
    }

    /// Microsoft's Entra ID, with OpenID Connect, for the users of one `tenant`. The tenant is
    /// identified by its id, a GUID, because its issuer contains the id whichever name is used;
    /// `common` has no issuer that could be checked. Scopes: `openid profile email`.
    pub fn microsoft(tenant: &str, client_id: &str, client_secret: &str) -> ProviderBuilder {
        let tenant = tenant.to_ascii_lowercase();
        let at = |path: &str| format!("https://login.microsoftonline.com/{tenant}/{path}");
        let mut microsoft = ProviderBuilder::new("microsoft", &at("v2.0"), client_id)
            .client_secret(client_secret)
            .scopes(OPENID)
            .authorize_url(&at("oauth2/v2.0/authorize"))
            .token_url(&at("oauth2/v2.0/token"))
            .device_url(&at("oauth2/v2.0/devicecode"))
            .userinfo_url("https://graph.microsoft.com/oidc/userinfo")
            .jwks_url(&at("discovery/v2.0/keys"));
        let is_tenant_id = tenant.len() == 36
            && tenant.bytes().enumerate().all(|(at, byte)| match at {
                8 | 13 | 18 | 23 => byte == b'-',
                _ => byte.is_ascii_hexdigit(),
            });
        if !is_tenant_id {
            microsoft.set_invalid("tenant", "is not the id of one tenant");
        }
        microsoft
    }

    /// Apple, with OpenID Connect. The client secret is a token that `key` signs (ES256, with the
    /// key's id as `kid`). Apple sends its callback as a form that its page posts. Scopes:
    /// `openid name email`.
    pub fn apple(client_id: &str, team_id: &str, key: crate::key::Key) -> ProviderBuilder {
        let mut apple = ProviderBuilder::new("apple", "https://appleid.apple.com", client_id)
            .scopes(["openid", "name", "email"])
            .authorize_url("https://appleid.apple.com/auth/authorize")
            .token_url("https://appleid.apple.com/auth/token")
            .revoke_url("https://appleid.apple.com/auth/revoke")
            .jwks_url("https://appleid.apple.com/auth/keys")
            .post_form();
        apple.secret = ClientSecret::Apple {
            team_id: team_id.to_owned(),
            key,
        };
        apple
    }
}

impl ProviderBuilder {
    /// Sets the URL that lists the user's e-mail addresses in GitHub's format. The primary address
    /// is used if it is verified. Call it after [`userinfo_url`](Self::userinfo_url), for a
    /// self-hosted GitHub.
    pub fn emails_url(mut self, url: &str) -> Self {
        self.emails = Some(url.to_owned());
        self
    }
}

/// The issuer that GitHub states in its callbacks (RFC 9207) and in its metadata.
const GITHUB: &str = "https://github.com/login/oauth";
const OPENID: [&str; 3] = ["openid", "profile", "email"];
