//! The engines of the tables `jwt` and `paseto`, and what their layers read.

use std::{sync::Arc, time::Duration};

use http::HeaderName;

use super::{Parts, keys};
use crate::{
    config::settings::{JwtSettings, ListKind, Span},
    credential::CredentialSource,
    error::ConfigError,
    token::{Jwt, KeyRing, TokenList},
};

impl Parts<'_> {
    /// What a token table without an issuer or an audience leaves open.
    fn party(&self, table: &str) -> Result<(&str, &[String]), ConfigError> {
        let missing = |name: &str| {
            let reason = format!("is not set, and the table `{table}` needs it");
            self.place.error(name, reason)
        };
        let issuer = self.settings.issuer.as_deref();
        let audience = self.settings.audience.as_ref();
        Ok((
            issuer.ok_or_else(|| missing("issuer"))?,
            &audience.ok_or_else(|| missing("audience"))?.0,
        ))
    }

    pub(super) fn jwt<U>(
        &self,
        jwt: &JwtSettings,
        ttl: Option<Span>,
    ) -> Result<Jwt<U>, ConfigError> {
        let (issuer, audiences) = self.party("jwt")?;
        let active = keys::key(&jwt.material(), "jwt", self.place, None)?;
        let ring = KeyRing::new(active.clone());
        for (at, further) in jwt.accept.iter().enumerate() {
            let table = format!("jwt.accept[{at}]");
            let usual = Some(active.algorithm());
            let key = keys::key(&further.material(), &table, self.place, usual)?;
            let about = |error| self.place.engine(&table, error);
            ring.accept(key).map_err(about)?;
        }
        let mut builder = Jwt::builder(ring)
            .issuer(issuer)
            .clock(Arc::clone(self.clock));
        for audience in audiences {
            builder = builder.audience(audience);
        }
        if let Some(types) = &jwt.typ {
            builder = builder.types(&types.0);
        }
        if jwt.untyped {
            builder = builder.accept_untyped();
        }
        if let Some(leeway) = jwt.leeway {
            builder = builder.leeway(leeway.0);
        }
        if let Some(ttl) = ttl.or(jwt.ttl) {
            builder = builder.ttl(ttl.0);
        }
        if let Some(list) = self.list("jwt", issuer, jwt.list, jwt.list_longest)? {
            builder = builder.list(list);
        }
        let built = builder.build();
        built.map_err(|error| self.place.engine("jwt", error))
    }

    fn list(
        &self,
        table: &str,
        issuer: &str,
        kind: ListKind,
        longest: Option<Span>,
    ) -> Result<Option<TokenList>, ConfigError> {
        let builder = match kind {
            ListKind::None if longest.is_some() => {
                let reason = "contradicts `list`, which is none";
                return Err(self.place.error(&format!("{table}.list_longest"), reason));
            }
            ListKind::None => return Ok(None),
            ListKind::Black => TokenList::black(Arc::clone(self.store)),
            ListKind::White => TokenList::white(Arc::clone(self.store)),
        };
        let longest = longest.map_or(DAY, |span| span.0);
        let list = builder
            .issuer(issuer)
            .longest(longest)
            .clock(Arc::clone(self.clock))
            .build();
        let list = list.map_err(|error| self.place.engine(table, error))?;
        Ok(Some(list))
    }

    /// Where the layer of `table` looks, if it is told.
    pub(super) fn source(
        &self,
        table: &str,
        cookie: Option<&str>,
        header: Option<&str>,
    ) -> Result<Option<CredentialSource>, ConfigError> {
        let at = format!("{table}.header");
        match (cookie, header) {
            (None, None) => Ok(None),
            (Some(_), Some(_)) => Err(self.place.error(&at, "contradicts `cookie`")),
            (Some(name), None) => {
                let source = CredentialSource::cookie(name);
                let about = |error| self.place.name(error, &format!("{table}.cookie"));
                source.map(Some).map_err(about)
            }
            (None, Some(name)) => {
                let name = HeaderName::try_from(name);
                let name = name.map_err(|_| self.place.error(&at, "is no name of a header"))?;
                Ok(Some(CredentialSource::header(name)))
            }
        }
    }
}

#[cfg(feature = "paseto")]
mod paseto {
    use std::sync::Arc;

    use super::{Parts, keys};
    use crate::{
        config::settings::{Hidden, PasetoSettings, PurposeKind, Span, VersionKind},
        error::ConfigError,
        token::{KeyRing, Paseto, PasetoKey, paseto as version},
    };

    impl Parts<'_> {
        pub(in crate::config::build) fn paseto<U>(
            &self,
            settings: &PasetoSettings,
            ttl: Option<Span>,
        ) -> Result<Paseto<U>, ConfigError> {
            use {PurposeKind::*, VersionKind::*};
            macro_rules! build {
                ($constructor:ident, $Version:ty, $Purpose:ty) => {{
                    let key = |table: &str, inline, file, kid: &Option<String>| {
                        let text = self.paserk(table, inline, file)?;
                        let about = |error| self.place.engine(table, error);
                        let key =
                            PasetoKey::<$Version, $Purpose>::from_paserk(&text).map_err(about)?;
                        match kid {
                            Some(kid) => key.with_kid(kid).map_err(about),
                            None => Ok(key),
                        }
                    };
                    let (inline, file) = (settings.key.as_ref(), settings.key_file.as_deref());
                    let ring = KeyRing::new(key("paseto", inline, file, &settings.kid)?);
                    for (at, further) in settings.accept.iter().enumerate() {
                        let table = format!("paseto.accept[{at}]");
                        let (inline, file) = (further.key.as_ref(), further.key_file.as_deref());
                        let key = key(&table, inline, file, &further.kid)?;
                        let about = |error| self.place.engine(&table, error);
                        ring.accept(key).map_err(about)?;
                    }
                    let (issuer, audiences) = self.party("paseto")?;
                    let mut builder = Paseto::$constructor(ring)
                        .issuer(issuer)
                        .clock(Arc::clone(self.clock));
                    for audience in audiences {
                        builder = builder.audience(audience);
                    }
                    if let Some(leeway) = settings.leeway {
                        builder = builder.leeway(leeway.0);
                    }
                    if let Some(ttl) = ttl.or(settings.ttl) {
                        builder = builder.ttl(ttl.0);
                    }
                    let list = self.list("paseto", issuer, settings.list, settings.list_longest)?;
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
                (V2, Local) => build!(legacy_v2_local, version::V2, version::Local),
                (V2, Public) => build!(legacy_v2_public, version::V2, version::Public),
            };
            built.map_err(|error| self.place.engine("paseto", error))
        }

        fn paserk(
            &self,
            table: &str,
            inline: Option<&Hidden>,
            file: Option<&str>,
        ) -> Result<zeroize::Zeroizing<String>, ConfigError> {
            let at = format!("{table}.key_file");
            match (inline, file) {
                (Some(_), Some(_)) => Err(self.place.error(&at, "contradicts `key`")),
                (Some(text), None) => Ok(zeroize::Zeroizing::new(text.expose().to_owned())),
                (None, Some(file)) => {
                    let bytes = keys::read(file, &at, self.place)?;
                    let text = str::from_utf8(&bytes);
                    let text = text.map_err(|_| self.place.error(&at, "is not UTF-8"))?;
                    Ok(zeroize::Zeroizing::new(text.to_owned()))
                }
                (None, None) => {
                    let reason = "has no key: set `key` or `key_file`";
                    Err(self.place.error(table, reason))
                }
            }
        }
    }
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
