//! Credential cookies: finding them in requests and setting them in responses.

use std::{fmt, ops::Range, sync::Arc, time::Duration};

use http::{HeaderMap, HeaderValue, header};

use crate::{error::ConfigError, rejection::Rejection};

/// The name and the attributes of a credential cookie.
///
/// It always describes a cookie that browsers accept (RFC 6265bis):
///
/// * `HttpOnly` is always set. `Secure`, `SameSite=Lax` and `Path=/` are the defaults.
/// * A name that begins with `__Host-` requires `Secure`, `Path=/` and no `Domain`; one that begins
///   with `__Secure-` requires `Secure`. Browsers drop other combinations, so building one is an
///   error.
/// * Name and value together have at most 4096 bytes. Browsers drop larger cookies, so setting one
///   is an error.
///
/// Two cookies of the same name with different values are rejected, because a sibling domain may
/// have planted the second one.
///
/// ```
/// use std::time::Duration;
/// use tower_jam::CookieSpec;
///
/// let cookie = CookieSpec::new("__Host-sid")?.set("abc", Duration::from_secs(60))?;
/// assert_eq!(
///     cookie,
///     "__Host-sid=abc; Path=/; Max-Age=60; HttpOnly; SameSite=Lax; Secure",
/// );
///
/// let error = CookieSpec::new("__Host-sid")?.with_path("/account").unwrap_err();
/// assert!(error.to_string().ends_with("a name with `__Host-` requires path `/` and no domain"));
/// # Ok::<(), tower_jam::ConfigError>(())
/// ```
#[doc(alias("samesite", "httponly", "csrf"))]
#[derive(Clone, PartialEq, Eq, Debug)]
#[must_use]
pub struct CookieSpec {
    name: CookieName,
    path: Arc<str>,
    domain: Option<Arc<str>>,
    same_site: SameSite,
    secure: bool,
}

impl CookieSpec {
    /// Creates a cookie with `Secure`, `HttpOnly`, `SameSite=Lax` and `Path=/`.
    ///
    /// Prefer a name with `__Host-`: then no sibling domain and no plain-text page can set the
    /// cookie.
    ///
    /// # Errors
    ///
    /// If the name is not a token of RFC 9110 section 5.6.2.
    pub fn new(name: &str) -> Result<Self, ConfigError> {
        Ok(Self {
            name: CookieName::new(name)?,
            path: Arc::from("/"),
            domain: None,
            same_site: SameSite::Lax,
            secure: true,
        })
    }

    /// Restricts the cookie to paths below `path`.
    ///
    /// # Errors
    ///
    /// If the path does not begin with `/`, has a character that ends an attribute, or is forbidden
    /// by the name.
    pub fn with_path(mut self, path: &str) -> Result<Self, ConfigError> {
        if !path.starts_with('/') || !is_attribute(path) {
            return Err(ConfigError::new(
                "cookie",
                "the path must begin with `/` and be visible ASCII without `;`",
            ));
        }
        self.path = Arc::from(path);
        self.checked()
    }

    /// Sends the cookie to `domain` and every domain below it. Each of them can then read and
    /// replace it.
    ///
    /// # Errors
    ///
    /// If `domain` is not a host name, or the cookie's name forbids a domain.
    pub fn with_domain(mut self, domain: &str) -> Result<Self, ConfigError> {
        let is_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
        if domain.is_empty() || !domain.chars().all(is_host) {
            return Err(ConfigError::new("cookie", "the domain is not a host name"));
        }
        self.domain = Some(Arc::from(domain));
        self.checked()
    }

    /// Sets which cross-site requests browsers send the cookie with.
    ///
    /// # Errors
    ///
    /// If `same_site` is [`SameSite::None`] and the cookie is not `Secure`.
    pub fn with_same_site(mut self, same_site: SameSite) -> Result<Self, ConfigError> {
        self.same_site = same_site;
        self.checked()
    }

    /// Omits `Secure`, for development over plain HTTP on another host than `localhost`. Anyone on
    /// the network can read the cookie.
    ///
    /// # Errors
    ///
    /// If the name or `SameSite=None` requires `Secure`.
    pub fn dangerous_without_secure(mut self) -> Result<Self, ConfigError> {
        self.secure = false;
        self.checked()
    }

