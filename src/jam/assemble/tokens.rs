//! Builds the engine of the table `jwt`, and the parts that it shares with `paseto`.

use std::{sync::Arc, time::Duration};

use http::HeaderName;

use super::{keys, parts::EngineParts};
use crate::{
    config::settings::{FormatKind, JwtSettings, ListKind, RefreshSettings, Span},
    error::ConfigError,
    key::KeyRing,
    request::credential::CredentialSource,
    token::{Jwt, TokenList},
};

/// Returns the issuer and the audiences, or an error if `table` lacks one of them.
pub(in crate::jam::assemble) fn issuer_and_audiences<'a>(
    parts: &EngineParts<'a>,
    table: &str,
) -> Result<(&'a str, &'a [String]), ConfigError> {
    let missing = |name: &str| {
        let reason = format!("is not set, and the table `{table}` needs it");
        parts.location.error(name, reason)
    };
    let issuer = parts.settings.issuer.as_deref();
    let audience = parts.settings.audience.as_ref();
    Ok((
        issuer.ok_or_else(|| missing("issuer"))?,
        &audience.ok_or_else(|| missing("audience"))?.0,
    ))
}

pub(in crate::jam::assemble) fn jwt<U>(
    parts: &EngineParts<'_>,
    jwt: &JwtSettings,
) -> Result<Jwt<U>, ConfigError> {
    let (issuer, audiences) = issuer_and_audiences(parts, "jwt")?;
    let active = keys::key(&jwt.material(), "jwt", parts.location, None)?;
    let refresh = refresh(parts, FormatKind::Jwt, active.can_sign())?;
    let ring = KeyRing::new(active.clone());
    for (at, further) in jwt.accept.iter().enumerate() {
        let table = format!("jwt.accept[{at}]");
        let default_algorithm = Some(active.algorithm());
        let key = keys::key(
            &further.material(),
            &table,
            parts.location,
            default_algorithm,
        )?;
        let about = |error| parts.location.engine_error(&table, error);
        ring.accept(key).map_err(about)?;
    }
    let mut builder = Jwt::builder(ring)
        .issuer(issuer)
        .clock(Arc::clone(parts.env.clock()));
    for audience in audiences {
        builder = builder.audience(audience);
    }
    if let Some(types) = &jwt.typ {
        builder = builder.types(&types.0);
    }
    if jwt.untyped {
        builder = builder.dangerous_accept_untyped();
    }
    if let Some(leeway) = jwt.leeway {
        builder = builder.leeway(leeway.0);
    }
    let (ttl, lifetime) = lifetime(parts, "jwt", jwt.ttl, refresh)?;
    if let Some(ttl) = ttl {
        builder = builder.ttl(ttl.0);
    }
    if let Some(list) = list(parts, "jwt", jwt.list, jwt.list_longest)? {
        builder = builder.list(list);
    }
    builder.build().map_err(|error| match error.setting() {
        "ttl" => parts.location.locate(error, &lifetime),
        _ => parts.location.engine_error("jwt", error),
    })
}

/// Returns the table `refresh`, if its access tokens have this format.
pub(in crate::jam::assemble) fn refresh<'a>(
    parts: &EngineParts<'a>,
    format: FormatKind,
    can_sign: bool,
) -> Result<Option<&'a RefreshSettings>, ConfigError> {
    let refresh = parts.settings.refresh.as_ref();
    let refresh = refresh.filter(|refresh| refresh.format == format);
    if refresh.is_some() && !can_sign {
        let reason = "needs a key that can sign, but the key of the table can only verify";
        return Err(parts.location.error("refresh.format", reason));
    }
    Ok(refresh)
}

/// Returns the lifetime of the tokens of `table`, and the setting that states it.
pub(in crate::jam::assemble) fn lifetime(
    parts: &EngineParts<'_>,
    table: &str,
    own: Option<Span>,
    refresh: Option<&RefreshSettings>,
) -> Result<(Option<Span>, String), ConfigError> {
    let own_name = format!("{table}.ttl");
    match (own, refresh.and_then(|refresh| refresh.access_ttl)) {
        (Some(_), Some(_)) => {
            let reason = format!("conflicts with `{own_name}`: set only one of them");
            Err(parts.location.error("refresh.access_ttl", reason))
        }
        (None, Some(ttl)) => Ok((Some(ttl), "refresh.access_ttl".to_owned())),
        (own, None) => Ok((own, own_name)),
    }
}

pub(in crate::jam::assemble) fn list(
    parts: &EngineParts<'_>,
    table: &str,
    kind: ListKind,
    longest: Option<Span>,
) -> Result<Option<TokenList>, ConfigError> {
    let builder = match kind {
        ListKind::None if longest.is_some() => {
            let reason = "conflicts with `list`, which is none";
            return Err(parts
                .location
                .error(&format!("{table}.list_longest"), reason));
        }
        ListKind::None => return Ok(None),
        ListKind::Deny => TokenList::deny(parts.env),
        ListKind::Allow => TokenList::allow(parts.env),
    };
    let longest = longest.map_or(DAY, |span| span.0);
    let list = builder.max_ttl(longest).build();
    let list = list.map_err(|error| parts.location.engine_error(table, error))?;
    Ok(Some(list))
}

/// Returns where the layer of `table` reads the token, if the table states it.
pub(in crate::jam::assemble) fn source(
    parts: &EngineParts<'_>,
    table: &str,
    cookie: Option<&str>,
    header: Option<&str>,
) -> Result<Option<CredentialSource>, ConfigError> {
    let at = format!("{table}.header");
    match (cookie, header) {
        (None, None) => Ok(None),
        (Some(_), Some(_)) => Err(parts.location.error(&at, "conflicts with `cookie`")),
        (Some(name), None) => {
            let source = CredentialSource::cookie(name);
            let about = |error| parts.location.locate(error, &format!("{table}.cookie"));
            source.map(Some).map_err(about)
        }
        (None, Some(name)) => {
            let name = HeaderName::try_from(name);
            let name = name.map_err(|_| parts.location.error(&at, "is not a valid header name"))?;
            Ok(Some(CredentialSource::header(name)))
        }
    }
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
