//! Routes for axum: accounts, logins with providers, and the endpoints that other services ask.

mod answer;
mod body;
mod caller;
pub(crate) mod cookies;
mod login;
mod mount;
#[cfg(feature = "oauth2")]
mod provider_login;
#[cfg(feature = "oauth2")]
mod provider_mount;
mod second;
mod services;

#[cfg(feature = "oauth2")]
pub use self::provider_mount::{ProviderRoutes, providers};
pub use self::{login::accounts, mount::AccountRoutes};
