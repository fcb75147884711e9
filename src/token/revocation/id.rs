//! What a list knows of a token.

use std::{fmt, time::Duration};

use crate::clock::Timestamp;

/// Names a token for a [`TokenList`](super::TokenList): its id, and until when the list must know it.
///
/// [`Jwt::token_id`](crate::Jwt::token_id) reads it from a token, which it verifies first.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenId {
    pub(crate) id: String,
    expires_at: Timestamp,
}

impl TokenId {
    /// The token with this `jti` and this `exp`. An entry whose token has expired is not kept, so a wrong `expires_at` is a
    /// token that comes back.
    pub fn new(id: impl Into<String>, expires_at: Timestamp) -> Self {
        Self {
            id: id.into(),
            expires_at,
        }
    }

    /// Its `jti`.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// When it expires (`exp`).
    #[must_use]
    pub const fn expires_at(&self) -> Timestamp {
        self.expires_at
    }

    /// Until when some verifier may accept it.
    pub(crate) fn kept_until(&self) -> Timestamp {
        self.expires_at.after(LONGEST_LEEWAY)
    }
}

/// Leaves the id out, which is a claim's value.
impl fmt::Debug for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenId")
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// The most that an engine can be given. A list does not know the leeways of all that ask it.
pub(crate) const LONGEST_LEEWAY: Duration = Duration::from_secs(60);
