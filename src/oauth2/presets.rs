//! Providers whose addresses are known.

use super::{builder::ProviderBuilder, profile::Fields, provider::Provider, secret::ClientSecret};

impl Provider {
    /// GitHub: no ID token, so the user is read from its API. Scopes: `read:user user:email`. A GitHub of your own has an
    /// [issuer](ProviderBuilder::issuer) of its own, too.
    pub fn github(client_id: &str, client_secret: &str) -> ProviderBuilder {
        let mut github = ProviderBuilder::new("github", GITHUB, client_id)
            .client_secret(client_secret)
            .scopes(["read:user", "user:email"])
            .authorize_url("https://github.com/login/oauth/authorize")
            .token_url("https://github.com/login/oauth/access_token")
            .device_url("https://github.com/login/device/code")
            .userinfo_url("https://api.github.com/user")
            .emails_url("https://api.github.com/user/emails");
        github.fields = Fields::GITHUB;
        github.known()
    }

    /// GitLab's own service, by OpenID Connect. Scopes: `openid profile email`.
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

    /// Google, by OpenID Connect. Scopes: `openid profile email`.
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

    /// Yandex: no ID token, so the user is read from its API. Scopes: `login:info login:email`.
    pub fn yandex(client_id: &str, client_secret: &str) -> ProviderBuilder {
        let mut yandex = ProviderBuilder::new("yandex", "https://oauth.yandex.ru", client_id)
            .client_secret(client_secret)
            .scopes(["login:info", "login:email"])
            .authorize_url("https://oauth.yandex.ru/authorize")
            .token_url("https://oauth.yandex.ru/token")
            .device_url("https://oauth.yandex.ru/device/code")
            .revoke_url("https://oauth.yandex.ru/revoke_token")
            .userinfo_url("https://login.yandex.ru/info?format=json");
        yandex.fields = Fields::YANDEX;
        yandex.known()
    }

    /// Microsoft's Entra ID, by OpenID Connect, for the users of one `tenant`, named by its id, a GUID: that is what its issuer
    /// says, whichever name leads there, and with `common` none could be expected. Scopes: `openid profile email`.
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
        let is_one = tenant.len() == 36
            && tenant.bytes().enumerate().all(|(at, byte)| match at {
                8 | 13 | 18 | 23 => byte == b'-',
                _ => byte.is_ascii_hexdigit(),
            });
        if !is_one {
            microsoft.refuse("tenant", "is not the id of one tenant");
        }
        microsoft
    }

    /// Apple, by OpenID Connect. The client's secret is a token that `key` signs (ES256, with the key's id as `kid`);
    /// Apple answers by a form that its page posts. Scopes: `openid name email`.
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
    /// Where the user's addresses are told as GitHub tells them, of which the primary one is taken if it is verified. To be set
    /// after [`userinfo_url`](Self::userinfo_url), for a GitHub of your own.
    pub fn emails_url(mut self, url: &str) -> Self {
        self.emails = Some(url.to_owned());
        self
    }
}

/// What GitHub says of itself in its answers (RFC 9207) and in its metadata.
const GITHUB: &str = "https://github.com/login/oauth";
const OPENID: [&str; 3] = ["openid", "profile", "email"];
