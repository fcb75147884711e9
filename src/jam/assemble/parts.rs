//! What the engines are built from, and how settings reach their builders.

use crate::{
    config::{place::Location, settings::InstanceSettings},
    env::Env,
};

/// What the engines are built from.
pub(crate) struct EngineParts<'a> {
    pub(super) settings: &'a InstanceSettings,
    pub(super) location: &'a Location,
    pub(super) env: &'a Env,
    #[cfg_attr(
        not(feature = "oauth2"),
        allow(dead_code, reason = "only providers are contacted")
    )]
    pub(super) is_offline: bool,
}

impl EngineParts<'_> {
    #[cfg(feature = "otp")]
    pub(super) fn host(&self) -> Option<&str> {
        self.settings.issuer.as_deref().and_then(host)
    }
}

/// Returns the host of a URL, without user information and port.
pub(super) fn host(issuer: &str) -> Option<&str> {
    let (_, rest) = issuer.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let (_, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    let end = if host.starts_with('[') {
        host.find(']')? + 1
    } else {
        host.find(':').unwrap_or(host.len())
    };
    Some(&host[..end]).filter(|host| !host.is_empty())
}

/// Calls the builder's setters for the settings that are stated.
#[cfg(any(feature = "refresh", feature = "otp", feature = "account"))]
macro_rules! set {
    ($builder:ident, $settings:ident: $($setting:ident => $method:ident = $value:expr),* $(,)?) => {
        $(if let Some(value) = $settings.$setting {
            $builder = $builder.$method($value(value));
        })*
    };
}
#[cfg(any(feature = "refresh", feature = "otp", feature = "account"))]
pub(super) use set;
