//! Questions about an identity that is already known.
//!
//! A [`Guard`] decides from the [`Identity`] alone: it does no I/O and waits for nothing. Roles, scopes,
//! closures and their combinations are guards. A [`GuardLayer`](crate::layer::GuardLayer) asks one of
//! every request, before any body is read.
//!
//! * Names are compared exactly. There are no wildcards and no hierarchy.
//! * A refusal is `insufficient` (403), unless the guard says otherwise.
//! * [`fresh`] asks for a proof that was given lately, and refuses with the challenge of RFC 9470: 401,
//!   `insufficient_user_authentication`, with `max_age` in seconds and the factor's name as `acr_values`. Those names
//!   are the ones of RFC 8176: `pwd`, `otp`, and what [`Factor::Other`] is made with.
//! * [`not`] turns a refusal into consent only if the refusal was `insufficient`: a guard that wants a
//!   step-up, or that is put together wrongly, stays refused.
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

/// Decides whether an identity may go on.
pub trait Guard: Send + Sync + 'static {
    /// Lets `identity` pass or says why not.
    ///
    /// # Errors
    ///
    /// The [`Rejection`] that the caller will get.
    fn check(&self, identity: &Identity) -> Result<(), Rejection>;

    /// Both must let the identity pass; this one is asked first.
    fn and<G: Guard>(self, other: G) -> And<Self, G>
    where
        Self: Sized,
    {
        And(self, other)
    }

    /// One of the two must let the identity pass; this one is asked first.
    fn or<G: Guard>(self, other: G) -> Or<Self, G>
    where
        Self: Sized,
    {
        Or(self, other)
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

/// The identity must have this role.
pub fn role(name: impl Into<Cow<'static, str>>) -> Role {
    Role(name.into())
}

/// The token or session must have been granted this scope.
pub fn scope(name: impl Into<Cow<'static, str>>) -> Scope {
    Scope(name.into())
}

/// The user must have given a proof by `factor` less than `within` ago.
///
/// The time of a proof is when it was given, whatever was issued or refreshed since.
pub const fn fresh(factor: Factor, within: Duration) -> Fresh {
    Fresh { factor, within }
}

/// One of `guards` must let the identity pass. Of none, nobody passes.
pub fn any<G: Guard>(guards: impl IntoIterator<Item = G>) -> Any<G> {
    Any(guards.into_iter().collect())
}

/// Every one of `guards` must let the identity pass. Of none, nobody passes: an empty list is a
/// mistake more often than a wish.
pub fn all<G: Guard>(guards: impl IntoIterator<Item = G>) -> All<G> {
    All(guards.into_iter().collect())
}

/// Whom `guard` refuses as insufficient may pass, and nobody else.
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
        Err(Rejection::insufficient("role not held"))
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
    /// By what it must be given.
    pub factor: Factor,
    /// How long ago at most.
    pub within: Duration,
}

impl Guard for Fresh {
    fn check(&self, identity: &Identity) -> Result<(), Rejection> {
        if identity.is_fresh(&self.factor, self.within) {
            return Ok(());
        }
        let acr_values = self.factor.as_amr().to_owned().into();
        let reason = "no such proof was given lately";
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
pub struct Or<A, B>(A, B);

impl<A: Guard, B: Guard> Guard for Or<A, B> {
    fn check(&self, identity: &Identity) -> Result<(), Rejection> {
        let Err(first) = self.0.check(identity) else {
            return Ok(());
        };
        let Err(second) = self.1.check(identity) else {
            return Ok(());
        };
        Err(more_useful(first, second))
    }
}

/// See [`any`].
#[derive(Clone, Debug)]
#[must_use]
pub struct Any<G>(Vec<G>);

impl<G: Guard> Guard for Any<G> {
    fn check(&self, identity: &Identity) -> Result<(), Rejection> {
        let mut refusal = None;
        for guard in &self.0 {
            let Err(next) = guard.check(identity) else {
                return Ok(());
            };
            refusal = Some(match refusal {
                None => next,
                Some(first) => more_useful(first, next),
            });
        }
        Err(refusal.unwrap_or_else(|| Rejection::insufficient("none of no guards")))
    }
}

/// See [`all`].
#[derive(Clone, Debug)]
#[must_use]
pub struct All<G>(Vec<G>);

impl<G: Guard> Guard for All<G> {
    fn check(&self, identity: &Identity) -> Result<(), Rejection> {
        if self.0.is_empty() {
            return Err(Rejection::insufficient("all of no guards"));
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
            Ok(()) => Err(Rejection::insufficient("refused by a negated guard")),
            Err(refusal) if is_insufficient(&refusal) => Ok(()),
            Err(other) => Err(other),
        }
    }
}

/// Of two refusals, the one the caller can do something about.
fn more_useful(first: Rejection, second: Rejection) -> Rejection {
    if is_insufficient(&first) && !is_insufficient(&second) {
        second
    } else {
        first
    }
}

const fn is_insufficient(refusal: &Rejection) -> bool {
    matches!(refusal.kind(), RejectionKind::Insufficient { .. })
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
