//! The JOSE header of the tokens that a key signs (RFC 7515 section 4.1).

use base64_simd::URL_SAFE_NO_PAD;

use crate::error::ConfigError;

/// Returns the encoded header of the tokens that a key signs.
pub(crate) fn encoded_header(alg: &str, kid: &str, typ: &str) -> String {
    let header = serde_json::json!({ "alg": alg, "kid": kid, "typ": typ });
    URL_SAFE_NO_PAD.encode_to_string(header.to_string())
}

/// Returns `kid` if it can be the id of a key.
pub(super) fn checked_kid(kid: String) -> Result<String, ConfigError> {
    let is_visible = kid.bytes().all(|byte| byte.is_ascii_graphic());
    if is_visible && (1..=MAXIMUM_KID).contains(&kid.len()) {
        return Ok(kid);
    }
    let reason = format!("a key id is 1 to {MAXIMUM_KID} visible ASCII characters");
    Err(ConfigError::new("kid", reason))
}

/// Returns `typ` without the prefix that RFC 7515 section 4.1.9 lets issuers omit.
pub(crate) fn strip_application(typ: &str) -> &str {
    match typ.get(..APPLICATION.len()) {
        Some(prefix) if prefix.eq_ignore_ascii_case(APPLICATION) => &typ[APPLICATION.len()..],
        _ => typ,
    }
}

/// The type of access tokens (RFC 9068 section 2.1), and the default.
pub(crate) const DEFAULT_TYPE: &str = "at+jwt";

const APPLICATION: &str = "application/";

const MAXIMUM_KID: usize = 128;
