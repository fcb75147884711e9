//! Builds the clients of the tables `oauth2.providers.NAME`.

use super::{keys, parts::EngineParts};
use crate::{
    config::{
        nearest::nearest,
        settings::{Alg, Hidden, KeyMaterial, ProviderSettings},
    },
    error::ConfigError,
    jam::Engines,
    key::{Algorithm, Key},
    oauth2::{OAuth2, Provider, ProviderBuilder},
};

/// Adds the clients of the stated identity providers.
pub(super) async fn add_providers<U>(
    parts: &EngineParts<'_>,
    engines: &mut Engines<U>,
) -> Result<(), ConfigError> {
    let tables = parts.settings.oauth2.iter();
    for (name, settings) in tables.flat_map(|table| &table.providers) {
        if let Some(client) = provider(parts, name, settings).await? {
            engines.providers.insert(name.clone(), client);
        }
    }
    Ok(())
}

/// Builds the client of a provider, or returns `None` if its URLs would have to be discovered
/// but the network must not be used.
async fn provider(
    parts: &EngineParts<'_>,
    name: &str,
    settings: &ProviderSettings,
) -> Result<Option<OAuth2>, ConfigError> {
    let table = format!("oauth2.providers.{name}");
    let about = |error| parts.location.engine_error(&table, error);
    let Some(mut builder) = preset(parts, name, &table, settings).await? else {
        return Ok(None);
    };
    if let Some(secret) = &settings.client_secret {
        builder = builder.client_secret(secret.expose());
    }
    if settings.secret_in_body {
        builder = builder.secret_in_body();
    }
    if let Some(scopes) = &settings.scopes {
        builder = builder.scopes(scopes);
    }
    for (name, value) in &settings.parameters {
        builder = builder.parameter(name, value);
    }
    macro_rules! set {
        ($($url:ident)*) => {
            $(if let Some(url) = &settings.$url {
                builder = builder.$url(url);
            })*
        };
    }
    set!(authorize_url token_url userinfo_url device_url revoke_url jwks_url);
    if let Some(audience) = &settings.dangerous_assertion_audience {
        builder = builder.dangerous_assertion_audience(audience);
    }
    if settings.require_issuer {
        builder = builder.require_issuer();
    }
    if let Some(timeout) = settings.timeout {
        builder = builder.request_timeout(timeout.0);
    }
    if settings.dangerous_http_on_loopback {
        builder = builder.dangerous_http_on_loopback();
    }
    let provider = builder.build().map_err(about)?;
    let mut builder = OAuth2::builder(parts.env, provider);
    if let Some(url) = &settings.redirect_url {
        builder = builder.redirect_url(url);
    }
    if let Some(page) = &settings.default_page {
        builder = builder.default_page(page);
    }
    builder.build().map(Some).map_err(about)
}

