//! The only error that becomes a response.
//!
//! A [`Rejection`] has a *kind*, which the caller learns as a status, a challenge and a gRPC code, and a
//! *reason*, which only the log learns. Reasons are fixed texts: nothing the caller sent is in them.
//!
//! | kind | HTTP | challenge | gRPC |
//! |---|---|---|---|
//! | [`Missing`](RejectionKind::Missing) | 401 | `Bearer` with realm, no error code | 16 |
//! | [`Malformed`](RejectionKind::Malformed) | 400 | `invalid_request` | 3 |
//! | [`Invalid`](RejectionKind::Invalid) | 401 | `invalid_token` | 16 |
//! | [`Insufficient`](RejectionKind::Insufficient) | 403 | `insufficient_scope` | 7 |
//! | [`CrossSite`](RejectionKind::CrossSite) | 403 | – | 7 |
//! | [`StepUp`](RejectionKind::StepUp) | 401 | `insufficient_user_authentication` | 16 |
//! | [`FactorLost`](RejectionKind::FactorLost) | 403 | – | 7 |
//! | [`Throttled`](RejectionKind::Throttled) | 429 | – | 8 |
//! | [`Unavailable`](RejectionKind::Unavailable) | 503 | – | 14 |
//! | [`Misconfigured`](RejectionKind::Misconfigured) | 500 | – | 13 |
//!
//! The challenges are those of RFC 6750 section 3 and RFC 9470 section 3; in front of tokens that are bound to keys they are of the scheme
//! `DPoP` (RFC 9449 section 7.1).
//!
//! ```
//! use tower_jam::{Rejection, RejectionKind};
//!
//! let rejection = Rejection::insufficient("only the owner may do this");
//! assert_eq!(rejection.status(), 403);
//! assert_eq!(rejection.grpc_code(), 7);
//! assert_eq!(rejection.challenge("api").unwrap(), r#"Bearer realm="api", error="insufficient_scope""#);
//! assert!(matches!(rejection.kind(), RejectionKind::Insufficient { .. }));
//! ```

mod challenge;
mod terms;

use std::{borrow::Cow, error::Error, fmt, time::Duration};

use http::StatusCode;

use crate::error::{BoxError, IssueError, StoreError};

/// Says that a request is not let through.
#[derive(Debug)]
pub struct Rejection {
    kind: RejectionKind,
    reason: Cow<'static, str>,
    source: Option<BoxError>,
    dpop: Option<Box<Dpop>>,
}

/// What a challenge of the scheme `DPoP` says more (RFC 9449 sections 7.1 and 9).
#[derive(Clone, Debug, Default)]
pub(crate) struct Dpop {
    /// The signature algorithms of proofs, with spaces between.
    pub(crate) algs: Cow<'static, str>,
    /// The error code, where it is one of proofs.
    pub(crate) error: Option<&'static str>,
    /// What the next proof must state.
    pub(crate) nonce: Option<String>,
}

/// What the caller is told.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum RejectionKind {
    /// No credential was presented.
    Missing,
    /// The request contradicts itself or is not in the form of the protocol.
    Malformed,
    /// The credential is not valid, or not any more.
    Invalid,
    /// The identity is known and may not do this.
    Insufficient {
        /// The scope that would do, as the challenge names it.
        scope: Option<Cow<'static, str>>,
    },
    /// A cookie came with a request that another site may have caused.
    CrossSite,
    /// The identity is known and must first prove more, or again (RFC 9470).
    StepUp {
        /// How old the proof may be.
        max_age: Option<Duration>,
        /// The authentication contexts that would do.
        acr_values: Option<Cow<'static, str>>,
    },
    /// The user has a factor that is not accepted any more, or that the service cannot verify: another one is due, or a reset.
    FactorLost,
    /// Too many attempts.
    Throttled {
        /// When the next attempt makes sense.
        retry_after: Duration,
    },
    /// The answer depends on a store that did not give one.
    Unavailable,
    /// The service is put together wrongly; the log says how.
    Misconfigured,
}

impl Rejection {
    /// No credential was presented.
    #[must_use]
    pub const fn missing() -> Self {
        Self::new(RejectionKind::Missing, "no credential presented")
    }

    /// The request is not in the form of the protocol.
    #[must_use]
    pub const fn malformed(reason: &'static str) -> Self {
        Self::new(RejectionKind::Malformed, reason)
    }

    /// The credential is not valid.
    #[must_use]
    pub const fn invalid(reason: &'static str) -> Self {
        Self::new(RejectionKind::Invalid, reason)
    }

    /// The identity may not do this.
    #[must_use]
    pub const fn insufficient(reason: &'static str) -> Self {
        Self::new(RejectionKind::Insufficient { scope: None }, reason)
    }

    /// The identity lacks `scope`, which the challenge will name (RFC 6750 section 3).
    #[must_use]
    pub fn insufficient_scope(scope: impl Into<Cow<'static, str>>) -> Self {
        let scope = Some(scope.into());
        Self::new(RejectionKind::Insufficient { scope }, "scope not granted")
    }

