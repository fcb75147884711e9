//! Reads keys and secrets from settings or from the files that they name.

use std::{
    fs::File,
    io::{ErrorKind, Read},
};

use zeroize::Zeroizing;

use crate::{
    config::{
        exposed::is_readable_by_all,
        place::Location,
        settings::{Hidden, KeyMaterial, Many},
    },
    error::ConfigError,
    key::{Algorithm, Key},
    secret::MasterSecret,
};

/// Returns the key that `table` states.
pub(crate) fn key(
    stated: &KeyMaterial<'_>,
    table: &str,
    location: &Location,
    default_algorithm: Option<Algorithm>,
) -> Result<Key, ConfigError> {
    let (name, text) = single_key(stated, table, location)?;
    let at = |name: &str| format!("{table}.{name}");
    let about = |error: ConfigError| {
        let setting = match error.setting() {
            "alg" => "alg",
            "kid" => "kid",
            _ => name,
        };
        let error = match stated.file() {
            Some(file) if setting == name => error.inside(&location.path(file)),
            _ => error,
        };
        location.locate(error, &at(setting))
    };
    let alg = stated.alg.map(|alg| alg.0);
    let is_secret = name.starts_with("secret");
    let jwk = jwk(&text, is_secret).map_err(|reason| location.error(&at(name), reason))?;
    let fits = |algorithm: Algorithm, setting: &str| {
        if algorithm.is_symmetric() == is_secret {
            return Ok(());
        }
        let needed = if is_secret {
            "a key pair, but a secret is set"
        } else {
            "a `secret_key`, but a key pair is set"
        };
        let reason = format!("{} requires {needed}", algorithm.name());
        Err(location.error(&at(setting), reason))
    };
    // A JWK may state an algorithm other than the default.
    let algorithm = alg.or(default_algorithm.filter(|_| jwk.is_none()));
    if let Some(algorithm) = algorithm {
        fits(algorithm, "alg")?;
    }
    let unknown = || location.error(&at("alg"), "is not set, and the key does not state it");
    let key = match (jwk, algorithm) {
        (Some(jwk), Some(algorithm)) => Key::from_jwk_as(algorithm, jwk),
        (Some(jwk), None) => crate::key::load::from_jwk_or(default_algorithm, jwk),
        (None, Some(Algorithm::Hs256)) => Key::hs256(&*text),
        (None, Some(Algorithm::Hs384)) => Key::hs384(&*text),
        (None, Some(Algorithm::Hs512)) => Key::hs512(&*text),
        (None, Some(algorithm)) => Key::from_pem(algorithm, &*text),
        (None, None) => return Err(unknown()),
    };
    let key = key.map_err(about)?;
    fits(key.algorithm(), name)?;
    let is_private = key.can_sign() || jwk.is_some_and(crate::key::load::is_private_jwk);
    if name.starts_with("public") && is_private {
        return Err(location.error(&at(name), "is a private key"));
    }
    if name.starts_with("private") && !key.can_sign() {
        return Err(location.error(&at(name), "is a public key"));
    }
    match stated.kid {
        Some(kid) => key.with_kid(kid).map_err(about),
        None => Ok(key),
    }
}

/// Returns the text if it is a JWK. A secret counts as a JWK only if it has all its members, since
/// random bytes may begin with `{`.
fn jwk(text: &[u8], is_secret: bool) -> Result<Option<&str>, &'static str> {
    if !text.trim_ascii_start().starts_with(b"{") {
        return Ok(None);
    }
    match str::from_utf8(text) {
        Ok(text) if is_secret => Ok(crate::key::load::is_jwk(text).then_some(text)),
        Ok(text) => Ok(Some(text)),
        Err(_) if is_secret => Ok(None),
        Err(_) => Err("is not UTF-8"),
    }
}

/// Returns the only key that is stated, and the name of its setting.
fn single_key(
    stated: &KeyMaterial<'_>,
    table: &str,
    location: &Location,
) -> Result<(&'static str, Zeroizing<Vec<u8>>), ConfigError> {
    let inline = stated.inline.iter().filter(|(_, text)| text.is_some());
    let files = stated.files.iter().filter(|(_, file)| file.is_some());
    let mut names = inline
        .map(|(name, _)| *name)
        .chain(files.map(|(name, _)| *name));
    let Some(name) = names.next() else {
        let reason = "has no key: set `secret_key`, `private_key`, `public_key`, or one of them with `_file`";
        return Err(location.error(table, reason));
    };
    if let Some(other) = names.next() {
        let reason = format!("conflicts with `{name}`: set exactly one key");
        return Err(location.error(&format!("{table}.{other}"), reason));
    }
    let inline = stated.inline.iter().find_map(|(_, text)| *text);
    let text = match (inline, stated.file()) {
        (Some(text), _) => Zeroizing::new(text.expose().as_bytes().to_vec()),
        (None, file) => read(
            file.unwrap_or_default(),
            &format!("{table}.{name}"),
            location,
        )?,
    };
    Ok((name, text))
}

