//! Logins with identity providers (OAuth 2.0, OpenID Connect).

mod authorize;
mod client;
mod details;
mod device;
mod discovery;
mod error;
mod finish;
mod flight;
mod http;
mod id_token;
mod presets;
mod profile;
mod provider;
mod return_to;
mod secret;
mod tokens;
mod user_info;
mod wire;

pub use self::{
    authorize::{Authorize, Started},
    client::{OAuth2, OAuth2Builder},
    details::{AppleUser, GitHubUser, GitLabUser, GoogleUser, MicrosoftUser, YandexUser},
    device::DeviceCode,
    discovery::Discover,
    error::OAuthError,
    finish::{Callback, Login},
    profile::Profile,
    provider::{Provider, ProviderBuilder},
    tokens::ProviderTokens,
};
