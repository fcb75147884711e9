//! The HTTP client for requests to other servers, such as identity providers and their key sets. No
//! other module opens such connections.
//!
//! * **TLS is required.** Plain HTTP is rejected, unless the host is this machine and the caller
//!   allows it.
//! * **Redirects are not followed**: a request carries secrets, and the target could be any host.
//! * **Bounded** in time, from the first byte to the last, and in the size of the response.
//! * **No proxy** is read from the environment.

use std::{error::Error, fmt, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, header};
use url::{Host, Url};

use crate::error::{BoxError, ConfigError};

/// Sends requests. Clones are cheap and share their connections.
#[derive(Clone)]
pub(crate) struct Fetch {
    client: reqwest::Client,
    timeout: Duration,
}

/// The reason why there is no response. It quotes neither the request nor the response.
#[derive(Debug)]
pub(crate) struct FetchError {
    reason: &'static str,
    is_absent: bool,
    source: Option<BoxError>,
}

impl Fetch {
    /// Creates a client that gives up on a response after `timeout`.
    pub(crate) fn new(timeout: Duration) -> Result<Self, ConfigError> {
        if timeout < Duration::from_millis(1) || timeout > MAX_TIMEOUT {
            return Err(ConfigError::new(
                "request_timeout",
                "is not between a millisecond and 30 seconds",
            ));
        }
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .no_proxy()
            .connect_timeout(timeout)
            .timeout(timeout)
            .build()
            .map_err(|error| {
                ConfigError::new("request_timeout", "no HTTP client could be built")
                    .with_source(error)
            })?;
        Ok(Self { client, timeout })
    }

    /// Returns how long a response may take.
    pub(crate) const fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Fetches a JSON document and its headers. Any status other than 200 is an error.
    pub(crate) async fn get(
        &self,
        url: &Url,
        headers: HeaderMap,
    ) -> Result<Response<Bytes>, FetchError> {
        let mut request = Request::new(Vec::new());
        *request.uri_mut() = url
            .as_str()
            .parse()
            .map_err(|_| FetchError::new("the URL is not an HTTP URL"))?;
        *request.headers_mut() = headers;
        request.headers_mut().insert(header::ACCEPT, JSON);
        let response = self.send(request).await?;
        match response.status() {
            StatusCode::OK => Ok(response),
            status if status.is_redirection() => Err(FetchError::new(
                "the server sent a redirect, which is not followed",
            )),
            status => Err(FetchError {
                is_absent: status.is_client_error(),
                ..FetchError::new("the server responded with a status other than 200")
            }),
        }
    }

    /// Sends `request` and reads the response, regardless of its status.
    pub(crate) async fn send(
        &self,
        request: Request<Vec<u8>>,
    ) -> Result<Response<Bytes>, FetchError> {
        let request = reqwest::Request::try_from(request)
            .map_err(|_| FetchError::new("the request is not a valid HTTP request"))?;
        let mut received = self.client.execute(request).await.map_err(from_reqwest)?;
        if received
            .content_length()
            .is_some_and(|length| length > MAX_BYTES as u64)
        {
            return Err(FetchError::new(TOO_LARGE));
        }
        let mut body = Vec::new();
        while let Some(chunk) = received.chunk().await.map_err(from_reqwest)? {
            if body.len() + chunk.len() > MAX_BYTES {
                return Err(FetchError::new(TOO_LARGE));
            }
            body.extend_from_slice(&chunk);
        }
        let mut response = Response::new(Bytes::from(body));
        *response.status_mut() = received.status();
        *response.headers_mut() = received.headers().clone();
        Ok(response)
    }
}

impl fmt::Debug for Fetch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetch")
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

impl FetchError {
    const fn new(reason: &'static str) -> Self {
        Self {
            reason,
            is_absent: false,
            source: None,
        }
    }

    /// Whether the server reports that the document does not exist (a 4xx status).
    pub(crate) const fn is_absent(&self) -> bool {
        self.is_absent
    }
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason)
    }
}

impl Error for FetchError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// Wraps an error of the client. A URL may have secrets in its query, so it is omitted.
fn from_reqwest(error: reqwest::Error) -> FetchError {
    let reason = if error.is_timeout() {
        "the server did not respond in time"
    } else if error.is_connect() {
        "the server cannot be reached"
    } else {
        "the connection to the server failed"
    };
    FetchError {
        reason,
        is_absent: false,
        source: Some(error.without_url().into()),
    }
}

/// The URLs that requests may be sent to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum UrlScheme {
    /// Only `https`.
    Https,
    /// Also `http`, if the host is `localhost` or a loopback address.
    HttpOnLoopback,
}

impl UrlScheme {
    /// Parses a URL to which this crate sends requests or redirects browsers.
    pub(crate) fn url(self, setting: &'static str, text: &str) -> Result<Url, ConfigError> {
        let url = Url::parse(text).map_err(|error| {
            ConfigError::new(setting, "is not an absolute URL").with_source(error)
        })?;
        let is_loopback = match url.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        let is_allowed = match url.scheme() {
            "https" => url.has_host(),
            "http" => self == Self::HttpOnLoopback && is_loopback,
            _ => false,
        };
        if !is_allowed {
            return Err(ConfigError::new(setting, "is not an https URL"));
        }
        if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
            return Err(ConfigError::new(
                setting,
                "has a user, a password or a fragment",
            ));
        }
        Ok(url)
    }
}

const JSON: http::HeaderValue = http::HeaderValue::from_static("application/json");
const TOO_LARGE: &str = "the response is larger than 1 MiB";
/// Many times the size of the largest key sets.
const MAX_BYTES: usize = 1 << 20;
/// Longer than any user waits for a page.
const MAX_TIMEOUT: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_have_tls_or_are_this_machine() {
        let ok = |scheme: UrlScheme, text: &str| scheme.url("url", text).is_ok();
        for (text, https, loopback) in [
            ("https://id.acme.dev/token", true, true),
            ("https://id.acme.dev/token?tenant=1", true, true),
            ("http://id.acme.dev/token", false, false),
            ("http://127.0.0.1:8080/token", false, true),
            ("http://[::1]/token", false, true),
            ("http://localhost/token", false, true),
            ("http://localhost.evil.dev/token", false, false),
            ("http://127.0.0.1@evil.dev/token", false, false),
            ("https://user:secret@id.acme.dev/", false, false),
            ("https://id.acme.dev/#token", false, false),
            ("ftp://id.acme.dev/", false, false),
            ("/token", false, false),
            ("", false, false),
        ] {
            assert_eq!(ok(UrlScheme::Https, text), https, "{text}");
            assert_eq!(ok(UrlScheme::HttpOnLoopback, text), loopback, "{text}");
        }
    }
}
