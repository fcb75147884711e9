//! The verified identity of a caller: [`Identity`], and [`AuthUser`] as the application's own type.

use std::{borrow::Cow, fmt, ops::Deref, sync::Arc, time::Duration};

use serde::{Serialize, Serializer};

use crate::clock::{SKEW, Timestamp};

/// Who the caller is, how that was proved, and what the caller may do. Cheap to clone.
///
/// A layer inserts it into the request's extensions. `Debug` shows nothing of the caller.
///
/// ```
/// use tower_jam::{Factor, Identity, Subject, Timestamp};
/// let login = Timestamp::from_secs(1_000);
/// let identity = Identity::new(Subject::new("https://auth.acme.dev", "alice"), login)
///     .with_factor(Factor::Password, login)
///     .with_roles(["admin"]);
/// assert!(identity.has_role("admin"));
/// assert_eq!(identity.proved_at(&Factor::Password), Some(login));
/// ```
#[doc(alias("principal", "role", "scope", "permission"))]
#[derive(Clone)]
pub struct Identity {
    inner: Arc<IdentityInner>,
    checked_at: Timestamp,
}

#[derive(Clone)]
struct IdentityInner {
    subject: Subject,
    factors: Vec<(Factor, Timestamp)>,
    roles: Vec<String>,
    scopes: Vec<String>,
    session_id: Option<String>,
    token_id: Option<String>,
}

impl Identity {
    /// Creates the identity of `subject`, checked at `checked_at`, without factors, roles or
    /// scopes.
    #[must_use]
    pub fn new(subject: Subject, checked_at: Timestamp) -> Self {
        Self {
            inner: Arc::new(IdentityInner {
                subject,
                factors: Vec::new(),
                roles: Vec::new(),
                scopes: Vec::new(),
                session_id: None,
                token_id: None,
            }),
            checked_at,
        }
    }

    /// Adds a proof given at `at`. Of two proofs by the same factor, the later one counts.
    #[must_use]
    pub fn with_factor(mut self, factor: Factor, at: Timestamp) -> Self {
        let factors = &mut Arc::make_mut(&mut self.inner).factors;
        match factors.iter_mut().find(|(other, _)| *other == factor) {
            Some((_, proved_at)) => *proved_at = at.max(*proved_at),
            None => factors.push((factor, at)),
        }
        self
    }

    /// Sets the roles.
    #[must_use]
    pub fn with_roles(mut self, roles: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Arc::make_mut(&mut self.inner).roles = roles.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the scopes. Each is one scope-token of RFC 6749 section 3.3.
    #[must_use]
    pub fn with_scopes(mut self, scopes: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Arc::make_mut(&mut self.inner).scopes = scopes.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the public id of the session.
    #[must_use]
    pub fn with_session_id(mut self, id: impl Into<String>) -> Self {
        Arc::make_mut(&mut self.inner).session_id = Some(id.into());
        self
    }

    /// Sets the id of the token.
    #[must_use]
    pub fn with_token_id(mut self, id: impl Into<String>) -> Self {
        Arc::make_mut(&mut self.inner).token_id = Some(id.into());
        self
    }

    /// Returns the subject.
    #[must_use]
    pub fn subject(&self) -> &Subject {
        &self.inner.subject
    }

    /// Returns the factors by which the identity was proved, and when each proof was given. A proof
    /// without a stated time has the time 1970-01-01, so it is never fresh.
    #[must_use]
    pub fn factors(&self) -> &[(Factor, Timestamp)] {
        &self.inner.factors
    }

    /// Returns when the last proof by `factor` was given.
    #[must_use]
    pub fn proved_at(&self, factor: &Factor) -> Option<Timestamp> {
        let mut factors = self.inner.factors.iter();
        factors
            .find(|(other, _)| other == factor)
            .map(|(_, at)| *at)
    }

    /// Returns the roles.
    #[must_use]
    pub fn roles(&self) -> &[String] {
        &self.inner.roles
    }

    /// Returns whether the identity has exactly this role.
    #[must_use]
    pub fn has_role(&self, role: &str) -> bool {
        self.inner.roles.iter().any(|other| other == role)
    }

    /// Returns the scopes.
    #[must_use]
    pub fn scopes(&self) -> &[String] {
        &self.inner.scopes
    }

    /// Returns whether the identity has exactly this scope.
    #[must_use]
    pub fn has_scope(&self, scope: &str) -> bool {
        self.inner.scopes.iter().any(|other| other == scope)
    }

    /// Returns the public id of the session, which grants no access.
    #[must_use]
    pub fn session_id(&self) -> Option<&str> {
        self.inner.session_id.as_deref()
    }

    /// Returns the id of the token (`jti`).
    #[must_use]
    pub fn token_id(&self) -> Option<&str> {
        self.inner.token_id.as_deref()
    }

    /// Returns when this request was checked.
    #[must_use]
    pub const fn checked_at(&self) -> Timestamp {
        self.checked_at
    }

    /// Returns the same identity, checked at `now`.
    #[must_use]
    pub const fn checked_again_at(mut self, now: Timestamp) -> Self {
        self.checked_at = now;
        self
    }

    /// Returns whether a proof by `factor` was given less than `within` before this request was
    /// checked.
    ///
    /// A proof that is more than half a minute in the future comes from a wrong clock and is not
    /// fresh.
    #[must_use]
    pub fn is_fresh(&self, factor: &Factor, within: Duration) -> bool {
        let now = self.checked_at();
        self.proved_at(factor)
            .is_some_and(|at| at <= now.after(SKEW) && now.since(at) < within)
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("factors", &self.inner.factors.len())
            .field("roles", &self.inner.roles.len())
            .field("scopes", &self.inner.scopes.len())
            .field("checked_at", &self.checked_at)
            .finish_non_exhaustive()
    }
}

/// A user's id and its issuer. Two issuers may use one id for two people, so only the pair is
/// unique.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Subject {
    issuer: Arc<str>,
    id: Arc<str>,
}

impl Subject {
    /// Creates the subject with this issuer and id.
    #[must_use]
    pub fn new(issuer: impl Into<Arc<str>>, id: impl Into<Arc<str>>) -> Self {
        Self {
            issuer: issuer.into(),
            id: id.into(),
        }
    }

