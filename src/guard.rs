//! Guards: checks on an identity that is already established.
//!
//! A [`Guard`] decides from the [`Identity`] alone, without I/O or waiting. Roles, scopes, closures
//! and their combinations are guards. A [`GuardLayer`](crate::layer::GuardLayer) applies one to
//! every request, before any body is read.
//!
//! * Names are compared exactly. There are no wildcards and no hierarchy.
//! * A guard rejects with [`RejectionKind::Insufficient`] (403), unless it states another kind.
//! * [`fresh`] requires a recent proof and rejects with the challenge of RFC 9470: 401,
//!   `insufficient_user_authentication`, with `max_age` in seconds and the factor's name as
//!   `acr_values`. These names are those of RFC 8176: `pwd`, `otp`, and the value of a
//!   [`Factor::Other`].
//! * [`not`] accepts an identity only if the inner guard rejects it as
//!   [`RejectionKind::Insufficient`]. A step-up requirement or a misconfiguration of the inner
//!   guard is still a rejection.
//!
//! ```
//! use tower_jam::{Guard, Identity, Rejection, Subject, Timestamp};
//! use tower_jam::guard::{any, not, role, scope};
//!
//! let now = Timestamp::from_secs(1_000);
//! let alice = Identity::new(Subject::new("https://auth.acme.dev", "alice"), now)
//!     .with_roles(["editor"])
//!     .with_scopes(["articles:write"]);
//!
//! let may_publish = any([role("editor"), role("admin")]).and(scope("articles:write"));
//! assert!(may_publish.check(&alice).is_ok());
//! assert!(not(role("editor")).check(&alice).is_err());
//!
//! let is_alice = |identity: &Identity| match identity.subject().id() {
//!     "alice" => Ok(()),
//!     _ => Err(Rejection::insufficient("not alice")),
//! };
//! assert!(role("admin").or(is_alice).check(&alice).is_ok());
//! ```

use std::{borrow::Cow, time::Duration};

use crate::{
    identity::{Factor, Identity},
    rejection::{Rejection, RejectionKind},
};

/// A check on an identity.
///
/// ```
/// use tower_jam::{Guard, Identity, Rejection, Subject, Timestamp};
///
/// /// Requires a subject of this issuer.
/// struct Employees;
///
/// impl Guard for Employees {
///     fn check(&self, identity: &Identity) -> Result<(), Rejection> {
///         if identity.subject().issuer() == "https://id.acme.dev" {
///             return Ok(());
///         }
///         Err(Rejection::insufficient("not an employee"))
///     }
/// }
///
/// let guest = Subject::new("https://accounts.google.com", "7");
/// let guest = Identity::new(guest, Timestamp::from_secs(1_000));
/// assert!(Employees.check(&guest).is_err());
/// ```
#[doc(alias("permission", "authorization", "rbac"))]
pub trait Guard: Send + Sync + 'static {
    /// Accepts or rejects `identity`.
    ///
    /// # Errors
    ///
    /// The [`Rejection`] for the caller.
    fn check(&self, identity: &Identity) -> Result<(), Rejection>;

    /// Requires both guards to accept. This one is checked first.
    fn and<G: Guard>(self, other: G) -> And<Self, G>
    where
        Self: Sized,
    {
        And(self, other)
    }

    /// Requires one of the two guards to accept. This one is checked first.
    fn or<G: Guard>(self, other: G) -> OrGuard<Self, G>
    where
        Self: Sized,
    {
        OrGuard(self, other)
    }
}

impl<F> Guard for F
where
    F: Fn(&Identity) -> Result<(), Rejection> + Send + Sync + 'static,
{
    fn check(&self, identity: &Identity) -> Result<(), Rejection> {
        self(identity)
    }
}

/// Requires a role.
#[doc(alias("permission", "rbac"))]
pub fn role(name: impl Into<Cow<'static, str>>) -> Role {
    Role(name.into())
}

/// Requires a scope that was granted to the token or session.
#[doc(alias = "permission")]
pub fn scope(name: impl Into<Cow<'static, str>>) -> Scope {
    Scope(name.into())
}

