//! Who the caller is, once that is proved.
//!
//! A layer puts two things into the request's extensions: the [`Identity`], which is the same type
//! whatever engine proved it, and the [`AuthUser`], the caller as the application's own type. axum
//! handlers extract them; hyper and tonic handlers read them with `request.extensions().get()`.
//!
//! Neither shows anything of the caller in `Debug`.
//!
//! ```
//! use tower_jam::{Factor, Identity, Subject, Timestamp};
//!
//! let login = Timestamp::from_secs(1_000);
//! let identity = Identity::new(Subject::new("https://auth.acme.dev", "alice"), login)
//!     .with_factor(Factor::Password, login)
//!     .with_roles(["admin"]);
//!
//! assert_eq!(identity.subject().id(), "alice");
//! assert!(identity.has_role("admin"));
//! assert_eq!(identity.proved_at(&Factor::Password), Some(login));
//! assert_eq!(identity.proved_at(&Factor::Otp), None);
//! ```

use std::{borrow::Cow, fmt, ops::Deref, sync::Arc};

use http::Extensions;
use serde::{Serialize, Serializer};

use crate::{clock::Timestamp, proof::Memory};

/// Who the caller is, how that was proved, and what it may do. Cheap to clone.
#[derive(Clone)]
pub struct Identity {
    shared: Arc<Shared>,
    checked_at: Timestamp,
    user_type: Option<UserType>,
    /// Where its further proofs are remembered.
    pub(crate) memory: Option<Memory>,
}

#[derive(Clone)]
struct Shared {
    subject: Subject,
    factors: Vec<(Factor, Timestamp)>,
    roles: Vec<String>,
    scopes: Vec<String>,
    session_id: Option<String>,
    token_id: Option<String>,
}

impl Identity {
    /// The identity of `subject`, checked at `checked_at`, with no factor, role or scope.
    #[must_use]
    pub fn new(subject: Subject, checked_at: Timestamp) -> Self {
        Self {
            shared: Arc::new(Shared {
                subject,
                factors: Vec::new(),
                roles: Vec::new(),
                scopes: Vec::new(),
                session_id: None,
                token_id: None,
            }),
            checked_at,
            user_type: None,
            memory: None,
        }
    }

    /// Adds a proof given at `at`; a later proof by the same factor replaces an earlier one.
    #[must_use]
    pub fn with_factor(mut self, factor: Factor, at: Timestamp) -> Self {
        let factors = &mut Arc::make_mut(&mut self.shared).factors;
        match factors.iter_mut().find(|(known, _)| *known == factor) {
            Some((_, known_at)) => *known_at = at.max(*known_at),
            None => factors.push((factor, at)),
        }
        self
    }

