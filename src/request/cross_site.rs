//! The check that no other site caused a request, by the headers that browsers send.

use http::{HeaderMap, HeaderName, Method, Uri, header, request::Parts, uri::Authority};

use crate::rejection::Rejection;

/// Rejects a request with an unsafe method or an upgrade that did not come from the service's own
/// pages.
///
/// `Sec-Fetch-Site` (W3C Fetch Metadata) decides if it is present. Otherwise `Origin` must equal
/// the host. A request with neither header does not come from a current browser.
pub(crate) fn check(request: &Parts) -> Result<(), Rejection> {
    let Parts {
        method,
        headers,
        uri,
        ..
    } = request;
    // A WebSocket handshake is a GET that a page of any site may make, cookies included.
    let is_safe = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    if is_safe && !headers.contains_key(header::UPGRADE) && method != Method::CONNECT {
        return Ok(());
    }
    let mut fetch_sites = headers.get_all(&SEC_FETCH_SITE).iter().peekable();
    if fetch_sites.peek().is_some() {
        let is_own = |value: &http::HeaderValue| value == "same-origin" || value == "none";
        return if fetch_sites.all(is_own) {
            Ok(())
        } else {
            Err(Rejection::cross_site("Sec-Fetch-Site names another origin"))
        };
    }
    let mut origins = headers.get_all(header::ORIGIN).iter().peekable();
    if origins.peek().is_none() {
        return Ok(());
    }
    let host = host(headers, uri)
        .ok_or_else(|| Rejection::cross_site("the request has an Origin but no host"))?;
    if origins.all(|origin| is_at(origin.as_bytes(), &host)) {
        Ok(())
    } else {
        Err(Rejection::cross_site("the Origin is not the host"))
    }
}

/// Returns the requested host: `:authority` in HTTP/2, the only `Host` header in HTTP/1.1.
fn host(headers: &HeaderMap, uri: &Uri) -> Option<Authority> {
    if let Some(authority) = uri.authority() {
        return Some(authority.clone());
    }
    let mut hosts = headers.get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(host), None) => Authority::try_from(host.as_bytes()).ok(),
        _ => None,
    }
}

/// Whether a serialised origin (RFC 6454 section 6.2) has this host and port. The origin's scheme
/// determines the default port on both sides, since a proxy may have terminated TLS.
fn is_at(origin: &[u8], host: &Authority) -> bool {
    let Ok(origin) = Uri::try_from(origin) else {
        return false;
    };
    let (Some(scheme), Some(authority)) = (origin.scheme_str(), origin.authority()) else {
        return false;
    };
    let default_port = match scheme {
        "http" => 80,
        "https" => 443,
        _ => return false,
    };
    let port = |authority: &Authority| authority.port_u16().unwrap_or(default_port);
    authority.host().eq_ignore_ascii_case(host.host()) && port(authority) == port(host)
}

static SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

#[cfg(test)]
mod tests {
    use super::*;

    fn passes(method: &str, headers: &[(&'static str, &str)]) -> bool {
        let mut request = http::Request::builder().method(method).uri("/");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        check(&request.body(()).unwrap().into_parts().0).is_ok()
    }

    #[test]
    fn safe_methods_pass_from_anywhere_unless_they_upgrade() {
        for method in ["GET", "HEAD", "OPTIONS"] {
            assert!(passes(method, &[("sec-fetch-site", "cross-site")]));
            assert!(!passes(
                method,
                &[("sec-fetch-site", "cross-site"), ("upgrade", "websocket")]
            ));
        }
        for method in [
            "POST", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "PURGE",
        ] {
            assert!(
                !passes(method, &[("sec-fetch-site", "cross-site")]),
                "{method}"
            );
        }
    }

    #[test]
    fn fetch_metadata_decides_where_it_is_sent() {
        let own_origin = [("host", "acme.dev"), ("origin", "https://acme.dev")];
        for site in [
            "cross-site",
            "same-site",
            "",
            "SAME-ORIGIN",
            "same-origin, none",
        ] {
            let mut headers = own_origin.to_vec();
            headers.push(("sec-fetch-site", site));
            assert!(!passes("POST", &headers), "{site:?}");
        }
        for site in ["same-origin", "none"] {
            assert!(passes("POST", &[("sec-fetch-site", site)]), "{site:?}");
        }
        assert!(!passes(
            "POST",
            &[("sec-fetch-site", "none"), ("sec-fetch-site", "cross-site")]
        ));
    }

    #[test]
    fn without_it_the_origin_must_equal_the_host() {
        assert!(passes("POST", &[("host", "acme.dev")]));
        for (host, origin) in [
            ("acme.dev", "https://acme.dev"),
            ("acme.dev", "http://acme.dev:80"),
            ("acme.dev:443", "https://ACME.dev"),
            ("127.0.0.1:3000", "http://127.0.0.1:3000"),
            ("[::1]:3000", "http://[::1]:3000"),
        ] {
            assert!(
                passes("POST", &[("host", host), ("origin", origin)]),
                "{origin}"
            );
        }
        for origin in [
            "null",
            "",
            "https://evil.dev",
            "https://acme.dev.evil.dev",
            "https://acme.dev:8443",
            "http://sub.acme.dev",
            "acme.dev",
            "ftp://acme.dev",
            "https://acme.dev@evil.dev",
            "https://evil.dev/acme.dev",
            "*",
        ] {
            assert!(
                !passes("POST", &[("host", "acme.dev"), ("origin", origin)]),
                "{origin}"
            );
        }
        assert!(!passes("POST", &[("origin", "https://acme.dev")]));
        assert!(!passes(
            "POST",
            &[
                ("host", "acme.dev"),
                ("host", "evil.dev"),
                ("origin", "https://evil.dev")
            ]
        ));
    }
}
