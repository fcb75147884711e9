//! Builds the engine of the table `paseto`.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::{keys, parts::EngineParts, tokens};
use crate::{
    config::settings::{FormatKind, Hidden, PasetoSettings, PurposeKind, VersionKind},
    error::ConfigError,
    jam::{EngineWithSource, Engines},
    key::KeyRing,
    token::{Paseto, PasetoKey, paseto as version},
};

/// A stated key: the name of its setting, and its text.
type StatedKey = (&'static str, Zeroizing<String>);

/// Adds the engine of PASETOs if its table is stated.
pub(super) fn add_paseto<U>(
    parts: &EngineParts<'_>,
    engines: &mut Engines<U>,
) -> Result<(), ConfigError> {
    if let Some(settings) = &parts.settings.paseto {
        let (cookie, header) = (settings.cookie.as_deref(), settings.header.as_deref());
        let source = tokens::source(parts, "paseto", cookie, header)?;
        engines.paseto = Some(EngineWithSource::new(paseto(parts, settings)?, source));
    }
    Ok(())
}

fn paseto<U>(parts: &EngineParts<'_>, settings: &PasetoSettings) -> Result<Paseto<U>, ConfigError> {
    use PurposeKind::*;
    use VersionKind::*;
    let active = paserk(parts, "paseto", settings.key.as_ref(), &settings.key_file)?;
    let can_sign = !keys::is_public_paserk(active.1.as_bytes());
    let refresh = tokens::refresh(parts, FormatKind::Paseto, can_sign)?;
    let (ttl, lifetime) = tokens::lifetime(parts, "paseto", settings.ttl, refresh)?;
    let (issuer, audiences) = tokens::issuer_and_audiences(parts, "paseto")?;
    macro_rules! build {
        ($constructor:ident, $Version:ty, $Purpose:ty) => {{
            let key = |table: &str, (name, text): StatedKey, kid: &Option<String>| {
                let about = |error: ConfigError| match error.setting() {
                    "key" => parts.location.locate(error, &format!("{table}.{name}")),
                    _ => parts.location.engine_error(table, error),
                };
                let key = PasetoKey::<$Version, $Purpose>::from_paserk(&text).map_err(about)?;
                match kid {
                    Some(kid) => key.with_kid(kid).map_err(about),
                    None => Ok(key),
                }
            };
            let ring = KeyRing::new(key("paseto", active, &settings.kid)?);
            for (at, further) in settings.accept.iter().enumerate() {
                let table = format!("paseto.accept[{at}]");
                let stated = paserk(parts, &table, further.key.as_ref(), &further.key_file)?;
                let about = |error| parts.location.engine_error(&table, error);
                ring.accept(key(&table, stated, &further.kid)?)
                    .map_err(about)?;
            }
            let mut builder = Paseto::$constructor(ring)
                .issuer(issuer)
                .clock(Arc::clone(parts.env.clock()));
            for audience in audiences {
                builder = builder.audience(audience);
            }
            if let Some(leeway) = settings.leeway {
                builder = builder.leeway(leeway.0);
            }
            if let Some(ttl) = ttl {
                builder = builder.ttl(ttl.0);
            }
            let list = tokens::list(parts, "paseto", settings.list, settings.list_longest)?;
            if let Some(list) = list {
                builder = builder.list(list);
            }
            builder.build()
        }};
    }
    let built = match (settings.version, settings.purpose) {
        (V4, Local) => build!(v4_local, version::V4, version::Local),
        (V4, Public) => build!(v4_public, version::V4, version::Public),
        (V3, Local) => build!(v3_local, version::V3, version::Local),
        (V3, Public) => build!(v3_public, version::V3, version::Public),
        (V2, Local) => build!(dangerous_legacy_v2_local, version::V2, version::Local),
        (V2, Public) => build!(dangerous_legacy_v2_public, version::V2, version::Public),
    };
    built.map_err(|error| match error.setting() {
        "ttl" => parts.location.locate(error, &lifetime),
        _ => parts.location.engine_error("paseto", error),
    })
}

/// Returns the only key that `table` states.
fn paserk(
    parts: &EngineParts<'_>,
    table: &str,
    inline: Option<&Hidden>,
    file: &Option<String>,
) -> Result<StatedKey, ConfigError> {
    let at = format!("{table}.key_file");
    match (inline, file) {
        (Some(_), Some(_)) => Err(parts.location.error(&at, "conflicts with `key`")),
        (Some(text), None) => Ok(("key", Zeroizing::new(text.expose().to_owned()))),
        (None, Some(file)) => {
            let bytes = keys::read(file, &at, parts.location)?;
            let text = str::from_utf8(&bytes);
            let text = text.map_err(|_| parts.location.error(&at, "is not UTF-8"))?;
            Ok(("key_file", Zeroizing::new(text.trim().to_owned())))
        }
        (None, None) => {
            let reason = "has no key: set `key` or `key_file`";
            Err(parts.location.error(table, reason))
        }
    }
}
