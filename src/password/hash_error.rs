//! Why a hash cannot be computed or verified.

use std::{error::Error, fmt};

use crate::error::BoxError;

/// The reason why a hash cannot be computed or verified. It quotes nothing of the hash.
#[derive(Debug)]
pub(super) struct HashError {
    reason: &'static str,
    source: Option<BoxError>,
}

impl HashError {
    pub(super) const fn new(reason: &'static str) -> Self {
        Self {
            reason,
            source: None,
        }
    }

    pub(super) fn with_source(error: impl Into<BoxError>) -> Self {
        Self {
            reason: "the hash cannot be computed",
            source: Some(error.into()),
        }
    }
}

impl fmt::Display for HashError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason)
    }
}

impl Error for HashError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
