//! Why nobody was logged in by a provider.

use std::{borrow::Cow, error::Error, fmt, sync::Arc};

use http::StatusCode;

use crate::error::{IssueError, StoreError};

/// Says why a provider's login, or a request to a provider, came to nothing. It quotes no token, code or claim, and nothing of
/// an answer but the error code.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum OAuthError {
    /// The login was not begun here, by this browser, in the last ten minutes; or it is over already.
    UnknownState,
    /// The provider's answer is an error: the user said no, most often.
    Denied {
        /// The error code of RFC 6749 section 4.1.2.1, such as `access_denied`.
        code: String,
    },
    /// The provider's answer has no code, or an absurd one.
    Malformed(&'static str),
    /// The answer is another provider's (RFC 9207).
    Issuer,
    /// The provider refused a request of ours.
    Refused {
        /// The error code of RFC 6749 section 5.2, such as `invalid_grant`.
        code: String,
    },
    /// The provider did not answer in time, or not at all.
    Unreachable(Arc<dyn Error + Send + Sync>),
    /// The provider's answer is not what the protocol says.
    Answer(&'static str),
    /// The ID token is not good.
    IdToken(Cow<'static, str>),
    /// The provider has no such endpoint.
    Unsupported(&'static str),
    /// The proof of who this application is could not be signed.
    Client(Arc<IssueError>),
    /// The store did not answer.
    Store(Arc<StoreError>),
}

impl OAuthError {
    pub(super) fn unreachable(error: impl Error + Send + Sync + 'static) -> Self {
        Self::Unreachable(Arc::new(error))
    }

    /// The status of a response that says so.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::UnknownState
            | Self::Denied { .. }
            | Self::Malformed(_)
            | Self::Issuer
            | Self::Refused { .. }
            | Self::IdToken(_) => StatusCode::BAD_REQUEST,
            Self::Unreachable(_) | Self::Answer(_) | Self::Store(_) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Unsupported(_) | Self::Client(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// A word for the class, which stays the same: `state`, `denied`, `malformed`, `issuer`, `refused`, `id_token`,
    /// `unavailable` or `misconfigured`.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::UnknownState => "state",
            Self::Denied { .. } => "denied",
            Self::Malformed(_) => "malformed",
            Self::Issuer => "issuer",
            Self::Refused { .. } => "refused",
            Self::IdToken(_) => "id_token",
            Self::Unreachable(_) | Self::Answer(_) | Self::Store(_) => "unavailable",
            Self::Unsupported(_) | Self::Client(_) => "misconfigured",
        }
    }
}

impl fmt::Display for OAuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownState => {
                f.write_str("this login was not begun by this browser, or is over")
            }
            Self::Denied { code } => write!(f, "the provider answered with the error `{code}`"),
            Self::Malformed(reason) => f.write_str(reason),
            Self::Issuer => f.write_str("the answer is not from the provider that was asked"),
            Self::Refused { code } => write!(f, "the provider refused with the error `{code}`"),
            Self::Unreachable(_) => f.write_str("the provider is not reached"),
            Self::Answer(reason) => write!(f, "the provider's answer is not understood: {reason}"),
            Self::IdToken(reason) => write!(f, "the ID token is not good: {reason}"),
            Self::Unsupported(what) => write!(f, "the provider has no {what}"),
            Self::Client(_) => f.write_str("the proof of the client could not be signed"),
            Self::Store(_) => f.write_str("the store did not answer"),
        }
    }
}

impl Error for OAuthError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Unreachable(source) => Some(source.as_ref()),
            Self::Client(source) => Some(source.as_ref()),
            Self::Store(source) => Some(source.as_ref()),
            _ => None,
        }
    }
}

impl From<StoreError> for OAuthError {
    fn from(error: StoreError) -> Self {
        Self::Store(Arc::new(error))
    }
}

impl From<IssueError> for OAuthError {
    fn from(error: IssueError) -> Self {
        Self::Client(Arc::new(error))
    }
}

/// An error code as the RFCs spell them. What is spelt otherwise may be anything, and is not repeated.
pub(super) fn code(text: &str) -> String {
    let is_code = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
    match text {
        _ if (1..=MAX_CODE_BYTES).contains(&text.len()) && text.bytes().all(is_code) => {
            text.to_owned()
        }
        _ => "unknown".to_owned(),
    }
}

/// `unsupported_response_type` has 25, `interaction_required` 20.
const MAX_CODE_BYTES: usize = 40;
