//! The span, log line and metrics of one authentication.

use std::{error::Error, fmt};

use tracing::{Span, field::Empty};

use crate::{
    measure::{self, Stopwatch},
    rejection::{Rejection, RejectionKind},
};

/// An authentication in progress.
pub(super) struct AuthTrace {
    engine: &'static str,
    span: Span,
    stopwatch: Stopwatch,
}

impl AuthTrace {
    pub(super) fn begin() -> Self {
        Self {
            engine: "none",
            span: tracing::debug_span!(
                "authenticate",
                engine = Empty,
                outcome = Empty,
                code = Empty
            ),
            stopwatch: Stopwatch::start(),
        }
    }

    /// Returns the span in which the engine runs.
    pub(super) fn span(&self) -> Span {
        self.span.clone()
    }

    /// Sets the engine that verifies the credential.
    pub(super) fn set_engine(&mut self, engine: &'static str) {
        self.engine = engine;
        self.span.record("engine", engine);
    }

    /// Records that the request is admitted, with an identity or without.
    pub(super) fn accepted(&self, has_identity: bool) {
        let outcome = if has_identity {
            "authenticated"
        } else {
            "anonymous"
        };
        self.span.record("outcome", outcome);
        tracing::debug!(engine = self.engine, outcome, "request accepted");
        measure::record_request(self.engine, outcome, "none", self.stopwatch.elapsed());
    }

    pub(super) fn rejected(&self, rejection: &Rejection) {
        self.span.record("outcome", "refused");
        self.span.record("code", rejection.kind().code());
        log(self.engine, rejection);
        let code = rejection.kind().code();
        measure::record_request(self.engine, "refused", code, self.stopwatch.elapsed());
    }
}

/// Records a rejection by a guard, whose duration is negligible.
pub(super) fn rejected_by_guard(rejection: &Rejection) {
    log("guard", rejection);
    measure::record_guard_rejection(rejection.kind().code());
}

/// Logs a rejection: a fault of the service as an error, a fault of the caller for debugging.
pub(crate) fn log(engine: &'static str, rejection: &Rejection) {
    let source = rejection
        .source()
        .map(|source| tracing::field::display(Causes(source)));
    let (reason, status) = (rejection.reason(), rejection.status().as_u16());
    let (outcome, code) = ("refused", rejection.kind().code());
    match rejection.kind() {
        RejectionKind::Misconfigured => {
            tracing::error!(engine, outcome, code, status, source, "{reason}");
        }
        RejectionKind::Unavailable => tracing::error!(
            engine,
            outcome,
            code,
            status,
            source,
            "request refused: {reason}"
        ),
        _ => tracing::debug!(
            engine,
            outcome,
            code,
            status,
            source,
            "request refused: {reason}"
        ),
    }
}

/// An error with its chain of sources, since no error of this crate repeats its source.
struct Causes<'a>(&'a dyn Error);

impl fmt::Display for Causes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut next = self.0.source();
        while let Some(cause) = next {
            write!(f, ": {cause}")?;
            next = cause.source();
        }
        Ok(())
    }
}
