//! Requests with a credential.

use http::{HeaderValue, Request, header, request::Builder};

/// Creates a request with this token in its `Authorization` header.
///
/// # Panics
///
/// If the token contains a control character, which no header can carry.
pub fn bearer(token: &str) -> Builder {
    with(header::AUTHORIZATION, &format!("Bearer {token}"))
}

/// Creates a request with a credential in the header `name`, marked as sensitive so that `Debug`
/// omits it.
pub(super) fn with(name: header::HeaderName, credential: &str) -> Builder {
    let mut value = HeaderValue::from_str(credential).expect("a credential is visible ASCII");
    value.set_sensitive(true);
    Request::builder().header(name, value)
}