    /// Returns the cookie's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name.0
    }

    #[cfg(feature = "session")]
    pub(crate) const fn cookie_name(&self) -> &CookieName {
        &self.name
    }

    /// Returns the `Set-Cookie` value that stores `value` for `max_age`, in whole seconds rounded
    /// down.
    ///
    /// # Errors
    ///
    /// If name and value exceed 4096 bytes, or the value has a character that cookies cannot
    /// contain.
    pub fn set(&self, value: &str, max_age: Duration) -> Result<HeaderValue, ConfigError> {
        if self.name.0.len() + value.len() > MAX_BYTES {
            return Err(ConfigError::new(
                "cookie",
                "name and value exceed 4096 bytes, so browsers would drop the cookie",
            ));
        }
        if !value.bytes().all(is_cookie_octet) {
            return Err(ConfigError::new(
                "cookie",
                "the value has a character that cookies cannot contain",
            ));
        }
        Ok(self.line(value, max_age.as_secs()))
    }

    /// Returns the `Set-Cookie` value that makes browsers delete the cookie.
    #[must_use]
    pub fn clear(&self) -> HeaderValue {
        self.line("", 0)
    }

    fn line(&self, value: &str, max_age: u64) -> HeaderValue {
        let mut line = format!(
            "{}={value}; Path={}; Max-Age={max_age}; HttpOnly; SameSite={}",
            self.name.0, self.path, self.same_site
        );
        if self.secure {
            line.push_str("; Secure");
        }
        if let Some(domain) = &self.domain {
            line.push_str("; Domain=");
            line.push_str(domain);
        }
        let mut line =
            HeaderValue::try_from(line).expect("every part was checked to be visible ASCII");
        line.set_sensitive(true);
        line
    }

    fn checked(self) -> Result<Self, ConfigError> {
        let has_prefix = |prefix: &str| {
            let name = self.name.0.as_bytes();
            name.get(..prefix.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(prefix.as_bytes()))
        };
        let problem = if has_prefix("__Host-") && (&*self.path != "/" || self.domain.is_some()) {
            "a name with `__Host-` requires path `/` and no domain"
        } else if (has_prefix("__Host-") || has_prefix("__Secure-")) && !self.secure {
            "a name with `__Host-` or `__Secure-` requires `Secure`"
        } else if self.same_site == SameSite::None && !self.secure {
            "`SameSite=None` requires `Secure`"
        } else {
            return Ok(self);
        };
        Err(ConfigError::new("cookie", problem))
    }
}

/// Which cross-site requests browsers send a cookie with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_enums, reason = "the three values of RFC 6265bis")]
pub enum SameSite {
    /// None.
    Strict,
    /// Navigations by a safe method, so that a user who follows a link from another site is logged
    /// in.
    Lax,
    /// All.
    None,
}

impl fmt::Display for SameSite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Strict => "Strict",
            Self::Lax => "Lax",
            Self::None => "None",
        })
    }
}

/// A cookie name that is a token.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct CookieName(Arc<str>);

impl CookieName {
    pub(crate) fn new(name: &str) -> Result<Self, ConfigError> {
        if name.is_empty() || !name.bytes().all(is_token) {
            return Err(ConfigError::new(
                "cookie",
                "the name is not a token of RFC 9110",
            ));
        }
        Ok(Self(Arc::from(name)))
    }

    /// Finds the cookie in a request. Returns its header and the range of its value in it. An empty
    /// value counts as absent, since some clients keep one after the cookie was cleared.
    pub(crate) fn find<'a>(
        &self,
        headers: &'a HeaderMap,
    ) -> Result<Option<(&'a HeaderValue, Range<usize>)>, Rejection> {
        let mut found: Option<(&HeaderValue, Range<usize>)> = None;
        for header in headers.get_all(header::COOKIE) {
            for range in self.values(header.as_bytes()) {
                match &found {
                    None => found = Some((header, range)),
                    Some((first, at))
                        if first.as_bytes()[at.clone()] == header.as_bytes()[range.clone()] => {}
                    Some(_) => return Err(Rejection::malformed("two cookies of one name differ")),
                }
            }
        }
        Ok(found.filter(|(_, range)| !range.is_empty()))
    }

    /// Returns the ranges of the values of this name in one `Cookie` header.
    fn values(&self, header: &[u8]) -> impl Iterator<Item = Range<usize>> {
        let name = self.0.as_bytes();
        let mut start = 0;
        std::iter::from_fn(move || {
            while start <= header.len() {
                let rest = &header[start..];
                let length = rest
                    .iter()
                    .position(|byte| *byte == b';')
                    .unwrap_or(rest.len());
                let pair = start..start + length;
                start = pair.end + 1;
                if let Some(value) = value_of(header, pair, name) {
                    return Some(value);
                }
            }
            None
        })
    }
}

/// Returns the range of the value in `pair`, if the pair has this name. White space around name and
/// value is ignored, as in RFC 6265 section 5.2.
fn value_of(header: &[u8], pair: Range<usize>, name: &[u8]) -> Option<Range<usize>> {
    let Range { mut start, mut end } = pair;
    while start < end && is_blank(header[start]) {
        start += 1;
    }
    let equals = start + header[start..end].iter().position(|byte| *byte == b'=')?;
    if header[start..equals].trim_ascii_end() != name {
        return None;
    }
    start = equals + 1;
    while start < end && is_blank(header[start]) {
        start += 1;
    }
    while start < end && is_blank(header[end - 1]) {
        end -= 1;
    }
    Some(start..end)
}

