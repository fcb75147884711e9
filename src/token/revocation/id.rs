//! The id of a token, as a list stores it.

use std::{fmt, time::Duration};

use crate::clock::Timestamp;

/// Identifies a token for a [`TokenList`](super::TokenList): its id, and its expiry.
///
/// [`Jwt::token_id`](crate::Jwt::token_id) reads it from a token, which it verifies first.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenId {
    pub(super) id: String,
    expires_at: Timestamp,
}

impl TokenId {
    /// Creates the id of a token with this `jti` and this `exp`. An entry is not stored for longer
    /// than its token is valid, so an `expires_at` that is too early makes a revoked token valid
    /// again.
    pub fn new(id: impl Into<String>, expires_at: Timestamp) -> Self {
        Self {
            id: id.into(),
            expires_at,
        }
    }

    /// Returns the `jti`.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns the time of expiry (`exp`).
    #[must_use]
    pub const fn expires_at(&self) -> Timestamp {
        self.expires_at
    }

    /// The time until which any verifier may accept the token.
    pub(super) fn listed_until(&self) -> Timestamp {
        self.expires_at.after(LONGEST_LEEWAY)
    }
}

/// Omits the id, which is the value of a claim.
impl fmt::Debug for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenId")
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// The longest leeway of an engine. A list does not know the leeways of the engines that use it.
pub(super) const LONGEST_LEEWAY: Duration = Duration::from_secs(60);
