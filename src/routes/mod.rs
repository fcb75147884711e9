//! Routes for axum: accounts, logins with providers, and the endpoints that other services ask.

mod answer;
mod body;
mod builder;
mod caller;
mod cookies;
mod finish;
mod login;
mod pairs;
mod password;
#[cfg(feature = "oauth2")]
mod providers;
mod router;
mod second_factor;
mod second_step;
mod service_credential;
mod services;
mod sessions;
mod state;

pub use self::builder::{AccountRoutes, accounts};
#[cfg(feature = "oauth2")]
pub use self::providers::{ProviderRoutes, providers};
