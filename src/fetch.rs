//! Requests to other servers: to identity providers, and for their keys. The one place that opens such a connection.
//!
//! * **TLS always.** Plain HTTP is refused, unless the host is this machine and the caller has said so.
//! * **No redirect is followed**: a request carries secrets, and the other host may be anybody's.
//! * **Bounded** in time, from the first byte to the last, and in what is read of an answer.
//! * **No proxy** is taken from the environment.

use std::{error::Error, fmt, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, header};
use url::{Host, Url};

use crate::error::{BoxError, ConfigError};

/// Sends requests. Cloning it is cheap, and clones share their connections.
#[derive(Clone)]
pub(crate) struct Fetch {
    client: reqwest::Client,
    timeout: Duration,
}

/// Says why there is no answer. It quotes neither the request nor the answer.
#[derive(Debug)]
pub(crate) struct FetchError {
    reason: &'static str,
    is_absent: bool,
    source: Option<BoxError>,
}

impl Fetch {
    /// Gives up on an answer after `timeout`.
    pub(crate) fn new(timeout: Duration) -> Result<Self, ConfigError> {
        if timeout < Duration::from_millis(1) || timeout > MAX_TIMEOUT {
            return Err(ConfigError::new(
                "timeout",
                "is not between a millisecond and half a minute",
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
                ConfigError::new("timeout", "no HTTP client could be built").because(error)
            })?;
        Ok(Self { client, timeout })
    }

    /// How long an answer may take.
    pub(crate) const fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Reads a JSON document and its headers; any status but 200 is an error.
    pub(crate) async fn get(
        &self,
        url: &Url,
        headers: HeaderMap,
    ) -> Result<Response<Bytes>, FetchError> {
        let mut request = Request::new(Vec::new());
        *request.uri_mut() = url
            .as_str()
            .parse()
            .map_err(|_| FetchError::new("the URL is not one of HTTP"))?;
        *request.headers_mut() = headers;
        request.headers_mut().insert(header::ACCEPT, JSON);
        let response = self.send(request).await?;
        match response.status() {
            StatusCode::OK => Ok(response),
            status if status.is_redirection() => Err(FetchError::new(
                "the server redirects, which is not followed",
            )),
            status => Err(FetchError {
                is_absent: status.is_client_error(),
                ..FetchError::new("the server answered with another status than 200")
            }),
        }
    }

    /// Sends `request` and reads the answer, whatever its status.
    pub(crate) async fn send(
        &self,
        request: Request<Vec<u8>>,
    ) -> Result<Response<Bytes>, FetchError> {
        let request = reqwest::Request::try_from(request)
            .map_err(|_| FetchError::new("no request of HTTP"))?;
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

    /// Whether the server has nothing there, by what it says.
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

/// A URL may have secrets in its query, so it is left out.
fn from_reqwest(error: reqwest::Error) -> FetchError {
    let reason = match () {
        () if error.is_timeout() => "the server did not answer in time",
        () if error.is_connect() => "the server is not reached",
        () => "the connection to the server broke",
    };
    FetchError {
        reason,
        is_absent: false,
        source: Some(error.without_url().into()),
    }
}

/// Which URLs may be asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum UrlScheme {
    /// `https` alone.
    Https,
    /// `http` too, if the host is `localhost` or an address of the loopback interface.
    HttpOnLoopback,
}

impl UrlScheme {
    /// Reads a URL that this crate will send requests to, or send browsers to.
    pub(crate) fn url(self, setting: &'static str, text: &str) -> Result<Url, ConfigError> {
        let url = Url::parse(text)
            .map_err(|error| ConfigError::new(setting, "is not an absolute URL").because(error))?;
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
const TOO_LARGE: &str = "the answer is larger than a megabyte";
/// Many times the largest set of keys there is.
const MAX_BYTES: usize = 1 << 20;
/// Longer than anybody waits for a page.
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
