//! The cookies of logins, except that of the session.

use crate::request::cookie::{CookieSpec, SameSite};

/// Identifies a known device, so that its attempts are counted separately.
pub(crate) fn device() -> CookieSpec {
    strict("__Host-device")
}

/// Identifies a remembered device, which skips the one-time code for a while. Browsers also send it
/// when a provider redirects back. It grants no access by itself.
pub(crate) fn remembered() -> CookieSpec {
    CookieSpec::new("__Host-remembered").expect("a fixed name, as the prefix wants it")
}

/// Contains the challenge of a pending login after a redirect from a provider.
pub(crate) fn challenge() -> CookieSpec {
    strict("__Host-challenge")
}

/// Contains a refresh token. Browsers send it with every request of this site's own pages, since
/// `__Host-` requires the path `/`. Without the prefix a sibling domain could set the cookie and so
/// log its owner in as somebody else.
pub(crate) fn refresh() -> CookieSpec {
    strict("__Host-refresh")
}

/// A cookie that browsers send only with requests of this site's own pages.
fn strict(name: &str) -> CookieSpec {
    CookieSpec::new(name)
        .and_then(|cookie| cookie.with_same_site(SameSite::Strict))
        .expect("a fixed name, as the prefix wants it")
}
