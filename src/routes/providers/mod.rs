//! The routes of logins with providers.

mod begin;
mod builder;
mod callback;
mod state;

pub use self::builder::{ProviderRoutes, providers};
