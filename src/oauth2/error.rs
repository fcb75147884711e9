//! Errors of logins with providers.

use std::{borrow::Cow, error::Error, fmt, sync::Arc};

use http::StatusCode;

use crate::error::{IssueError, StoreError};

/// The reason that a provider's login, or a request to a provider, failed. It quotes no token, code
/// or claim, and of a response only the error code.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum OAuthError {
    /// The login was not started here, by this browser, in the last ten minutes, or it was already
    /// finished.
    UnknownState,
    /// The provider returned an error, most often because the user declined.
    Denied {
        /// The error code of RFC 6749 section 4.1.2.1, such as `access_denied`.
        code: String,
    },
    /// The callback has no code, or an unusable one.
    Malformed(&'static str),
    /// The callback is from another provider (RFC 9207).
    Issuer,
    /// The provider rejected a request.
    Refused {
        /// The error code of RFC 6749 section 5.2, such as `invalid_grant`.
        code: String,
    },
    /// The provider did not answer in time or could not be reached.
    Unreachable(Arc<dyn Error + Send + Sync>),
    /// The response of the provider violates the protocol.
    Answer(&'static str),
    /// The ID token is invalid.
    IdToken(Cow<'static, str>),
    /// The provider has no such endpoint.
    Unsupported(&'static str),
    /// The client assertion could not be signed.
    Client(Arc<IssueError>),
    /// The store did not answer.
    Store(Arc<StoreError>),
}

impl OAuthError {
    pub(super) fn unreachable(error: impl Error + Send + Sync + 'static) -> Self {
        Self::Unreachable(Arc::new(error))
    }

    /// Returns the status of a response for this error.
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

    /// Returns a stable code for the kind of error: `state`, `denied`, `malformed`, `issuer`,
    /// `refused`, `id_token`, `unavailable` or `misconfigured`.
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
                f.write_str("the login was not started by this browser, or was already finished")
            }
            Self::Denied { code } => write!(f, "the provider returned the error `{code}`"),
            Self::Malformed(reason) => f.write_str(reason),
            Self::Issuer => f.write_str("the callback is not from the provider of this login"),
            Self::Refused { code } => write!(
                f,
                "the provider rejected the request with the error `{code}`"
            ),
            Self::Unreachable(_) => f.write_str("the provider could not be reached"),
            Self::Answer(reason) => write!(f, "the response of the provider is invalid: {reason}"),
            Self::IdToken(reason) => write!(f, "the ID token is invalid: {reason}"),
            Self::Unsupported(what) => write!(f, "the provider has no {what}"),
            Self::Client(_) => f.write_str("the client assertion could not be signed"),
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

/// Returns an error code if it has the form that the RFCs define. Any other text may contain
/// anything, so it is not quoted.
pub(super) fn code(text: &str) -> String {
    let is_code = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
    if (1..=MAX_CODE_BYTES).contains(&text.len()) && text.bytes().all(is_code) {
        text.to_owned()
    } else {
        "unknown".to_owned()
    }
}

/// `unsupported_response_type` has 25, `interaction_required` 20.
const MAX_CODE_BYTES: usize = 40;