async fn preset(
    parts: &EngineParts<'_>,
    name: &str,
    table: &str,
    settings: &ProviderSettings,
) -> Result<Option<ProviderBuilder>, ConfigError> {
    let at = |name: &str| format!("{table}.{name}");
    let required = |name: &str, value: &Option<String>| {
        let value = value.clone();
        value.ok_or_else(|| parts.location.error(&at(name), "is not set"))
    };
    let client_id = required("client_id", &settings.client_id)?;
    let client_secret = settings.client_secret.as_ref().map(Hidden::expose);
    let client_secret_text = client_secret.unwrap_or_default();
    let key = client_key(parts, table, settings)?;
    let misplaced = |name: &str| {
        parts
            .location
            .error(&at(name), "does not apply to this provider")
    };
    if settings.tenant.is_some() && name != "microsoft" {
        return Err(misplaced("tenant"));
    }
    if settings.team_id.is_some() && name != "apple" {
        return Err(misplaced("team_id"));
    }
    if key.is_some() && client_secret.is_some() {
        let reason = "conflicts with the private key: set only one of them";
        return Err(parts.location.error(&at("client_secret"), reason));
    }
    if settings.secret_in_body && client_secret.is_none() {
        return Err(unused(parts, table, "secret_in_body", "client_secret"));
    }
    let is_preset = PRESETS.contains(&name);
    let has_own_urls = settings.token_url.is_some();
    if is_preset && settings.issuer.is_some() && !has_own_urls {
        let reason = "conflicts with the preset of this name, whose URLs are not replaced";
        return Err(parts.location.error(&at("issuer"), reason));
    }
    if name == "apple" {
        let team = required("team_id", &settings.team_id)?;
        let unset = || parts.location.error(&at("private_key"), "is not set");
        let apple = Provider::apple(&client_id, &team, key.ok_or_else(unset)?);
        return Ok(Some(match &settings.issuer {
            Some(issuer) => apple.issuer(issuer),
            None => apple,
        }));
    }
    if is_preset && key.is_none() && client_secret.is_none() {
        return Err(parts.location.error(&at("client_secret"), "is not set"));
    }
    let builder = match name {
        "github" => Provider::github(&client_id, client_secret_text),
        "gitlab" => Provider::gitlab(&client_id, client_secret_text),
        "google" => Provider::google(&client_id, client_secret_text),
        "yandex" => Provider::yandex(&client_id, client_secret_text),
        "microsoft" => {
            let tenant = required("tenant", &settings.tenant)?;
            Provider::microsoft(&tenant, &client_id, client_secret_text)
        }
        _ => {
            if settings.issuer.is_none()
                && let Some(preset) = nearest(name, &PRESETS)
            {
                let reason =
                    format!("is not set; did you mean the provider `{preset}`, which needs none?");
                return Err(parts.location.error(&at("issuer"), reason));
            }
            let issuer = required("issuer", &settings.issuer)?;
            let has_urls = settings.authorize_url.is_some() || settings.token_url.is_some();
            if has_urls {
                Provider::builder(name, &issuer, &client_id)
            } else if parts.is_offline {
                return Ok(None);
            } else {
                discover(parts, name, table, &issuer, &client_id, settings).await?
            }
        }
    };
    let builder = match &settings.issuer {
        Some(issuer) if is_preset => builder.issuer(issuer),
        _ => builder,
    };
    Ok(Some(match key {
        Some(key) => builder.private_key(key),
        None => builder,
    }))
}

/// Creates the error for a setting that is useless without `other`.
fn unused(parts: &EngineParts<'_>, table: &str, name: &str, other: &str) -> ConfigError {
    let reason = format!("needs `{other}`");
    parts.location.error(&format!("{table}.{name}"), reason)
}

async fn discover(
    parts: &EngineParts<'_>,
    name: &str,
    table: &str,
    issuer: &str,
    client_id: &str,
    settings: &ProviderSettings,
) -> Result<ProviderBuilder, ConfigError> {
    let mut discovery = Provider::discover(name, issuer, client_id);
    if let Some(timeout) = settings.timeout {
        discovery = discovery.request_timeout(timeout.0);
    }
    if settings.dangerous_http_on_loopback {
        discovery = discovery.dangerous_http_on_loopback();
    }
    discovery
        .await
        .map_err(|error| parts.location.engine_error(table, error))
}

fn client_key(
    parts: &EngineParts<'_>,
    table: &str,
    settings: &ProviderSettings,
) -> Result<Option<Key>, ConfigError> {
    if settings.private_key.is_none() && settings.private_key_file.is_none() {
        let is_stated = [
            ("alg", settings.alg.is_some()),
            ("kid", settings.kid.is_some()),
        ];
        return match is_stated.into_iter().find(|(_, is_stated)| *is_stated) {
            Some((name, _)) => Err(unused(parts, table, name, "private_key")),
            None => Ok(None),
        };
    }
    let stated = KeyMaterial {
        alg: settings.alg.or(Some(Alg(Algorithm::Es256))),
        kid: settings.kid.as_deref(),
        inline: [
            ("private_key", settings.private_key.as_ref()),
            ("secret_key", None),
            ("public_key", None),
        ],
        files: [
            ("private_key_file", settings.private_key_file.as_deref()),
            ("secret_key_file", None),
            ("public_key_file", None),
        ],
    };
    keys::key(&stated, table, parts.location, None).map(Some)
}

const PRESETS: [&str; 6] = ["github", "gitlab", "google", "yandex", "microsoft", "apple"];
