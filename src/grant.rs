//! What an application asserts about a user who has logged in.

use std::{fmt, sync::Arc};

use crate::{
    clock::Timestamp,
    error::{IssueError, StoreError},
    identity::Factor,
    store::StoreFuture,
};

/// A user who has logged in, as the application's own type, with proofs and permissions.
///
/// The same grant creates a token, a session or a token pair. The application states once who the
/// user is, by which factors that was proved and what the user may do; each engine writes it in its
/// own format.
///
/// ```
/// use tower_jam::{Factor, Grant};
///
/// let grant = Grant::new("42", "Alice")
///     .factor(Factor::Password)
///     .roles(["editor"])
///     .scopes(["articles:read", "articles:write"]);
/// assert_eq!((grant.subject(), *grant.user()), ("42", "Alice"));
/// ```
#[doc(alias("login", "role", "scope"))]
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
    /// Creates a grant for `subject`, an id that never changes for the user and is never reused for
    /// another (`sub` of RFC 7519). Handlers receive `user` as `AuthUser<U>`.
    pub fn new(subject: impl Into<String>, user: U) -> Self {
        Self {
            subject: subject.into(),
            user,
            factors: Vec::new(),
            roles: Vec::new(),
            scopes: Vec::new(),
        }
    }

    /// Adds a proof that the user gave just now.
    pub fn factor(mut self, factor: Factor) -> Self {
        self.factors.push((factor, None));
        self
    }

    /// Adds a proof that the user gave at `at`.
    pub fn factor_at(mut self, factor: Factor, at: Timestamp) -> Self {
        self.factors.push((factor, Some(at)));
        self
    }

    /// Sets the user's roles.
    pub fn roles(mut self, roles: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.roles = roles.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the granted scopes (RFC 6749 section 3.3).
    pub fn scopes(mut self, scopes: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.scopes = scopes.into_iter().map(Into::into).collect();
        self
    }

    /// Returns the subject.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Returns the user.
    #[must_use]
    pub const fn user(&self) -> &U {
        &self.user
    }

    /// Returns the proofs, with `now` for those given just now. A proof time in the future is kept,
    /// because otherwise each refresh would replace it with the current time.
    pub(crate) fn proofs(&self, now: Timestamp) -> Vec<(Factor, Timestamp)> {
        let mut proofs: Vec<(Factor, Timestamp)> = Vec::with_capacity(self.factors.len());
        for (factor, at) in &self.factors {
            let at = at.unwrap_or(now);
            match proofs.iter_mut().find(|(other, _)| other == factor) {
                Some((_, proved_at)) => *proved_at = at.max(*proved_at),
                None => proofs.push((factor.clone(), at)),
            }
        }
        proofs
    }

    /// Rejects a grant that no verifier would accept.
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

/// Reads a user's current state, since a token or session shows the user as of the login.
///
/// Closures from the subject to a future implement it.
pub trait ReadUser<U>: Send + Sync + 'static {
    /// Returns the user with this id as a grant, or `None` if there is no such user or it may no
    /// longer log in. The proofs of the grant are ignored; those of the login are kept.
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

/// Long enough for the ids of any directory, short enough for a token.
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
