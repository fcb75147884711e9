//! Shared secrets for HMAC, and the values that are rejected as one.

use std::sync::Arc;

use aws_lc_rs::{
    hmac, rand,
    signature::{self, ParsedPublicKey, VerificationAlgorithm},
};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::{
    error::ConfigError,
    key::{
        der, encoding,
        material::{KeyParts, VerifyingKey},
        signer::Signer,
    },
    secret::Secret,
};

/// Builds an HMAC key for signing and verifying. Errors refer to it by the name `algorithm`.
pub(crate) fn parts(
    setting: &'static str,
    algorithm: &str,
    hash: hmac::Algorithm,
    secret: &[u8],
) -> Result<KeyParts, ConfigError> {
    // RFC 7518 section 3.2: at least as long as the hash.
    let minimum = hash.tag_len();
    if secret.len() < minimum {
        let reason = format!(
            "{} bytes, but {algorithm} requires at least {minimum} random bytes",
            secret.len()
        );
        return Err(ConfigError::new(setting, reason));
    }
    if let Some(what) = public_format(secret).or_else(|| public_format(&decoded(secret)?)) {
        let reason = format!("it is {what}, but {algorithm} requires secret random bytes");
        return Err(ConfigError::new(setting, reason));
    }
    let key = Arc::new(hmac::Key::new(hash, secret));
    let encoded = Zeroizing::new(encoding::encode(secret));
    Ok(KeyParts {
        thumbprint: encoding::thumbprint(&[("k", &encoded), ("kty", "oct")]),
        members: None,
        verifying_key: VerifyingKey::Hmac(Arc::clone(&key)),
        signer: Some(Signer::Hmac(key, Secret::new(secret.to_vec()))),
    })
}

/// Generates a secret that is as long as the hash.
pub(super) fn generate(hash: hmac::Algorithm) -> Result<Zeroizing<Vec<u8>>, ConfigError> {
    let mut secret = Zeroizing::new(vec![0; hash.tag_len()]);
    rand::fill(&mut secret).map_err(|error| {
        ConfigError::new("secret_key", "no random bytes were available").with_source(error)
    })?;
    Ok(secret)
}

/// Returns what `bytes` are if they may be known to others, or `None` if they can be a secret.
///
/// A verifier that takes the algorithm from the token would accept a MAC made with the public key
/// as its secret (RFC 8725 section 2.1). That cannot happen here, but a public key that is
/// configured as a secret by mistake would be just as unsafe.
fn public_format(bytes: &[u8]) -> Option<&'static str> {
    if bytes.iter().all(|byte| *byte == bytes[0]) {
        return Some("one repeated byte");
    }
    if memchr::memmem::find(bytes, b"-----BEGIN").is_some() {
        return Some("a key or certificate in PEM");
    }
    if SSH_PREFIXES
        .iter()
        .any(|prefix| bytes.starts_with(prefix.as_bytes()))
    {
        return Some("an SSH public key");
    }
    if is_jwk(bytes) {
        return Some("a JSON Web Key; `Key::from_jwk` reads those");
    }
    if is_der(bytes) {
        return Some("an asymmetric key or certificate");
    }
    None
}

/// Decodes `text` as base64, base64url or hexadecimal, with or without line breaks: the forms in
/// which a key fits into an environment variable.
fn decoded(text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text);
    let mut plain = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut rest = text;
    while let [first, after @ ..] = rest {
        rest = match (first, after) {
            // A line break, as escaped in configuration files.
            (b'\\', [b'n' | b'r', after @ ..]) => after,
            (b'-', after) => {
                plain.push(b'+');
                after
            }
            (b'_', after) => {
                plain.push(b'/');
                after
            }
            (b'=' | b'"' | b'\'', after) => after,
            (byte, after) => {
                if !byte.is_ascii_whitespace() {
                    plain.push(*byte);
                }
                after
            }
        };
    }
    let from_hex = || {
        let mut bytes = Zeroizing::new(Vec::with_capacity(plain.len() / 2));
        for pair in plain.chunks(2) {
            let pair = std::str::from_utf8(pair)
                .ok()
                .filter(|pair| pair.len() == 2)?;
            bytes.push(u8::from_str_radix(pair, 16).ok()?);
        }
        Some(bytes)
    };
    // Hexadecimal digits are valid base64 as well, and decode to random bytes, which are not a key.
    from_hex().filter(|bytes| !bytes.is_empty()).or_else(|| {
        let bytes = base64_simd::forgiving_decode_to_vec(&plain).ok()?;
        (!bytes.is_empty()).then(|| Zeroizing::new(bytes))
    })
}

fn is_jwk(bytes: &[u8]) -> bool {
    let text = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    serde_json::from_slice::<Map<String, Value>>(text)
        .is_ok_and(|object| object.contains_key("kty") || object.contains_key("keys"))
}

fn is_der(bytes: &[u8]) -> bool {
    let curves: [&'static dyn VerificationAlgorithm; 4] = [
        &signature::ECDSA_P256_SHA256_FIXED,
        &signature::ECDSA_P384_SHA384_FIXED,
        &signature::ECDSA_P521_SHA512_FIXED,
        &signature::ECDSA_P256K1_SHA256_FIXED,
    ];
    // Uncompressed points only: one in 256 random byte strings with the length of a compressed
    // point would be a valid point.
    let is_point = || {
        bytes.first() == Some(&4)
            && curves
                .iter()
                .any(|curve| ParsedPublicKey::new(*curve, bytes).is_ok())
    };
    der::outline(bytes).is_some() || is_point()
}

const SSH_PREFIXES: [&str; 4] = ["ssh-", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-sha2-"];
