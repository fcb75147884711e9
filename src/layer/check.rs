//! The record of one check: what the log learns of it, and who counts (feature `metrics`).

use std::{error::Error, fmt};

use tracing::{Span, field::Empty};

use crate::rejection::{Rejection, RejectionKind};

/// A check that is under way.
pub(super) struct Check {
    engine: &'static str,
    span: Span,
    #[cfg(feature = "metrics")]
    began: std::time::Instant,
}

impl Check {
    pub(super) fn begin() -> Self {
        Self {
            engine: "none",
            span: tracing::debug_span!(
                "authenticate",
                engine = Empty,
                outcome = Empty,
                code = Empty
            ),
            #[cfg(feature = "metrics")]
            began: std::time::Instant::now(),
        }
    }

    /// What the engine logs is logged within it.
    pub(super) fn span(&self) -> Span {
        self.span.clone()
    }

    /// The engine that is asked from now on.
    pub(super) fn by(&mut self, engine: &'static str) {
        self.engine = engine;
        self.span.record("engine", engine);
    }

    /// The request goes on, with an identity or without.
    pub(super) fn passed(&self, is_known: bool) {
        let outcome = match is_known {
            true => "authenticated",
            false => "anonymous",
        };
        self.span.record("outcome", outcome);
        tracing::debug!(engine = self.engine, outcome, "request let through");
        #[cfg(feature = "metrics")]
        crate::metrics::record_request(self.engine, outcome, "none", self.began.elapsed());
    }

    pub(super) fn refused(&self, rejection: &Rejection) {
        self.span.record("outcome", "refused");
        self.span.record("code", rejection.kind().code());
        log(self.engine, rejection);
        #[cfg(feature = "metrics")]
        crate::metrics::record_request(
            self.engine,
            "refused",
            rejection.kind().code(),
            self.began.elapsed(),
        );
    }
}

/// A refusal by a guard, which takes no time.
pub(super) fn refused_by_guard(rejection: &Rejection) {
    log("guard", rejection);
    #[cfg(feature = "metrics")]
    crate::metrics::record_guard_rejection(rejection.kind().code());
}

/// Writes a refusal to the log: what is ours to mend as an error, what the caller did for debugging.
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

/// An error and all that led to it, since none of ours repeats its cause.
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
