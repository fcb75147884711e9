//! How services authenticate.

use axum::http::{HeaderMap, header};
use base64_simd::STANDARD;

use crate::{
    error::ConfigError,
    secret::{self, Secret},
};

/// A service that may ask about tokens, and the hash of its secret.
#[derive(Clone)]
pub(super) struct ServiceCredential {
    id: String,
    secret: [u8; 32],
}

impl ServiceCredential {
    /// Neither needs escapes in the header (RFC 6749 section 2.3.1).
    pub(super) fn new(id: &str, secret: &Secret<String>) -> Result<Self, ConfigError> {
        let is_plain = |text: &str| {
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
            !text.is_empty() && text.bytes().all(is_plain)
        };
        if !is_plain(id) {
            let reason = "the id is not letters, digits and `-._~`";
            return Err(ConfigError::new("service", reason));
        }
        if secret.expose().len() < MIN_SECRET_BYTES || !is_plain(secret.expose()) {
            let reason = "the secret is not 32 or more letters, digits and `-._~`";
            return Err(ConfigError::new("service", reason));
        }
        Ok(Self {
            id: id.to_owned(),
            secret: secret::hash([secret.expose().as_bytes()]),
        })
    }
}

/// Authenticates a service with HTTP Basic (RFC 7617). Every service is compared, in constant time.
pub(super) fn is_authenticated(services: &[ServiceCredential], headers: &HeaderMap) -> bool {
    let presented = || {
        let header = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
        let (scheme, text) = header.split_once(' ')?;
        let bytes = STANDARD.decode_to_vec(text.trim_start()).ok()?;
        let text = String::from_utf8(bytes).ok()?;
        let (id, secret) = text.split_once(':')?;
        let secret = secret::hash([secret.as_bytes()]);
        (scheme.eq_ignore_ascii_case("basic")).then(|| (id.to_owned(), secret))
    };
    let Some((id, secret)) = presented() else {
        return false;
    };
    services.iter().fold(false, |found, service| {
        let matches = secret::equal(&service.secret, &secret) & (service.id == id);
        found | matches
    })
}

const MIN_SECRET_BYTES: usize = 32;
