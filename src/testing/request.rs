//! Requests that carry a credential.

use http::{HeaderValue, Request, header, request::Builder};

/// A request with this token in its `Authorization` header.
///
/// # Panics
///
/// When the token has a control character, which no header can carry.
pub fn bearer(token: &str) -> Builder {
    with(header::AUTHORIZATION, &format!("Bearer {token}"))
}

/// A request with a credential in `name`, which its `Debug` leaves out.
pub(super) fn with(name: header::HeaderName, credential: &str) -> Builder {
    let mut value = HeaderValue::from_str(credential).expect("a credential of visible characters");
    value.set_sensitive(true);
    Request::builder().header(name, value)
}
