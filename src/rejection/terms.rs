//! The status, codes and message of each kind of rejection, in one table.

use http::StatusCode;

use super::RejectionKind;

/// How a kind appears on the wire.
pub(super) struct WireForm {
    pub(super) status: StatusCode,
    pub(super) grpc_code: u8,
    pub(super) is_challenged: bool,
    pub(super) error_code: Option<&'static str>,
    pub(super) message: &'static str,
}

impl RejectionKind {
    /// Returns the stable name, for logs and metrics.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Malformed => "malformed",
            Self::Invalid => "invalid",
            Self::Insufficient { .. } => "insufficient",
            Self::CrossSite => "cross_site",
            Self::StepUp { .. } => "step_up",
            Self::FactorLost => "factor_lost",
            Self::Throttled { .. } => "throttled",
            Self::Unavailable => "unavailable",
            Self::Misconfigured => "misconfigured",
        }
    }

    pub(super) const fn wire_form(&self) -> WireForm {
        use StatusCode as S;
        let (status, grpc_code, is_challenged, error_code, message) = match self {
            Self::Missing => (
                S::UNAUTHORIZED,
                16,
                true,
                None,
                "authentication is required",
            ),
            Self::Malformed => (
                S::BAD_REQUEST,
                3,
                true,
                Some("invalid_request"),
                "the credential is not in the expected form",
            ),
            Self::Invalid => (
                S::UNAUTHORIZED,
                16,
                true,
                Some("invalid_token"),
                "the credential is not valid",
            ),
            Self::Insufficient { .. } => (
                S::FORBIDDEN,
                7,
                true,
                Some("insufficient_scope"),
                "this identity may not do this",
            ),
            Self::CrossSite => (
                S::FORBIDDEN,
                7,
                false,
                None,
                "cross-site requests are rejected",
            ),
            Self::StepUp { .. } => (
                S::UNAUTHORIZED,
                16,
                true,
                Some("insufficient_user_authentication"),
                "a stronger or more recent authentication is required",
            ),
            Self::FactorLost => (
                S::FORBIDDEN,
                7,
                false,
                None,
                "this factor is no longer accepted: use another one, or have it reset",
            ),
            Self::Throttled { .. } => (S::TOO_MANY_REQUESTS, 8, false, None, "too many attempts"),
            Self::Unavailable => (
                S::SERVICE_UNAVAILABLE,
                14,
                false,
                None,
                "authentication is temporarily unavailable",
            ),
            Self::Misconfigured => (
                S::INTERNAL_SERVER_ERROR,
                13,
                false,
                None,
                "the service is not set up correctly",
            ),
        };
        WireForm {
            status,
            grpc_code,
            is_challenged,
            error_code,
            message,
        }
    }
}
