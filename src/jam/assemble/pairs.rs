//! Builds token pairs.

use std::{sync::Arc, time::Duration};

use super::{
    optional::USER_SOURCES,
    parts::{EngineParts, set},
};
use crate::{
    config::settings::{BindKind, BlacklistKind, FormatKind, LimitKind, RefreshSettings, Span},
    error::ConfigError,
    jam::{EngineWithSource, Engines},
    refresh::{
        AccessTokens, DeviceLimitPolicy, FingerprintPolicy, ReadUser, RevocationCheck, TokenPairs,
    },
};

/// Adds token pairs in the chosen format.
pub(super) fn add_pairs<U: Send + Sync + 'static>(
    parts: &EngineParts<'_>,
    engines: &mut Engines<U>,
    reader: Option<Arc<dyn ReadUser<U>>>,
) -> Result<(), ConfigError> {
    let (settings, location) = (parts.settings, parts.location);
    let Some(refresh) = &settings.refresh else {
        return Ok(());
    };
    let is_missing = reader.is_none();
    // Report invalid settings before a missing reader of users.
    let reader = reader.unwrap_or_else(|| Arc::new(async |_: String| Ok(None)));
    let added = match refresh.format {
        FormatKind::Jwt => {
            let jwt = engines.jwt.as_ref().ok_or_else(|| missing(parts, "jwt"))?;
            let pairs = pairs(parts, refresh, jwt.engine.clone(), reader)?;
            EngineWithSource::new(pairs, jwt.source.clone())
        }
        FormatKind::Paseto => paseto_pairs(parts, refresh, engines, reader)?,
    };
    if is_missing {
        let reason = format!("needs to read users: {USER_SOURCES}");
        return Err(location.error("refresh", reason));
    }
    engines.pairs = Some(added);
    Ok(())
}

/// Builds token pairs whose access tokens are PASETOs.
#[cfg(feature = "paseto")]
fn paseto_pairs<U: Send + Sync + 'static>(
    parts: &EngineParts<'_>,
    settings: &RefreshSettings,
    engines: &Engines<U>,
    users: impl ReadUser<U>,
) -> Result<EngineWithSource<TokenPairs<U>>, ConfigError> {
    let paseto = engines.paseto.as_ref();
    let paseto = paseto.ok_or_else(|| missing(parts, "paseto"))?;
    let pairs = pairs(parts, settings, paseto.engine.clone(), users)?;
    Ok(EngineWithSource::new(pairs, paseto.source.clone()))
}

#[cfg(not(feature = "paseto"))]
fn paseto_pairs<U>(
    parts: &EngineParts<'_>,
    _: &RefreshSettings,
    _: &Engines<U>,
    _: impl ReadUser<U>,
) -> Result<EngineWithSource<TokenPairs<U>>, ConfigError> {
    Err(missing(parts, "paseto"))
}

fn missing(parts: &EngineParts<'_>, table: &str) -> ConfigError {
    let reason = format!("needs the table `{table}`");
    parts.location.error("refresh.format", reason)
}

fn pairs<U: Send + Sync + 'static>(
    parts: &EngineParts<'_>,
    settings: &RefreshSettings,
    access: impl Into<AccessTokens<U>>,
    users: impl ReadUser<U>,
) -> Result<TokenPairs<U>, ConfigError> {
    if settings.rotate == Some(false) && settings.grace.is_some() {
        let reason = "conflicts with `rotate`, which is false";
        return Err(parts.location.error("refresh.grace", reason));
    }
    let mut builder = TokenPairs::builder(parts.env, access, users);
    let span = |span: Span| -> Duration { span.0 };
    let on_limit = |kind| match kind {
        LimitKind::EvictOldest => DeviceLimitPolicy::EvictOldest,
        LimitKind::EvictLru => DeviceLimitPolicy::EvictLeastRecentlyUsed,
        LimitKind::Reject => DeviceLimitPolicy::Reject,
    };
    let blacklist = |kind| match kind {
        BlacklistKind::DangerousNone => RevocationCheck::DangerousNone,
        BlacklistKind::Refresh => RevocationCheck::Refresh,
        BlacklistKind::Both => RevocationCheck::Both,
    };
    let bind = |kind| match kind {
        BindKind::Ignore => FingerprintPolicy::Ignore,
        BindKind::Event => FingerprintPolicy::Event,
        BindKind::Refuse => FingerprintPolicy::Refuse,
    };
    set!(builder, settings:
        idle => idle_timeout = span, absolute => absolute_timeout = span, grace => grace = span, outage_grace => outage_grace = span, rotate => rotate = bool::from, max_devices => max_devices = usize::from,
        on_limit => on_limit = on_limit, blacklist => blacklist = blacklist, bind => bind = bind);
    let built = builder.build();
    built.map_err(|error| parts.location.engine_error("refresh", error))
}
