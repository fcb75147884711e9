//! The address that a proof is for, in the one form in which two can be compared.

use url::Url;

use crate::error::ConfigError;

/// Where clients reach this service: what is before the path of a request.
#[derive(Debug)]
pub(super) struct PublicUrl(String);

impl PublicUrl {
    pub(super) fn new(text: &str) -> Result<Self, ConfigError> {
        let refuse = |reason| ConfigError::new("public_url", reason);
        let url = Url::parse(text).map_err(|_| refuse("is not an absolute URL"))?;
        if url.query().is_some() || url.fragment().is_some() {
            return Err(refuse("has a query or a fragment"));
        }
        let url =
            normal(url).ok_or_else(|| refuse("is not one of https or http without a user"))?;
        Ok(Self(url.trim_end_matches('/').to_owned()))
    }

    /// Whether `stated` is the address of a request for `path` here.
    pub(super) fn is_at(&self, path: &str, stated: &str) -> bool {
        let normal = |text: &str| Url::parse(text).ok().and_then(normal);
        // The two are put together first: a path must not climb out of what is before it unnoticed.
        let own = normal(&format!("{}{path}", self.0));
        own.is_some() && own == normal(stated)
    }
}

/// Without query and fragment (RFC 9449 section 4.3), and normalised by RFC 3986 sections 6.2.2 and 6.2.3: the case of scheme
/// and host, the default port, an empty path and dot segments by the parser, the escapes of the path here.
fn normal(mut url: Url) -> Option<String> {
    let is_http = matches!(url.scheme(), "https" | "http") && url.has_host();
    if !is_http || !url.username().is_empty() || url.password().is_some() {
        return None;
    }
    url.set_query(None);
    url.set_fragment(None);
    let origin = url.origin().ascii_serialization();
    Some(format!("{origin}{}", unescaped(url.path())))
}

/// RFC 3986 section 6.2.2.2: what needs no escape has none; other escapes are in upper case.
fn unescaped(path: &str) -> String {
    let mut rest = path;
    let mut normal = String::with_capacity(path.len());
    while let Some(at) = rest.find('%') {
        let (before, escape) = rest.split_at(at);
        normal.push_str(before);
        let Some((byte, after)) = escaped(escape) else {
            normal.push('%');
            rest = &escape[1..];
            continue;
        };
        match byte {
            b'-' | b'.' | b'_' | b'~' => normal.push(char::from(byte)),
            byte if byte.is_ascii_alphanumeric() => normal.push(char::from(byte)),
            byte => normal.push_str(&format!("%{byte:02X}")),
        }
        rest = after;
    }
    normal + rest
}

/// The byte that an escape stands for, and what is behind it.
fn escaped(text: &str) -> Option<(u8, &str)> {
    let digits = text.get(1..3)?;
    let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    let byte = u8::from_str_radix(digits, 16).ok().filter(|_| is_hex)?;
    Some((byte, &text[3..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_compared_in_their_normal_form() {
        let here = PublicUrl::new("https://Api.Acme.dev:443/").unwrap();
        for same in [
            "https://api.acme.dev/a/b",
            "HTTPS://API.ACME.DEV/a/b",
            "https://api.acme.dev:443/a/b",
            "https://api.acme.dev/a/b?x=1#y",
            "https://api.acme.dev/a/./c/../b",
            "https://api.acme.dev/%61/b",
        ] {
            assert!(here.is_at("/a/b", same), "{same}");
        }
        for other in [
            "https://api.acme.dev/a/b/",
            "https://api.acme.dev/a/B",
            "https://api.acme.dev/a//b",
            "https://api.acme.dev/a%2Fb",
            "http://api.acme.dev/a/b",
            "https://api.acme.dev:8443/a/b",
            "https://acme.dev/a/b",
            "https://api.acme.dev.evil.example/a/b",
            "https://u@api.acme.dev/a/b",
            "https://api.acme.dev@evil.example/a/b",
            "/a/b",
            "",
            "*",
            "wss://api.acme.dev/a/b",
        ] {
            assert!(!here.is_at("/a/b", other), "{other}");
        }
        assert!(here.is_at("/", "https://api.acme.dev"));
        assert!(here.is_at(
            "/%7ealice/%c3%a4%2f",
            "https://api.acme.dev/~alice/%C3%A4%2F"
        ));
    }

    #[test]
    fn a_path_that_was_taken_away_is_put_back() {
        let nested = PublicUrl::new("https://acme.dev/api/").unwrap();
        assert!(nested.is_at("/me", "https://acme.dev/api/me"));
        assert!(!nested.is_at("/me", "https://acme.dev/me"));
        assert!(!nested.is_at("@evil.example/", "https://evil.example/"));
        let origin = PublicUrl::new("https://acme.dev").unwrap();
        assert!(!origin.is_at("@evil.example/", "https://evil.example/"));
        assert!(!origin.is_at(".evil.example/", "https://evil.example/"));
    }

    #[test]
    fn a_public_url_is_one_of_http_without_secrets() {
        for bad in [
            "",
            "acme.dev",
            "/",
            "ftp://acme.dev",
            "https://u:p@acme.dev",
            "https://acme.dev?x",
            "https://acme.dev#x",
        ] {
            assert!(PublicUrl::new(bad).is_err(), "{bad}");
        }
    }
}
