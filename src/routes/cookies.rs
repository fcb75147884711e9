//! The cookies of logins, the session's and the refresh token's aside.

use crate::request::cookie::{CookieSpec, SameSite};

/// By which a device is known, so that its attempts are counted apart.
pub(crate) fn device() -> CookieSpec {
    strict("__Host-device")
}

/// By which a device gives no one-time code for a while. It comes with a browser that a provider sends back, too: alone it
/// opens nothing.
pub(crate) fn remembered() -> CookieSpec {
    CookieSpec::new("__Host-remembered").expect("a fixed name, as the prefix wants it")
}

/// In which a login waits for its second step, where a browser came back from a provider.
pub(crate) fn challenge() -> CookieSpec {
    strict("__Host-challenge")
}

/// In which browsers keep a refresh token. It comes with what this site's own pages ask for, whatever the path:
/// `__Host-` has no other, and a cookie that a sibling domain can set would log its owner in as somebody else.
pub(crate) fn refresh() -> CookieSpec {
    strict("__Host-refresh")
}

/// A cookie that comes only with what this site's own pages ask for.
fn strict(name: &str) -> CookieSpec {
    CookieSpec::new(name)
        .and_then(|cookie| cookie.with_same_site(SameSite::Strict))
        .expect("a fixed name, as the prefix wants it")
}