    /// Returns the issuer (`iss`).
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Returns the id at the issuer (`sub`).
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Subject(..)")
    }
}

/// An authentication method. Its names on the wire are those of RFC 8176.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Factor {
    /// A password (`pwd`).
    Password,
    /// A one-time code (`otp`).
    Otp,
    /// Any other authentication method reference.
    Other(Cow<'static, str>),
}

impl Factor {
    /// Returns the value for `amr`.
    #[must_use]
    pub fn as_amr(&self) -> &str {
        match self {
            Self::Password => "pwd",
            Self::Otp => "otp",
            Self::Other(name) => name,
        }
    }

    /// Returns the factor that an `amr` value denotes.
    #[must_use]
    pub fn from_amr(name: &str) -> Self {
        match name {
            "pwd" => Self::Password,
            "otp" => Self::Otp,
            other => Self::Other(Cow::Owned(other.to_owned())),
        }
    }
}

/// The caller as the application's own type. It dereferences to `U` and serialises as `U`.
///
/// It is the same for every layer. axum handlers take it as an argument. Elsewhere:
///
/// ```
/// # let mut request = http::Request::new(());
/// # request.extensions_mut().insert(tower_jam::AuthUser::new(std::sync::Arc::new(42_u64)));
/// let user = request.extensions().get::<tower_jam::AuthUser<u64>>();
/// assert_eq!(user.map(|user| **user), Some(42));
/// ```
#[doc(alias("current user", "principal"))]
pub struct AuthUser<U>(Arc<U>);

impl<U> AuthUser<U> {
    /// Wraps a user.
    #[must_use]
    pub const fn new(user: Arc<U>) -> Self {
        Self(user)
    }

    /// Returns the user.
    #[must_use]
    pub fn into_inner(self) -> Arc<U> {
        self.0
    }
}

impl<U> Clone for AuthUser<U> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<U> Deref for AuthUser<U> {
    type Target = U;

    fn deref(&self) -> &U {
        &self.0
    }
}

impl<U: Serialize> Serialize for AuthUser<U> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<U> fmt::Debug for AuthUser<U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AuthUser<{}>(..)", std::any::type_name::<U>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_names_nobody() {
        let identity = Identity::new(
            Subject::new("https://issuer", "alice"),
            Timestamp::from_secs(1),
        )
        .with_roles(["keeper-of-keys"])
        .with_scopes(["vault:open"])
        .with_session_id("s-123")
        .with_token_id("t-456");
        let shown = format!(
            "{identity:?} {:?} {:?}",
            identity.subject(),
            AuthUser::new(Arc::new("alice"))
        );
        for hidden in ["alice", "issuer", "keeper", "vault", "s-123", "t-456"] {
            assert!(!shown.contains(hidden), "{shown}");
        }
    }

    #[test]
    fn a_proof_is_renewed_but_never_made_older() {
        let identity = Identity::new(Subject::new("i", "a"), Timestamp::from_secs(9))
            .with_factor(Factor::Otp, Timestamp::from_secs(5))
            .with_factor(Factor::Otp, Timestamp::from_secs(7))
            .with_factor(Factor::Otp, Timestamp::from_secs(6));
        assert_eq!(identity.factors(), [(Factor::Otp, Timestamp::from_secs(7))]);
    }

    #[test]
    fn factors_keep_their_names_on_the_wire() {
        for factor in [Factor::Password, Factor::Otp, Factor::Other("hwk".into())] {
            assert_eq!(Factor::from_amr(factor.as_amr()), factor);
        }
    }
}
