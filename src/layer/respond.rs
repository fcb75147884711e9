//! Responders: how a rejection becomes an HTTP or gRPC response.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, header, request::Parts};
use serde::Serialize;

use crate::{error::ConfigError, rejection::Rejection};

/// Turns a [`Rejection`] into a response. Closures implement it.
pub trait Respond<B>: Clone + Send + Sync + 'static {
    /// Returns the response for `rejection`. `asked` describes the request.
    fn respond(&self, rejection: &Rejection, asked: &RequestContext) -> Response<B>;
}

impl<F, B> Respond<B> for F
where
    F: Fn(&Rejection, &RequestContext) -> Response<B> + Clone + Send + Sync + 'static,
{
    fn respond(&self, rejection: &Rejection, asked: &RequestContext) -> Response<B> {
        self(rejection, asked)
    }
}

/// The facts about a request that determine the form of its response.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct RequestContext {
    /// Whether its content type is gRPC.
    pub is_grpc: bool,
    /// Whether it prefers HTML, as a browser does that follows a link.
    pub wants_html: bool,
}

impl RequestContext {
    /// Reads the facts from a request's headers.
    #[must_use]
    pub fn of_request<B>(request: &Request<B>) -> Self {
        Self::of_headers(request.headers())
    }

    pub(super) fn of(parts: &Parts) -> Self {
        Self::of_headers(&parts.headers)
    }

    fn of_headers(headers: &HeaderMap) -> Self {
        let begins_with = |name: HeaderName, start: &[u8]| {
            let value = headers.get(name).map_or(&[][..], HeaderValue::as_bytes);
            value
                .get(..start.len())
                .is_some_and(|value| value.eq_ignore_ascii_case(start))
        };
        Self {
            is_grpc: begins_with(header::CONTENT_TYPE, b"application/grpc"),
            wants_html: begins_with(header::ACCEPT, b"text/html"),
        }
    }
}

/// Answers with `application/problem+json` (RFC 9457) and the challenge of RFC 6750.
///
/// The body is `{"type":"about:blank","title":…,"status":…,"detail":…}`, with `error` if RFC 6750
/// or RFC 9470 defines a code. It is the same for every rejection of a kind; only the log contains
/// the reason.
///
/// It produces every body type that is `From<Bytes>`. For others, see
/// [`with_body`](Self::with_body).
#[derive(Clone)]
#[must_use]
pub struct HttpResponder<F = FromBytes> {
    realm: Arc<str>,
    into_body: F,
}

/// Creates bodies by `From<Bytes>`.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct FromBytes;

/// Creates bodies by a function.
#[derive(Clone, Copy, Debug)]
pub struct WithBody<F>(F);

impl HttpResponder {
    /// Creates a responder with the realm `api`.
    pub fn new() -> Self {
        Self {
            realm: Arc::from("api"),
            into_body: FromBytes,
        }
    }
}

impl<F> HttpResponder<F> {
    /// Sets the name of the protection space in challenges (RFC 9110 section 11.5).
    ///
    /// # Errors
    ///
    /// If the realm is empty or contains a character other than visible ASCII and space.
    pub fn with_realm(mut self, realm: &str) -> Result<Self, ConfigError> {
        self.realm = checked_realm(realm)?;
        Ok(self)
    }

    /// Creates the body with `into_body`, for body types that are not `From<Bytes>`, such as boxed
    /// ones.
    pub fn with_body<G>(self, into_body: G) -> HttpResponder<WithBody<G>> {
        HttpResponder {
            realm: self.realm,
            into_body: WithBody(into_body),
        }
    }

    fn answer<B>(&self, rejection: &Rejection, into_body: impl FnOnce(Bytes) -> B) -> Response<B> {
        let status = rejection.status();
        let problem = ProblemBody {
            r#type: "about:blank",
            title: status.canonical_reason().unwrap_or_default(),
            status: status.as_u16(),
            detail: rejection.message(),
            error: rejection.error_code(),
        };
        let body = serde_json::to_vec(&problem).expect("strings and a number serialise as JSON");
        let mut response = Response::new(into_body(Bytes::from(body)));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        add_headers(headers, rejection, &self.realm);
        response
    }
}

impl Default for HttpResponder {
    fn default() -> Self {
        Self::new()
    }
}

impl<F> fmt::Debug for HttpResponder<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpResponder")
            .field("realm", &self.realm)
            .finish_non_exhaustive()
    }
}

impl<B: From<Bytes>> Respond<B> for HttpResponder {
    fn respond(&self, rejection: &Rejection, _: &RequestContext) -> Response<B> {
        self.answer(rejection, B::from)
    }
}

impl<F, B> Respond<B> for HttpResponder<WithBody<F>>
where
    F: Fn(Bytes) -> B + Clone + Send + Sync + 'static,
{
    fn respond(&self, rejection: &Rejection, _: &RequestContext) -> Response<B> {
        self.answer(rejection, &self.into_body.0)
    }
}

/// Answers as a gRPC server does: HTTP 200, no body, the status in the headers ("trailers-only").
///
/// `grpc-message` is the same for every rejection of a kind. The challenge is the metadata
/// `www-authenticate`.
#[derive(Clone, Debug)]
#[must_use]
pub struct GrpcResponder {
    realm: Arc<str>,
}

impl GrpcResponder {
    /// Creates a responder with the realm `api`.
    pub fn new() -> Self {
        Self {
            realm: Arc::from("api"),
        }
    }
}

impl GrpcResponder {
    /// Sets the name of the protection space in challenges (RFC 9110 section 11.5).
    ///
    /// # Errors
    ///
    /// If the realm is empty or contains a character other than visible ASCII and space.
    pub fn with_realm(mut self, realm: &str) -> Result<Self, ConfigError> {
        self.realm = checked_realm(realm)?;
        Ok(self)
    }
}

impl Default for GrpcResponder {
    fn default() -> Self {
        Self::new()
    }
}

impl<B: Default> Respond<B> for GrpcResponder {
    fn respond(&self, rejection: &Rejection, _: &RequestContext) -> Response<B> {
        let mut response = Response::new(B::default());
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/grpc"),
        );
        headers.insert(
            GRPC_STATUS,
            HeaderValue::from(u16::from(rejection.grpc_code())),
        );
        headers.insert(GRPC_MESSAGE, HeaderValue::from_static(rejection.message()));
        add_headers(headers, rejection, &self.realm);
        response
    }
}

fn checked_realm(realm: &str) -> Result<Arc<str>, ConfigError> {
    let is_text = |c: char| c.is_ascii_graphic() || c == ' ';
    if realm.is_empty() || !realm.chars().all(is_text) {
        return Err(ConfigError::new(
            "realm",
            "must consist of visible ASCII and spaces",
        ));
    }
    Ok(Arc::from(realm))
}

/// Adds the headers that a caller can act on: the challenge, the DPoP nonce and the time to retry.
fn add_headers(headers: &mut HeaderMap, rejection: &Rejection, realm: &str) {
    if let Some(challenge) = rejection.challenge(realm) {
        let challenge = HeaderValue::try_from(challenge).expect("a challenge is visible ASCII");
        headers.insert(header::WWW_AUTHENTICATE, challenge);
    }
    let nonce = rejection.dpop_nonce().map(HeaderValue::try_from);
    if let Some(Ok(nonce)) = nonce {
        headers.insert(DPOP_NONCE, nonce);
    }
    if let Some(seconds) = rejection.retry_after() {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
}

#[derive(Serialize)]
struct ProblemBody {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    detail: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'static str>,
}

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const DPOP_NONCE: HeaderName = HeaderName::from_static("dpop-nonce");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