/// Reads a key's file, and logs a warning if it holds a secret and every user of the machine can
/// read it.
pub(crate) fn read(
    file: &str,
    setting: &str,
    location: &Location,
) -> Result<Zeroizing<Vec<u8>>, ConfigError> {
    let path = location.path(file);
    let failed = |error: std::io::Error| {
        let reason = match error.kind() {
            ErrorKind::NotFound => "there is no such file",
            ErrorKind::PermissionDenied => "permission denied",
            ErrorKind::IsADirectory => "is a directory",
            _ => "the file cannot be read",
        };
        let error = ConfigError::new("", reason).with_source(error);
        location.locate(error.inside(&path), setting)
    };
    let file = File::open(&path).map_err(failed)?;
    // Allocate once, since a buffer that grows leaves copies of the key in memory.
    let mut text = Zeroizing::new(Vec::with_capacity(MAX_BYTES + 1));
    let mut some = (&file).take(MAX_BYTES as u64 + 1);
    some.read_to_end(&mut text).map_err(failed)?;
    if text.len() > MAX_BYTES {
        let error = ConfigError::new("", "is longer than 64 KiB");
        return Err(location.locate(error.inside(&path), setting));
    }
    let is_public = setting.ends_with(".public_key_file") || is_public_paserk(&text);
    if !is_public && is_readable_by_all(&file).map_err(failed)? {
        let named = location.error(setting, "");
        tracing::warn!(
            setting = named.setting(),
            file = %path.display(),
            "the file of this key is readable by every user of this machine"
        );
    }
    // Editors end a text file with a newline, which is not part of the secret. Random bytes are no
    // text.
    let end = match str::from_utf8(&text) {
        Ok(text) => text
            .strip_suffix('\n')
            .map_or(text, |line| line.strip_suffix('\r').unwrap_or(line))
            .len(),
        Err(_) => text.len(),
    };
    text.truncate(end);
    Ok(text)
}

/// Whether it is `k4.public.…`, of any version.
pub(crate) fn is_public_paserk(text: &[u8]) -> bool {
    text.get(2..10) == Some(b".public.")
}

/// Returns the master secret, or `None` if none is set.
pub(crate) fn master_secret(
    inline: Option<&Many<Hidden>>,
    files: Option<&Many<String>>,
    location: &Location,
) -> Result<Option<MasterSecret>, ConfigError> {
    let (name, secrets) = match (inline, files) {
        (None, None) => return Ok(None),
        (Some(_), Some(_)) => return Err(location.error("secret_file", "conflicts with `secret`")),
        (Some(Many(texts)), None) => {
            let texts = texts.iter().enumerate();
            let secrets = texts.map(|(at, text)| {
                let about = |error| location.locate(error, &format!("secret[{at}]"));
                MasterSecret::new(text.expose().as_bytes()).map_err(about)
            });
            ("secret", secrets.collect::<Result<Vec<_>, _>>()?)
        }
        (None, Some(Many(files))) => {
            let files = files.iter().enumerate();
            let secrets = files
                .map(|(at, file)| secret_from_file(file, &format!("secret_file[{at}]"), location));
            ("secret_file", secrets.collect::<Result<Vec<_>, _>>()?)
        }
    };
    let mut secrets = secrets.into_iter();
    let active = secrets
        .next()
        .ok_or_else(|| location.error(name, "is empty"))?;
    Ok(Some(secrets.fold(active, |all, older| all.accept(&older))))
}

/// Reads the secret in a file.
pub(crate) fn secret_from_file(
    file: &str,
    setting: &str,
    location: &Location,
) -> Result<MasterSecret, ConfigError> {
    let text = read(file, setting, location)?;
    let about = |error: ConfigError| location.locate(error.inside(&location.path(file)), setting);
    MasterSecret::new(&text).map_err(about)
}

/// A 16384-bit RSA key as a JWK has 16 KiB.
const MAX_BYTES: usize = 64 * 1024;
