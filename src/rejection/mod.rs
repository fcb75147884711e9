//! The only error that becomes a response.

mod challenge;
mod terms;

use std::{borrow::Cow, error::Error, fmt, time::Duration};

use http::StatusCode;

use crate::error::{BoxError, IssueError, StoreError};

/// The reason why a request is not admitted: the only error that becomes a response.
///
/// It has a *kind* and a *reason*. The caller learns only the kind, as a status, a challenge and a
/// gRPC code. Only the log contains the reason: a fixed text, in which nothing that the caller sent
/// occurs.
///
/// | kind | HTTP | challenge | gRPC |
/// |---|---|---|---|
/// | [`Missing`](RejectionKind::Missing) | 401 | `Bearer` with realm, no error code | 16 |
/// | [`Malformed`](RejectionKind::Malformed) | 400 | `invalid_request` | 3 |
/// | [`Invalid`](RejectionKind::Invalid) | 401 | `invalid_token` | 16 |
/// | [`Insufficient`](RejectionKind::Insufficient) | 403 | `insufficient_scope` | 7 |
/// | [`CrossSite`](RejectionKind::CrossSite) | 403 | – | 7 |
/// | [`StepUp`](RejectionKind::StepUp) | 401 | `insufficient_user_authentication` | 16 |
/// | [`FactorLost`](RejectionKind::FactorLost) | 403 | – | 7 |
/// | [`Throttled`](RejectionKind::Throttled) | 429 | – | 8 |
/// | [`Unavailable`](RejectionKind::Unavailable) | 503 | – | 14 |
/// | [`Misconfigured`](RejectionKind::Misconfigured) | 500 | – | 13 |
///
/// The challenges are those of RFC 6750 section 3 and RFC 9470 section 3. For tokens that are bound
/// to keys, the scheme is `DPoP` (RFC 9449 section 7.1).
///
/// ```
/// use tower_jam::Rejection;
///
/// fn withdraw(balance: u64, amount: u64) -> Result<u64, Rejection> {
///     balance.checked_sub(amount).ok_or_else(|| Rejection::insufficient("the balance is too low"))
/// }
///
/// let rejection = withdraw(1, 2).unwrap_err();
/// assert_eq!((rejection.status().as_u16(), rejection.grpc_code()), (403, 7));
/// let challenge = rejection.challenge("api").expect("a 403 has a challenge");
/// assert_eq!(challenge, r#"Bearer realm="api", error="insufficient_scope""#);
/// // The caller does not see the reason.
/// assert!(!rejection.message().contains("balance"));
/// ```
#[doc(alias("unauthorized", "forbidden", "401", "403", "problem"))]
#[derive(Debug)]
pub struct Rejection {
    kind: RejectionKind,
    reason: Cow<'static, str>,
    source: Option<BoxError>,
    dpop: Option<Box<DpopChallenge>>,
}

/// What a challenge of the scheme `DPoP` adds (RFC 9449 sections 7.1 and 9).
#[derive(Clone, Debug, Default)]
pub(crate) struct DpopChallenge {
    /// The signature algorithms for proofs, separated by spaces.
    pub(crate) algs: Cow<'static, str>,
    /// The error code, if it concerns the proof.
    pub(crate) error: Option<&'static str>,
    /// The nonce that the next proof must contain.
    pub(crate) nonce: Option<String>,
}

/// The kind of a rejection, which the caller learns.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum RejectionKind {
    /// No credential was presented.
    Missing,
    /// The request contradicts itself or violates the protocol's syntax.
    Malformed,
    /// The credential is not valid, or no longer.
    Invalid,
    /// The identity is established but may not do this.
    Insufficient {
        /// The scope that would suffice, as named in the challenge.
        scope: Option<Cow<'static, str>>,
    },
    /// A cookie came with a request that another site may have caused.
    CrossSite,
    /// The identity is established, but a further or more recent proof is required (RFC 9470).
    StepUp {
        /// The maximum age of the proof.
        max_age: Option<Duration>,
        /// The authentication contexts that would suffice.
        acr_values: Option<Cow<'static, str>>,
    },
    /// The user has a factor that is no longer accepted or that the service cannot verify. Another
    /// factor or a reset is required.
    FactorLost,
    /// Too many attempts.
    Throttled {
        /// How long to wait before the next attempt.
        retry_after: Duration,
    },
    /// The decision depends on a store that failed.
    Unavailable,
    /// The service is misconfigured; the log states how.
    Misconfigured,
}

impl Rejection {
    /// Creates a [`RejectionKind::Missing`]: no credential was presented.
    #[must_use]
    pub const fn missing() -> Self {
        Self::new(RejectionKind::Missing, "no credential presented")
    }

