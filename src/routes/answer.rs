//! The error responses of the routes.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

use crate::{
    account::{Challenge, LoginError},
    error::StoreError,
    password::NewPasswordError,
    rejection::Rejection,
};

pub(super) type RouteResult = Result<Response, RouteError>;

/// Adds `Cache-Control: no-store` to a response.
pub(super) fn no_store(response: impl IntoResponse) -> Response {
    let no_store = (header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    ([no_store], response).into_response()
}

/// An error of the library or of the routes. Either becomes `application/problem+json` (RFC 9457).
pub(super) enum RouteError {
    Rejected(Rejection),
    Detail(StatusCode, String),
    /// 401 with a stable error code, a detail, and the challenge that the next step needs.
    Code(&'static str, &'static str, Option<Challenge>),
    /// 401 for a service that failed to authenticate, with the challenge of RFC 7617.
    UnknownService,
}

impl RouteError {
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self::Detail(status, detail.into())
    }

    pub(super) fn unprocessable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
    }
}

impl From<Rejection> for RouteError {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}

impl From<LoginError> for RouteError {
    fn from(error: LoginError) -> Self {
        match error {
            LoginError::WrongCredentials => {
                Self::new(StatusCode::UNAUTHORIZED, "wrong name or password")
            }
            LoginError::WrongCode => Self::Code("wrong_code", "wrong code", None),
            LoginError::ChallengeOver => {
                let detail = "the login has expired or was already completed";
                Self::Code("challenge_over", detail, None)
            }
            LoginError::OtpRequired(challenge) => Self::Code(
                "otp_required",
                "a one-time code is required",
                Some(challenge),
            ),
            LoginError::NewPassword(NewPasswordError::Unchecked(source)) => {
                Self::Rejected(StoreError::Unavailable(source).into())
            }
            LoginError::NewPassword(error) => Self::unprocessable(error.to_string()),
            LoginError::Rejected(rejection) => Self::Rejected(rejection),
        }
    }
}

impl IntoResponse for LoginError {
    fn into_response(self) -> Response {
        RouteError::from(self).into_response()
    }
}

impl IntoResponse for RouteError {
    fn into_response(self) -> Response {
        let (status, detail, code, challenge) = match self {
            Self::Rejected(rejection) => return rejection.into_response(),
            Self::Detail(status, detail) => (status, detail, None, None),
            Self::UnknownService => {
                let basic = HeaderValue::from_static(r#"Basic realm="introspection""#);
                let error = Self::new(StatusCode::UNAUTHORIZED, "service authentication failed");
                return ([(header::WWW_AUTHENTICATE, basic)], error).into_response();
            }
            Self::Code(code, detail, challenge) => (
                StatusCode::UNAUTHORIZED,
                detail.to_owned(),
                Some(code),
                challenge,
            ),
        };
        let mut problem = json!({
            "type": "about:blank",
            "title": status.canonical_reason(),
            "status": status.as_u16(),
            "detail": detail,
        });
        if let Some(code) = code {
            problem["error"] = code.into();
        }
        if let Some(challenge) = challenge {
            problem["challenge"] = challenge.expose().into();
        }
        let content_type = HeaderValue::from_static("application/problem+json");
        let no_store = HeaderValue::from_static("no-store");
        let headers = [
            (header::CONTENT_TYPE, content_type),
            (header::CACHE_CONTROL, no_store),
        ];
        (status, headers, problem.to_string()).into_response()
    }
}