    /// Another site may have caused the request.
    #[must_use]
    pub const fn cross_site(reason: &'static str) -> Self {
        Self::new(RejectionKind::CrossSite, reason)
    }

    /// The identity must first prove more, or again.
    #[must_use]
    pub const fn step_up(
        max_age: Option<Duration>,
        acr_values: Option<Cow<'static, str>>,
        reason: &'static str,
    ) -> Self {
        Self::new(
            RejectionKind::StepUp {
                max_age,
                acr_values,
            },
            reason,
        )
    }

    /// The user has a factor that is not accepted any more, or that the service cannot verify. It is there all the same, so nothing
    /// opens.
    #[must_use]
    pub const fn factor_lost(reason: &'static str) -> Self {
        Self::new(RejectionKind::FactorLost, reason)
    }

    /// Too many attempts; the next one makes sense after `retry_after`.
    #[must_use]
    pub const fn throttled(retry_after: Duration, reason: &'static str) -> Self {
        Self::new(RejectionKind::Throttled { retry_after }, reason)
    }

    /// The service is put together wrongly; `reason` tells its owner what to change.
    #[must_use]
    pub fn misconfigured(reason: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind: RejectionKind::Misconfigured,
            reason: reason.into(),
            source: None,
            dpop: None,
        }
    }

    /// Keeps `source` for the log.
    #[must_use]
    pub fn because(mut self, source: impl Into<BoxError>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Has a challenge of the scheme `DPoP` in place of `Bearer`.
    #[cfg(feature = "dpop")]
    pub(crate) fn for_dpop(mut self, dpop: Dpop) -> Self {
        self.dpop = Some(Box::new(dpop));
        self
    }

    /// The value of the header `DPoP-Nonce` (RFC 9449 section 8), which the next proof must state.
    #[must_use]
    pub fn dpop_nonce(&self) -> Option<&str> {
        self.dpop.as_ref()?.nonce.as_deref()
    }

    /// What the caller is told.
    #[must_use]
    pub const fn kind(&self) -> &RejectionKind {
        &self.kind
    }

    /// What the log is told: a fixed text.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// The HTTP status.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        self.kind.terms().status
    }

    /// The gRPC status code.
    #[must_use]
    pub const fn grpc_code(&self) -> u8 {
        self.kind.terms().grpc_code
    }

    /// The error code of RFC 6750 section 3.1, RFC 9470 section 3 or RFC 9449 section 7.1, where there is one.
    #[must_use]
    pub fn error_code(&self) -> Option<&'static str> {
        let of_proof = self.dpop.as_ref().and_then(|dpop| dpop.error);
        of_proof.or(self.kind.terms().error_code)
    }

    /// One sentence for the caller, the same for every rejection of this kind.
    #[must_use]
    pub const fn message(&self) -> &'static str {
        self.kind.terms().message
    }

    /// When the caller may try again, in whole seconds, rounded up.
    #[must_use]
    pub const fn retry_after(&self) -> Option<u64> {
        match self.kind {
            RejectionKind::Throttled { retry_after } => {
                Some(retry_after.as_secs() + (retry_after.subsec_nanos() > 0) as u64)
            }
            RejectionKind::Unavailable => Some(STORE_RETRY_SECONDS),
            _ => None,
        }
    }

    const fn new(kind: RejectionKind, reason: &'static str) -> Self {
        Self {
            kind,
            reason: Cow::Borrowed(reason),
            source: None,
            dpop: None,
        }
    }
}

/// A failing store never means "allowed" and never "logged out".
impl From<StoreError> for Rejection {
    fn from(error: StoreError) -> Self {
        Self::new(RejectionKind::Unavailable, "the store did not answer").because(error)
    }
}

/// What could not be issued for want of a store is unavailable; a login that a logout overtook is
/// invalid; everything else is a mistake of the service.
impl From<IssueError> for Rejection {
    fn from(error: IssueError) -> Self {
        match error {
            IssueError::Store(error) => error.into(),
            IssueError::Withdrawn => Self::invalid("logged out everywhere during the login"),
            IssueError::TooManyDevices => Self::insufficient("logged in on too many devices"),
            error => Self::misconfigured("nothing could be issued").because(error),
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.message(), self.reason)
    }
}

impl Error for Rejection {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// Long enough for a reconnect, short enough that nobody thinks the service is gone.
const STORE_RETRY_SECONDS: u64 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_rounded_up() {
        let wait = |millis| Rejection::throttled(Duration::from_millis(millis), "x").retry_after();
        assert_eq!(wait(1), Some(1));
        assert_eq!(wait(2_000), Some(2));
        assert_eq!(Rejection::missing().retry_after(), None);
    }

    #[test]
    fn no_message_repeats_its_cause() {
        let rejection = Rejection::from(StoreError::Unavailable("connection refused".into()));
        assert!(!rejection.to_string().contains("refused"));
        assert!(rejection.source().is_some());
    }
}