/// Requires a proof by `factor` that the user gave less than `within` ago.
///
/// The time of a proof is when it was given, regardless of what was issued or refreshed since.
#[doc(alias("step-up", "reauthentication", "sudo"))]
pub const fn fresh(factor: Factor, within: Duration) -> Fresh {
    Fresh { factor, within }
}

/// Requires one of `guards` to accept. An empty list rejects everyone.
pub fn any<G: Guard>(guards: impl IntoIterator<Item = G>) -> Any<G> {
    Any(guards.into_iter().collect())
}

/// Requires all of `guards` to accept. An empty list rejects everyone, since it is more likely a
/// mistake than intent.
pub fn all<G: Guard>(guards: impl IntoIterator<Item = G>) -> All<G> {
    All(guards.into_iter().collect())
}

/// Accepts an identity if `guard` rejects it as [`RejectionKind::Insufficient`], and rejects all
/// others.
pub const fn not<G: Guard>(guard: G) -> Not<G> {
    Not(guard)
}

/// See [`role`].
#[derive(Clone, Debug)]
#[must_use]
pub struct Role(Cow<'static, str>);

impl Guard for Role {
    fn check(&self, identity: &Identity) -> Result<(), Rejection> {
        if identity.has_role(&self.0) {
            return Ok(());
        }
        Err(Rejection::insufficient("the role is missing"))
    }
}

/// See [`scope`].
#[derive(Clone, Debug)]
#[must_use]
pub struct Scope(Cow<'static, str>);

impl Guard for Scope {
    fn check(&self, identity: &Identity) -> Result<(), Rejection> {
        if identity.has_scope(&self.0) {
            return Ok(());
        }
        Err(Rejection::insufficient_scope(self.0.clone()))
    }
}

/// See [`fresh`].
#[derive(Clone, Debug)]
#[must_use]
#[non_exhaustive]
pub struct Fresh {
    /// The factor that the proof must be given by.
    pub factor: Factor,
    /// The maximum age of the proof.
    pub within: Duration,
}

impl Guard for Fresh {
    fn check(&self, identity: &Identity) -> Result<(), Rejection> {
        if identity.is_fresh(&self.factor, self.within) {
            return Ok(());
        }
        let acr_values = self.factor.as_amr().to_owned().into();
        let reason = "no recent proof by this factor";
        Err(Rejection::step_up(
            Some(self.within),
            Some(acr_values),
            reason,
        ))
    }
}

/// See [`Guard::and`].
#[derive(Clone, Debug)]
#[must_use]
pub struct And<A, B>(A, B);

impl<A: Guard, B: Guard> Guard for And<A, B> {
    fn check(&self, identity: &Identity) -> Result<(), Rejection> {
        self.0.check(identity)?;
        self.1.check(identity)
    }
}

/// See [`Guard::or`].
#[derive(Clone, Debug)]
#[must_use]
pub struct OrGuard<A, B>(A, B);

impl<A: Guard, B: Guard> Guard for OrGuard<A, B> {
    fn check(&self, identity: &Identity) -> Result<(), Rejection> {
        let Err(first) = self.0.check(identity) else {
            return Ok(());
        };
        let Err(second) = self.1.check(identity) else {
            return Ok(());
        };
        Err(more_actionable(first, second))
    }
}

/// See [`any`].
#[derive(Clone, Debug)]
#[must_use]
pub struct Any<G>(Vec<G>);

impl<G: Guard> Guard for Any<G> {
    fn check(&self, identity: &Identity) -> Result<(), Rejection> {
        let mut rejection = None;
        for guard in &self.0 {
            let Err(next) = guard.check(identity) else {
                return Ok(());
            };
            rejection = Some(match rejection {
                None => next,
                Some(first) => more_actionable(first, next),
            });
        }
        Err(rejection.unwrap_or_else(|| Rejection::insufficient("`any` has no guards")))
    }
}

/// See [`all`].
#[derive(Clone, Debug)]
#[must_use]
pub struct All<G>(Vec<G>);

impl<G: Guard> Guard for All<G> {
    fn check(&self, identity: &Identity) -> Result<(), Rejection> {
        if self.0.is_empty() {
            return Err(Rejection::insufficient("`all` has no guards"));
        }
        self.0.iter().try_for_each(|guard| guard.check(identity))
    }
}

/// See [`not`].
#[derive(Clone, Debug)]
#[must_use]
pub struct Not<G>(G);

impl<G: Guard> Guard for Not<G> {
    fn check(&self, identity: &Identity) -> Result<(), Rejection> {
        match self.0.check(identity) {
            Ok(()) => Err(Rejection::insufficient("a negated guard accepted")),
            Err(rejection) if is_insufficient(&rejection) => Ok(()),
            Err(other) => Err(other),
        }
    }
}

/// Returns the rejection that the caller can act on, if only one of the two is.
fn more_actionable(first: Rejection, second: Rejection) -> Rejection {
    if is_insufficient(&first) && !is_insufficient(&second) {
        second
    } else {
        first
    }
}

const fn is_insufficient(rejection: &Rejection) -> bool {
    matches!(rejection.kind(), RejectionKind::Insufficient { .. })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{clock::Timestamp, identity::Subject};

    fn editor() -> Identity {
        Identity::new(Subject::new("issuer", "alice"), Timestamp::from_secs(1))
            .with_roles(["editor"])
            .with_scopes(["read"])
    }

    fn needs_step_up(_: &Identity) -> Result<(), Rejection> {
        Err(Rejection::step_up(None, None, "test"))
    }

    #[test]
    fn names_are_compared_exactly() {
        for name in ["Editor", "edit", "editor ", "*", ""] {
            assert!(role(name).check(&editor()).is_err(), "{name:?}");
        }
        assert!(role("editor").check(&editor()).is_ok());
    }

    #[test]
    fn empty_lists_let_nobody_pass() {
        assert!(any::<Role>([]).check(&editor()).is_err());
        assert!(all::<Role>([]).check(&editor()).is_err());
    }

    #[test]
    fn a_negation_keeps_refusals_that_are_not_about_permission() {
        assert!(not(role("admin")).check(&editor()).is_ok());
        assert!(not(role("editor")).check(&editor()).is_err());
        assert!(not(needs_step_up).check(&editor()).is_err());
    }

    #[test]
    fn of_two_refusals_the_caller_gets_the_one_to_act_on() {
        for guard in [
            &role("admin").or(needs_step_up) as &dyn Guard,
            &needs_step_up.or(role("admin")),
        ] {
            let refusal = guard.check(&editor()).unwrap_err();
            assert!(matches!(refusal.kind(), RejectionKind::StepUp { .. }));
        }
    }

    #[test]
    fn a_proof_is_fresh_until_its_time_is_up_and_never_from_the_future() {
        let five = Duration::from_secs(300);
        let proved = Timestamp::from_secs(1_000);
        let check = |millis| {
            let identity = editor().with_factor(Factor::Otp, proved);
            let identity = identity.checked_again_at(Timestamp::from_millis(millis));
            fresh(Factor::Otp, five).check(&identity)
        };
        for millis in [970_000, 1_000_000, 1_299_000, 1_299_999] {
            assert!(check(millis).is_ok(), "{millis}");
        }
        for millis in [0, 969_999, 1_300_000, 1_301_000] {
            assert!(check(millis).is_err(), "{millis}");
        }
        let never = fresh(Factor::Password, five).check(&editor()).unwrap_err();
        assert!(
            never
                .challenge("api")
                .unwrap()
                .ends_with(r#"max_age=300, acr_values="pwd""#)
        );
    }

    #[test]
    fn a_missing_scope_is_named_in_the_challenge() {
        let refusal = scope("read")
            .and(scope("write"))
            .check(&editor())
            .unwrap_err();
        assert!(
            refusal
                .challenge("api")
                .unwrap()
                .ends_with(r#"scope="write""#)
        );
    }
}
