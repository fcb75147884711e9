//! What the `oauth2` crate sends its requests by, and what it makes of the answers.

use std::{borrow::Cow, error::Error, fmt, future::Future, pin::Pin};

use http::StatusCode;
use oauth2::{
    AsyncHttpClient, ErrorResponse, ErrorResponseType, HttpRequest, HttpResponse,
    RequestTokenError, StandardErrorResponse,
};
use serde::{Deserialize, de::IgnoredAny};

use super::error::{self, OAuthError};
use crate::remote::fetch::{Fetch, FetchError};

/// What the crate sends its requests by.
pub(super) struct Http(pub(super) Fetch);

impl<'c> AsyncHttpClient<'c> for Http {
    type Error = Away;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, Away>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.send(request))
    }
}

impl Http {
    pub(super) async fn send(&self, request: HttpRequest) -> Result<HttpResponse, Away> {
        let answer = self.0.send(request).await.map_err(Away::Fetch)?;
        let status = answer.status();
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            return Err(Away::Status("the provider cannot answer now"));
        }
        if status.is_redirection() {
            return Err(Away::Status(
                "the provider redirects, which is not followed",
            ));
        }
        let (mut head, body) = answer.into_parts();
        if is_refusal(&body) {
            head.status = StatusCode::BAD_REQUEST;
        }
        Ok(HttpResponse::from_parts(head, body.to_vec()))
    }
}

/// GitHub refuses with 200.
fn is_refusal(body: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Refusal<'a> {
        #[serde(borrow)]
        error: Option<Cow<'a, str>>,
        access_token: Option<IgnoredAny>,
    }
    serde_json::from_slice::<Refusal<'_>>(body)
        .is_ok_and(|read| read.error.is_some() && read.access_token.is_none())
}

/// Says why there is no answer.
#[derive(Debug)]
pub(super) enum Away {
    Fetch(FetchError),
    Status(&'static str),
}

impl fmt::Display for Away {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fetch(error) => error.fmt(f),
            Self::Status(reason) => f.write_str(reason),
        }
    }
}

impl Error for Away {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Fetch(error) => error.source(),
            Self::Status(_) => None,
        }
    }
}

/// The crate's other errors have the answer's body in them, tokens and all, so they are not kept.
pub(super) fn of<T: ErrorResponse + HasCode>(error: RequestTokenError<Away, T>) -> OAuthError {
    match error {
        RequestTokenError::ServerResponse(refused) => OAuthError::Refused {
            code: error::code(&refused.code()),
        },
        RequestTokenError::Request(away) => OAuthError::unreachable(away),
        RequestTokenError::Parse(..) => OAuthError::Answer("it lacks what the protocol asks for"),
        RequestTokenError::Other(_) => OAuthError::Answer("it is empty, or not JSON"),
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