    /// Creates a [`RejectionKind::Malformed`]: the request violates the protocol's syntax.
    #[must_use]
    pub const fn malformed(reason: &'static str) -> Self {
        Self::new(RejectionKind::Malformed, reason)
    }

    /// Creates a [`RejectionKind::Invalid`]: the credential is not valid.
    #[must_use]
    pub const fn invalid(reason: &'static str) -> Self {
        Self::new(RejectionKind::Invalid, reason)
    }

    /// Creates a [`RejectionKind::Insufficient`]: the identity may not do this.
    #[must_use]
    pub const fn insufficient(reason: &'static str) -> Self {
        Self::new(RejectionKind::Insufficient { scope: None }, reason)
    }

    /// Creates a [`RejectionKind::Insufficient`] for an identity that lacks `scope`, which the
    /// challenge names (RFC 6750 section 3).
    #[must_use]
    pub fn insufficient_scope(scope: impl Into<Cow<'static, str>>) -> Self {
        let scope = Some(scope.into());
        Self::new(RejectionKind::Insufficient { scope }, "scope not granted")
    }

    /// Creates a [`RejectionKind::CrossSite`]: another site may have caused the request.
    #[must_use]
    pub const fn cross_site(reason: &'static str) -> Self {
        Self::new(RejectionKind::CrossSite, reason)
    }

    /// Creates a [`RejectionKind::StepUp`]: a further or more recent proof is required.
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

    /// Creates a [`RejectionKind::FactorLost`]: the user has a factor that is no longer accepted or
    /// that the service cannot verify. The factor still exists, so access is denied.
    #[must_use]
    pub const fn factor_lost(reason: &'static str) -> Self {
        Self::new(RejectionKind::FactorLost, reason)
    }

    /// Creates a [`RejectionKind::Throttled`]: too many attempts. The next one may follow after
    /// `retry_after`.
    #[must_use]
    pub const fn throttled(retry_after: Duration, reason: &'static str) -> Self {
        Self::new(RejectionKind::Throttled { retry_after }, reason)
    }

    /// Creates a [`RejectionKind::Misconfigured`]. `reason` tells the operator what to change.
    #[must_use]
    pub fn misconfigured(reason: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind: RejectionKind::Misconfigured,
            reason: reason.into(),
            source: None,
            dpop: None,
        }
    }

    /// Sets `source` as the cause, for the log.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<BoxError>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Uses a challenge of the scheme `DPoP` in place of `Bearer`.
    #[cfg(feature = "dpop")]
    pub(crate) fn for_dpop(mut self, dpop: DpopChallenge) -> Self {
        self.dpop = Some(Box::new(dpop));
        self
    }

    /// Returns the value of the header `DPoP-Nonce` (RFC 9449 section 8), which the next proof must
    /// contain.
    #[must_use]
    pub fn dpop_nonce(&self) -> Option<&str> {
        self.dpop.as_ref()?.nonce.as_deref()
    }

    /// Returns the kind, which the caller learns.
    #[must_use]
    pub const fn kind(&self) -> &RejectionKind {
        &self.kind
    }

    /// Returns the reason, which only the log contains: a fixed text.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// Returns the HTTP status.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        self.kind.wire_form().status
    }

    /// Returns the gRPC status code.
    #[must_use]
    pub const fn grpc_code(&self) -> u8 {
        self.kind.wire_form().grpc_code
    }

    /// Returns the error code of RFC 6750 section 3.1, RFC 9470 section 3 or RFC 9449 section 7.1,
    /// if the kind has one.
    #[must_use]
    pub fn error_code(&self) -> Option<&'static str> {
        let dpop_error = self.dpop.as_ref().and_then(|dpop| dpop.error);
        dpop_error.or(self.kind.wire_form().error_code)
    }

    /// Returns one sentence for the caller, the same for every rejection of this kind.
    #[must_use]
    pub const fn message(&self) -> &'static str {
        self.kind.wire_form().message
    }

    /// Returns when the caller may try again, in whole seconds, rounded up.
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

/// A store failure never means "allowed" and never "logged out".
impl From<StoreError> for Rejection {
    fn from(error: StoreError) -> Self {
        Self::new(RejectionKind::Unavailable, "the store failed").with_source(error)
    }
}

/// A store failure is [`RejectionKind::Unavailable`]. A login during which the user was logged out
/// everywhere is [`RejectionKind::Invalid`]. Every other error is a fault of the service, except
/// too many devices.
impl From<IssueError> for Rejection {
    fn from(error: IssueError) -> Self {
        match error {
            IssueError::Store(error) => error.into(),
            IssueError::Withdrawn => Self::invalid("logged out everywhere during the login"),
            IssueError::TooManyDevices => Self::insufficient("logged in on too many devices"),
            error => Self::misconfigured("nothing could be issued").with_source(error),
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

/// Long enough for a reconnect, short enough for callers to wait.
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