const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// `tchar` of RFC 9110 section 5.6.2.
pub(crate) const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}

/// `cookie-octet` of RFC 6265 section 4.1.1.
const fn is_cookie_octet(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'"' | b',' | b';' | b'\\')
}

fn is_attribute(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_graphic() && byte != b';')
}

/// Every browser must support this size (RFC 6265bis section 5.6), and none accepts more.
const MAX_BYTES: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    fn find(name: &str, headers: &[&str]) -> Result<Option<String>, Rejection> {
        let mut map = HeaderMap::new();
        for value in headers {
            map.append(header::COOKIE, HeaderValue::from_str(value).unwrap());
        }
        let found = CookieName::new(name).unwrap().find(&map)?;
        Ok(found.map(|(header, range)| header.to_str().unwrap()[range].to_owned()))
    }

    #[test]
    fn a_cookie_is_found_among_others() {
        for line in [
            "sid=a",
            "x=1; sid=a",
            "sid=a; x=1",
            "x=1;sid=a;y",
            " ; sid = a ;",
            "xsid=b; sidx=c; sid=a",
            "a=sid=; sid=a",
        ] {
            assert_eq!(
                find("sid", &[line]).unwrap().as_deref(),
                Some("a"),
                "{line:?}"
            );
        }
        assert_eq!(
            find("sid", &["x=1", "sid=a"]).unwrap().as_deref(),
            Some("a")
        );
        assert_eq!(
            find("sid", &["sid=a=b=="]).unwrap().as_deref(),
            Some("a=b==")
        );
    }

    #[test]
    fn what_is_not_there_is_absent() {
        for line in [
            "",
            ";",
            "=",
            "sid",
            "SID=a",
            "sid=",
            "sid=; x=1",
            "x=sid",
            "=sid",
        ] {
            assert_eq!(find("sid", &[line]).unwrap(), None, "{line:?}");
        }
    }

    #[test]
    fn two_of_one_name_must_agree() {
        assert_eq!(
            find("sid", &["sid=a; sid=a"]).unwrap().as_deref(),
            Some("a")
        );
        for headers in [
            &["sid=a; sid=b"][..],
            &["sid=a", "sid=b"],
            &["sid=a; sid="],
            &["sid=a; x; sid=aa"],
        ] {
            assert!(find("sid", headers).is_err(), "{headers:?}");
        }
    }

    #[test]
    fn a_line_has_every_attribute() {
        let spec = CookieSpec::new("__Host-sid").unwrap();
        let line = spec.set("abc", Duration::from_secs(60)).unwrap();
        assert_eq!(
            line,
            "__Host-sid=abc; Path=/; Max-Age=60; HttpOnly; SameSite=Lax; Secure"
        );
        assert_eq!(
            spec.clear(),
            "__Host-sid=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax; Secure"
        );
        assert!(line.is_sensitive());
    }

    #[test]
    fn what_browsers_would_drop_is_an_error() {
        let host = || CookieSpec::new("__Host-sid").unwrap();
        assert!(host().with_path("/a").is_err());
        assert!(host().with_domain("acme.dev").is_err());
        assert!(host().dangerous_without_secure().is_err());
        assert!(
            CookieSpec::new("__host-sid")
                .unwrap()
                .with_path("/a")
                .is_err()
        );
        assert!(
            CookieSpec::new("__Secure-sid")
                .unwrap()
                .dangerous_without_secure()
                .is_err()
        );
        let plain = CookieSpec::new("sid")
            .unwrap()
            .dangerous_without_secure()
            .unwrap();
        assert!(plain.with_same_site(SameSite::None).is_err());
        assert!(host().set(&"a".repeat(4087), Duration::ZERO).is_err());
        assert!(host().set(&"a".repeat(4086), Duration::ZERO).is_ok());
    }

    #[test]
    fn nothing_can_be_smuggled_into_the_line() {
        for name in ["", "a b", "a=b", "a;b", "ä", "a\n"] {
            assert!(CookieSpec::new(name).is_err(), "{name:?}");
        }
        let spec = || CookieSpec::new("sid").unwrap();
        assert!(spec().with_path("/; Domain=evil").is_err());
        assert!(spec().with_domain("a; b").is_err());
        for value in ["a b", "a;b", "a,b", "\"a\"", "a\\b", "ä", "a\r\nb"] {
            assert!(spec().set(value, Duration::ZERO).is_err(), "{value:?}");
        }
    }
}
