//! What an application asserts when somebody has logged in.
//!
//! The same [`Grant`] makes a token, a session or a token pair: the application says once who it is, by
//! which factors that was proved and what the user may do, and every engine writes it in its own form.
//!
//! ```
//! use tower_jam::{Factor, Grant};
//!
//! #[derive(serde::Serialize)]
//! struct User { name: String }
//!
//! let grant = Grant::new("42", User { name: "Alice".into() })
//!     .factor(Factor::Password)
//!     .roles(["editor"])
//!     .scopes(["articles:read", "articles:write"]);
//! assert_eq!(grant.subject(), "42");
//! ```

use std::{fmt, sync::Arc};

use crate::{
    clock::Timestamp,
    error::{IssueError, StoreError},
    identity::Factor,
    store::StoreFuture,
};

/// Who has logged in, as the application's own user type, with proofs and permissions.
#[derive(Clone)]
#[must_use]
pub struct Grant<U> {
    pub(crate) subject: String,
    pub(crate) user: U,
    pub(crate) factors: Vec<(Factor, Option<Timestamp>)>,
    pub(crate) roles: Vec<String>,
    pub(crate) scopes: Vec<String>,
}

impl<U> Grant<U> {
    /// A grant for `subject`, an id that stays the same for the user's whole life and is never given to
    /// another (`sub` of RFC 7519). `user` is what handlers will get as `AuthUser<U>`.
    pub fn new(subject: impl Into<String>, user: U) -> Self {
        Self {
            subject: subject.into(),
            user,
            factors: Vec::new(),
            roles: Vec::new(),
            scopes: Vec::new(),
        }
    }

    /// The user gave this proof just now.
    pub fn factor(mut self, factor: Factor) -> Self {
        self.factors.push((factor, None));
        self
    }

    /// The user gave this proof at `at`.
    pub fn factor_at(mut self, factor: Factor, at: Timestamp) -> Self {
        self.factors.push((factor, Some(at)));
        self
    }

    /// The user holds these roles.
    pub fn roles(mut self, roles: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.roles = roles.into_iter().map(Into::into).collect();
        self
    }

    /// The caller was granted these scopes (RFC 6749 section 3.3).
    pub fn scopes(mut self, scopes: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.scopes = scopes.into_iter().map(Into::into).collect();
        self
    }

    /// Who it is for.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// What handlers will get.
    #[must_use]
    pub const fn user(&self) -> &U {
        &self.user
    }

    /// The proofs, with `now` for those given just now. One of a clock that is ahead keeps its time, or each refresh would
    /// make it one of now.
    pub(crate) fn proofs(&self, now: Timestamp) -> Vec<(Factor, Timestamp)> {
        let mut proofs: Vec<(Factor, Timestamp)> = Vec::with_capacity(self.factors.len());
        for (factor, at) in &self.factors {
            let at = at.unwrap_or(now);
            match proofs.iter_mut().find(|(known, _)| known == factor) {
                Some((_, known_at)) => *known_at = at.max(*known_at),
                None => proofs.push((factor.clone(), at)),
            }
        }
        proofs
    }

    /// Refuses what no verifier would accept.
    pub(crate) fn check(&self) -> Result<(), IssueError> {
        if self.subject.is_empty() || self.subject.len() > MAX_SUBJECT_BYTES {
            return Err(IssueError::Grant("the subject must have 1 to 1024 bytes"));
        }
        let is_scope_char = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
        let is_scope = |scope: &String| !scope.is_empty() && scope.bytes().all(is_scope_char);
        if !self.scopes.iter().all(is_scope) {
            return Err(IssueError::Grant(
                "a scope is not a scope-token of RFC 6749",
            ));
        }
        Ok(())
    }
}

/// Reads a user anew: what a token or session says of its user is as old as the login.
///
/// A closure from the subject to a future is one.
pub trait ReadUser<U>: Send + Sync + 'static {
    /// The user with this id as a grant; `None` if there is none, or it may not log in any more. Its proofs are
    /// ignored: those of the login are kept.
    fn read_user<'a>(&'a self, subject: &'a str) -> StoreFuture<'a, Option<Grant<U>>>;
}

impl<U, F, A> ReadUser<U> for F
where
    F: Fn(String) -> A + Send + Sync + 'static,
    A: Future<Output = Result<Option<Grant<U>>, StoreError>> + Send,
{
    fn read_user<'a>(&'a self, subject: &'a str) -> StoreFuture<'a, Option<Grant<U>>> {
        Box::pin(async move { self(subject.to_owned()).await })
    }
}

impl<U: 'static> ReadUser<U> for Arc<dyn ReadUser<U>> {
    fn read_user<'a>(&'a self, subject: &'a str) -> StoreFuture<'a, Option<Grant<U>>> {
        (**self).read_user(subject)
    }
}

impl<U> fmt::Debug for Grant<U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grant")
            .field("factors", &self.factors)
            .field("roles", &self.roles.len())
            .field("scopes", &self.scopes.len())
            .finish_non_exhaustive()
    }
}

/// Long enough for any directory's ids, short enough for a token.
const MAX_SUBJECT_BYTES: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_has_the_time_that_is_stated_and_the_latest_counts() {
        let (early, now, late) = (
            Timestamp::from_secs(1),
            Timestamp::from_secs(2),
            Timestamp::from_secs(3),
        );
        let grant = Grant::new("alice", ())
            .factor_at(Factor::Otp, late)
            .factor_at(Factor::Password, early)
            .factor(Factor::Password);
        assert_eq!(
            grant.proofs(now),
            [(Factor::Otp, late), (Factor::Password, now)]
        );
    }

    #[test]
    fn subjects_and_scopes_are_checked() {
        assert!(Grant::new("", ()).check().is_err());
        assert!(Grant::new("a".repeat(1025), ()).check().is_err());
        assert!(Grant::new("a", ()).scopes(["read write"]).check().is_err());
        assert!(Grant::new("a", ()).scopes([""]).check().is_err());
        assert!(
            Grant::new("a", ())
                .scopes(["read", "write:all"])
                .check()
                .is_ok()
        );
    }
}
