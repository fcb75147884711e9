//! Normalizes the URL that a proof is for, so that two URLs can be compared.

use crate::error::ConfigError;

/// The URL at which clients reach this service: the part before the path of a request.
#[derive(Debug)]
pub(super) struct PublicUrl(String);

impl PublicUrl {
    pub(super) fn new(text: &str) -> Result<Self, ConfigError> {
        let reject = |reason| ConfigError::new("public_url", reason);
        if !text.contains("://") {
            return Err(reject("is not an absolute URL"));
        }
        if text.contains(['?', '#']) {
            return Err(reject("has a query or a fragment"));
        }
        if !text.is_ascii() {
            return Err(reject(
                "is not ASCII: state the host in its DNS form, `xn--…`",
            ));
        }
        let url = normalized(text);
        let url = url.ok_or_else(|| reject("is not an https or http URL without a user"))?;
        Ok(Self(url.trim_end_matches('/').to_owned()))
    }

    /// Returns whether `stated` is the URL of a request for `path` here.
    pub(super) fn is_at(&self, path: &str, stated: &str) -> bool {
        if !path.starts_with('/') {
            return false;
        }
        // Joined before they are normalized, so that dot segments cannot leave the public URL
        // unnoticed.
        let own = normalized(&format!("{}{path}", self.0));
        own.is_some() && own == normalized(stated)
    }
}

/// Removes query and fragment (RFC 9449 section 4.3), and normalizes by RFC 3986 sections 6.2.2 and
/// 6.2.3: the case of scheme and host, escapes, dot segments, the default port and an empty path.
/// Returns `None` for anything but an http or https URI without a user.
///
/// Browsers have their own rules (WHATWG), by which a backslash is a slash and a tab is ignored.
/// Those are for URLs that people type and do not apply to proofs.
fn normalized(text: &str) -> Option<String> {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && byte != b'\\';
    if !text.bytes().all(is_plain) {
        return None;
    }
    let (scheme, rest) = text.split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    let default_port = match &*scheme {
        "https" => "443",
        "http" => "80",
        _ => return None,
    };
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let path_at = rest.find('/').unwrap_or(rest.len());
    let (authority, path) = rest.split_at(path_at);
    let (host, port) = host_and_port(authority)?;
    let host = unescaped(host).to_ascii_lowercase();
    let port = match port {
        "" => String::new(),
        port if port == default_port => String::new(),
        port => format!(":{port}"),
    };
    let path = without_dots(&unescaped(path));
    Some(format!("{scheme}://{host}{port}{path}"))
}

/// Returns the two parts of an authority without a user (RFC 3986 section 3.2).
fn host_and_port(authority: &str) -> Option<(&str, &str)> {
    let host_ends = if authority.starts_with('[') {
        authority.find(']')? + 1
    } else {
        authority.find(':').unwrap_or(authority.len())
    };
    let (host, port) = authority.split_at(host_ends);
    let port = match port {
        "" => "",
        port => port.strip_prefix(':')?,
    };
    let is_valid = !host.is_empty() && !authority.contains('@');
    (is_valid && port.bytes().all(|byte| byte.is_ascii_digit())).then_some((host, port))
}

/// Removes dot segments (RFC 3986 section 5.2.4) from a path that is empty or begins with a slash.
fn without_dots(path: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    let mut rest = path.strip_prefix('/').unwrap_or(path).split('/').peekable();
    while let Some(segment) = rest.next() {
        let is_last = rest.peek().is_none();
        match segment {
            "." => {}
            ".." => drop(segments.pop()),
            segment => {
                segments.push(segment);
                continue;
            }
        }
        if is_last {
            segments.push("");
        }
    }
    format!("/{}", segments.join("/"))
}

/// Decodes escapes that are not needed, and writes the others in upper case (RFC 3986 section
/// 6.2.2.2).
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

/// Returns the byte that an escape stands for, and the text after it.
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
            "https://api.acme.dev:/a/b",
            "https://api.acme.dev/a/b#?x",
            "https://api%2Eacme%2edev/a/b",
            "https://api.acme.dev/../a/%2E/b",
            "https://api.acme.dev/a/c/%2e%2E/b",
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
            // Browsers take these for the same URL.
            "https:\\\\api.acme.dev\\a\\b",
            "https:/api.acme.dev/a/b",
            "https:///api.acme.dev/a/b",
            "https:api.acme.dev/a/b",
            " https://api.acme.dev/a/b",
            "https://api.acme.dev/a/b ",
            "https://api.acme.dev/a\t/b",
            "https://api.acme.dev/a\n/b",
            "https://\u{ff41}pi.acme.dev/a/b",
            "https://api\u{3002}acme.dev/a/b",
            "https://@api.acme.dev/a/b",
            "https://:@api.acme.dev/a/b",
            // Not a URI, or another one.
            "https://api.acme.dev:x/a/b",
            "https://api.acme.dev:443:443/a/b",
            "https://api.acme.dev./a/b",
            "https://api.acme.dev/a/b/.",
            "https://api.acme.dev/a/b/c/..",
            "https://api.acme.dev/a/b%00",
            "https://",
            "https://?x",
            "://api.acme.dev/a/b",
        ] {
            assert!(!here.is_at("/a/b", other), "{other}");
        }
        assert!(here.is_at("/", "https://api.acme.dev"));
        assert!(here.is_at("/", "https://api.acme.dev?x"));
        let host = PublicUrl::new("http://127.0.0.1:80").unwrap();
        assert!(host.is_at("/", "http://127.0.0.1"));
        for other in ["http://127.1", "http://0x7f.0.0.1", "http://2130706433"] {
            assert!(!host.is_at("/", other), "{other}");
        }
        let host = PublicUrl::new("https://[2001:DB8::1]:8443").unwrap();
        assert!(host.is_at("/a", "https://[2001:db8::1]:8443/a"));
        assert!(!host.is_at("/a", "https://[2001:db8::1]/a"));
        assert!(here.is_at(
            "/%7ealice/%c3%a4%2f",
            "https://api.acme.dev/~alice/%C3%A4%2F"
        ));
    }

    #[test]
    fn a_path_that_a_proxy_strips_is_restored() {
        let nested = PublicUrl::new("https://acme.dev/api/").unwrap();
        assert!(nested.is_at("/me", "https://acme.dev/api/me"));
        assert!(!nested.is_at("/me", "https://acme.dev/me"));
        assert!(!nested.is_at("@evil.example/", "https://evil.example/"));
        let origin = PublicUrl::new("https://acme.dev").unwrap();
        assert!(!origin.is_at("@evil.example/", "https://evil.example/"));
        assert!(!origin.is_at(".evil.example/", "https://evil.example/"));
    }

    #[test]
    fn a_public_url_is_an_http_url_without_secrets() {
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
