//! One place of a request, and the credential text in it.

use std::{fmt, ops::Range, sync::Arc};

use http::{HeaderMap, HeaderName, HeaderValue, header::AUTHORIZATION, request::Parts};

use crate::{
    rejection::Rejection,
    request::cookie::{CookieName, is_token},
};

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum CredentialPlace {
    Bearer(HeaderName),
    Dpop,
    Header(HeaderName),
    Cookie(CookieName),
    Custom(Custom),
}

impl CredentialPlace {
    pub(crate) fn find(&self, request: &Parts) -> Result<Option<HeaderText>, Rejection> {
        let found = match self {
            Self::Bearer(name) => token68(&request.headers, name, b"bearer")?,
            Self::Dpop => token68(&request.headers, &AUTHORIZATION, b"dpop")?,
            Self::Header(name) => {
                single_header(&request.headers, name)?.map(|value| (value, 0..value.len()))
            }
            Self::Cookie(name) => name.find(&request.headers)?,
            Self::Custom(custom) => return custom.find(request),
        };
        found
            .map(|(header, range)| HeaderText::new(header.clone(), range))
            .transpose()
    }
}

/// Returns the only header called `name`.
fn single_header<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> Result<Option<&'a HeaderValue>, Rejection> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.next().is_some() {
        return Err(Rejection::malformed("the credential's header occurs twice"));
    }
    Ok(first)
}

/// Parses `auth-scheme 1*SP token68` of RFC 9110 section 11.4 with the scheme `expected`.
fn token68<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
    expected: &[u8],
) -> Result<Option<(&'a HeaderValue, Range<usize>)>, Rejection> {
    let Some(header) = single_header(headers, name)? else {
        return Ok(None);
    };
    let bytes = header.as_bytes();
    let scheme = bytes
        .iter()
        .position(|byte| !is_token(*byte))
        .unwrap_or(bytes.len());
    if scheme == 0 {
        return Err(Rejection::malformed("no authentication scheme"));
    }
    if !bytes[..scheme].eq_ignore_ascii_case(expected) {
        return Ok(None);
    }
    let spaces = bytes[scheme..]
        .iter()
        .take_while(|byte| **byte == b' ')
        .count();
    let token = scheme + spaces..bytes.len();
    if spaces == 0 || !is_token68(&bytes[token.clone()]) {
        return Err(Rejection::malformed(
            "the scheme is not followed by exactly one token",
        ));
    }
    Ok(Some((header, token)))
}

fn is_token68(bytes: &[u8]) -> bool {
    let padding = bytes.iter().rev().take_while(|byte| **byte == b'=').count();
    let body = &bytes[..bytes.len() - padding];
    let allowed = |byte: u8| {
        byte.is_ascii_alphanumeric() | matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/')
    };
    // Checking every byte, without stopping at the first bad one, compiles to vector instructions.
    !body.is_empty() && body.iter().fold(true, |all, byte| all & allowed(*byte))
}

/// A part of a header value, shared with the request and not copied. It is valid UTF-8.
#[derive(Clone)]
pub(crate) struct HeaderText {
    header: HeaderValue,
    range: Range<usize>,
}

impl HeaderText {
    fn new(header: HeaderValue, range: Range<usize>) -> Result<Self, Rejection> {
        if std::str::from_utf8(&header.as_bytes()[range.clone()]).is_err() {
            return Err(Rejection::malformed("the credential is not UTF-8"));
        }
        Ok(Self { header, range })
    }

    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.header.as_bytes()[self.range.clone()])
            .expect("`new` is the only constructor and checks it")
    }
}

pub(crate) type FindFn = dyn Fn(&Parts) -> Result<Option<String>, Rejection> + Send + Sync;

#[derive(Clone)]
pub(crate) struct Custom(pub(crate) Arc<FindFn>);

impl Custom {
    fn find(&self, request: &Parts) -> Result<Option<HeaderText>, Rejection> {
        let Some(text) = (self.0)(request)? else {
            return Ok(None);
        };
        let header = HeaderValue::try_from(text)
            .map_err(|_| Rejection::malformed("the credential contains a control character"))?;
        let range = 0..header.len();
        HeaderText::new(header, range).map(Some)
    }
}

impl PartialEq for Custom {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Custom {}

impl fmt::Debug for Custom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Custom(..)")
    }
}
