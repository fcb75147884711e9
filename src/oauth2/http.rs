//! The HTTP client of the `oauth2` crate, and the mapping of its errors.

use std::{borrow::Cow, error::Error, fmt, future::Future, pin::Pin};

use http::StatusCode;
use oauth2::{
    AsyncHttpClient, ErrorResponse, ErrorResponseType, HttpRequest, HttpResponse,
    RequestTokenError, StandardErrorResponse,
};
use serde::{Deserialize, de::IgnoredAny};

use super::error::{self, OAuthError};
use crate::remote::fetch::{Fetch, FetchError};

/// The HTTP client of the `oauth2` crate.
pub(super) struct Http(pub(super) Fetch);

impl<'c> AsyncHttpClient<'c> for Http {
    type Error = TransportError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, TransportError>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.send(request))
    }
}

impl Http {
    pub(super) async fn send(&self, request: HttpRequest) -> Result<HttpResponse, TransportError> {
        let response = self.0.send(request).await.map_err(TransportError::Fetch)?;
        let status = response.status();
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            return Err(TransportError::Status(
                "the provider is temporarily unavailable",
            ));
        }
        if status.is_redirection() {
            return Err(TransportError::Status(
                "the provider sent a redirect, which is not followed",
            ));
        }
        let (mut head, body) = response.into_parts();
        if is_error_response(&body) {
            head.status = StatusCode::BAD_REQUEST;
        }
        Ok(HttpResponse::from_parts(head, body.to_vec()))
    }
}

/// GitHub reports errors with status 200.
fn is_error_response(body: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct ErrorBody<'a> {
        #[serde(borrow)]
        error: Option<Cow<'a, str>>,
        access_token: Option<IgnoredAny>,
    }
    serde_json::from_slice::<ErrorBody<'_>>(body)
        .is_ok_and(|body| body.error.is_some() && body.access_token.is_none())
}

/// The reason that there is no response.
#[derive(Debug)]
pub(super) enum TransportError {
    Fetch(FetchError),
    Status(&'static str),
}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fetch(error) => error.fmt(f),
            Self::Status(reason) => f.write_str(reason),
        }
    }
}

impl Error for TransportError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Fetch(error) => error.source(),
            Self::Status(_) => None,
        }
    }
}

/// The crate's other errors contain the body of the response, including tokens, so they are
/// dropped.
pub(super) fn map_error<T: ErrorResponse + HasCode>(
    error: RequestTokenError<TransportError, T>,
) -> OAuthError {
    match error {
        RequestTokenError::ServerResponse(response) => OAuthError::Refused {
            code: error::code(&response.code()),
        },
        RequestTokenError::Request(error) => OAuthError::unreachable(error),
        RequestTokenError::Parse(..) => OAuthError::Answer("it lacks a required member"),
        RequestTokenError::Other(_) => OAuthError::Answer("it is empty or not JSON"),
    }
}

pub(super) trait HasCode {
    fn code(&self) -> String;
}

impl<T: ErrorResponseType + fmt::Display> HasCode for StandardErrorResponse<T> {
    fn code(&self) -> String {
        self.error().to_string()
    }
}
