//! The cookies of logins, except that of the session.

use axum::{
    http::{HeaderValue, header},
    response::Response,
};

use crate::{
    error::ConfigError,
    rejection::Rejection,
    request::cookie::{CookieSpec, SameSite},
};

/// Identifies a known device, so that its attempts are counted separately.
pub(super) fn device() -> CookieSpec {
    strict("__Host-device")
}

/// Identifies a remembered device, which skips the one-time code for a while. Browsers also send it
/// when a provider redirects back. It grants no access by itself.
pub(super) fn remembered() -> CookieSpec {
    CookieSpec::new("__Host-remembered").expect("a fixed name, as the prefix wants it")
}

/// Contains the challenge of a pending login after a redirect from a provider.
pub(super) fn challenge() -> CookieSpec {
    strict("__Host-challenge")
}

/// Contains a refresh token. Browsers send it with every request of this site's own pages, since
/// `__Host-` requires the path `/`. Without the prefix a sibling domain could set the cookie and so
/// log its owner in as somebody else.
pub(super) fn refresh() -> CookieSpec {
    strict("__Host-refresh")
}

/// A cookie that browsers send only with requests of this site's own pages.
fn strict(name: &str) -> CookieSpec {
    CookieSpec::new(name)
        .and_then(|cookie| cookie.with_same_site(SameSite::Strict))
        .expect("a fixed name, as the prefix wants it")
}

/// Adds a `Set-Cookie` header.
pub(super) fn add_cookie(
    response: &mut Response,
    cookie: Result<HeaderValue, ConfigError>,
) -> Result<(), Rejection> {
    let cookie = cookie.map_err(|error| {
        Rejection::misconfigured("a cookie that browsers would drop").with_source(error)
    })?;
    response.headers_mut().append(header::SET_COOKIE, cookie);
    Ok(())
}