    /// Sets the roles.
    #[must_use]
    pub fn with_roles(mut self, roles: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Arc::make_mut(&mut self.shared).roles = roles.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the scopes, one scope-token of RFC 6749 section 3.3 each.
    #[must_use]
    pub fn with_scopes(mut self, scopes: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Arc::make_mut(&mut self.shared).scopes = scopes.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the public id of the session.
    #[must_use]
    pub fn with_session_id(mut self, id: impl Into<String>) -> Self {
        Arc::make_mut(&mut self.shared).session_id = Some(id.into());
        self
    }

    /// Sets the id of the token.
    #[must_use]
    pub fn with_token_id(mut self, id: impl Into<String>) -> Self {
        Arc::make_mut(&mut self.shared).token_id = Some(id.into());
        self
    }

    /// Who it is.
    #[must_use]
    pub fn subject(&self) -> &Subject {
        &self.shared.subject
    }

    /// By which factors it was proved, and when each proof was given. A proof whose time nobody
    /// stated counts as given in 1970, so it is never fresh.
    #[must_use]
    pub fn factors(&self) -> &[(Factor, Timestamp)] {
        &self.shared.factors
    }

    /// When the last proof by `factor` was given.
    #[must_use]
    pub fn proved_at(&self, factor: &Factor) -> Option<Timestamp> {
        let mut factors = self.shared.factors.iter();
        factors
            .find(|(known, _)| known == factor)
            .map(|(_, at)| *at)
    }

    /// The roles.
    #[must_use]
    pub fn roles(&self) -> &[String] {
        &self.shared.roles
    }

    /// Whether it has exactly this role.
    #[must_use]
    pub fn has_role(&self, role: &str) -> bool {
        self.shared.roles.iter().any(|known| known == role)
    }

    /// The scopes.
    #[must_use]
    pub fn scopes(&self) -> &[String] {
        &self.shared.scopes
    }

    /// Whether it was granted exactly this scope.
    #[must_use]
    pub fn has_scope(&self, scope: &str) -> bool {
        self.shared.scopes.iter().any(|known| known == scope)
    }

    /// The public id of the session, which opens nothing.
    #[must_use]
    pub fn session_id(&self) -> Option<&str> {
        self.shared.session_id.as_deref()
    }

    /// The id of the token (`jti`).
    #[must_use]
    pub fn token_id(&self) -> Option<&str> {
        self.shared.token_id.as_deref()
    }

    /// When this request's check was made.
    #[must_use]
    pub const fn checked_at(&self) -> Timestamp {
        self.checked_at
    }

    /// The same identity, checked at another time.
    #[must_use]
    pub const fn checked_again_at(mut self, now: Timestamp) -> Self {
        self.checked_at = now;
        self
    }

    /// The type that came along as [`AuthUser`].
    pub(crate) const fn user_type(&self) -> Option<UserType> {
        self.user_type
    }

    pub(crate) const fn with_user_type(mut self, user_type: Option<UserType>) -> Self {
        self.user_type = user_type;
        self
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("factors", &self.shared.factors.len())
            .field("roles", &self.shared.roles.len())
            .field("scopes", &self.shared.scopes.len())
            .field("checked_at", &self.checked_at)
            .finish_non_exhaustive()
    }
}

/// A user as one issuer knows it. Two issuers may use one id for two people, so the pair is the key.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Subject {
    issuer: Arc<str>,
    id: Arc<str>,
}

impl Subject {
    /// The subject that `issuer` calls `id`.
    #[must_use]
    pub fn new(issuer: impl Into<Arc<str>>, id: impl Into<Arc<str>>) -> Self {
        Self {
            issuer: issuer.into(),
            id: id.into(),
        }
    }

    /// Who vouches for it (`iss`).
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// What the issuer calls it (`sub`).
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

/// What a proof was made with, named on the wire as in RFC 8176.
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
    /// The value of `amr`.
    #[must_use]
    pub fn as_amr(&self) -> &str {
        match self {
            Self::Password => "pwd",
            Self::Otp => "otp",
            Self::Other(name) => name,
        }
    }

    /// The factor that an `amr` value names.
    #[must_use]
    pub fn from_amr(name: &str) -> Self {
        match name {
            "pwd" => Self::Password,
            "otp" => Self::Otp,
            other => Self::Other(Cow::Owned(other.to_owned())),
        }
    }
}

/// The caller as the application's own type: it derefs to `U` and serialises as `U`.
///
/// It is the same whichever layer authenticated the request.
pub struct AuthUser<U>(Arc<U>);

impl<U> AuthUser<U> {
    /// Wraps a user that an engine has read.
    #[must_use]
    pub const fn new(user: Arc<U>) -> Self {
        Self(user)
    }

    /// The user itself.
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

/// A type that is in the extensions as [`AuthUser`].
#[derive(Clone, Copy)]
pub(crate) struct UserType {
    /// For the message about a wrong one.
    #[cfg_attr(
        not(feature = "axum"),
        allow(dead_code, reason = "extractors write that message")
    )]
    pub(crate) name: &'static str,
    /// Takes the user out again.
    pub(crate) remove: fn(&mut Extensions),
}

impl UserType {
    pub(crate) fn of<U: Send + Sync + 'static>() -> Self {
        Self {
            name: std::any::type_name::<U>(),
            remove: |extensions| drop(extensions.remove::<AuthUser<U>>()),
        }
    }
}

/// Left in the extensions where the caller chose between two engines, so that what the other one would
/// have brought is missing by the caller's doing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chosen;

/// Left in the extensions by a layer that let a request through without an identity, so that a guard
/// or an extractor can tell "nobody" from "no layer".
#[derive(Clone, Copy, Debug)]
pub(crate) struct Anonymous;

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
