//! Proofs beyond the moment in which they are given: how fresh they are, and who remembers them.
//!
//! A proof's time is when the user gave it: not when a token was issued, and not now.
//!
//! ```
//! use std::time::Duration;
//! use tower_jam::{Factor, Identity, Subject, Timestamp};
//!
//! let given = Timestamp::from_secs(1_000);
//! let alice = Identity::new(Subject::new("https://auth.acme.dev", "alice"), given).with_factor(Factor::Otp, given);
//! let after = |seconds: u64| alice.clone().checked_again_at(Timestamp::from_secs(1_000 + seconds));
//!
//! let five_minutes = Duration::from_secs(300);
//! assert!(after(299).is_fresh(&Factor::Otp, five_minutes));
//! assert!(!after(300).is_fresh(&Factor::Otp, five_minutes));
//! assert!(!after(0).is_fresh(&Factor::Password, five_minutes));
//! ```

use std::{fmt, future::Future, pin::Pin, sync::Arc, time::Duration};

use http::Extensions;

use crate::{
    clock::{SKEW, Timestamp},
    identity::{Factor, Identity},
    rejection::Rejection,
};

impl Identity {
    /// Whether a proof by `factor` was given less than `within` before this request was checked.
    ///
    /// One that is more than half a minute in the future was given by another clock than this one, and is not fresh.
    #[must_use]
    pub fn is_fresh(&self, factor: &Factor, within: Duration) -> bool {
        let now = self.checked_at();
        self.proved_at(factor)
            .is_some_and(|at| at <= now.after(SKEW) && now.since(at) < within)
    }
}

/// Keeps a proof beyond the request in which it was given, as sessions do.
///
/// An outer engine attaches one ([`Verified::attach_memory`](crate::Verified::attach_memory)); an inner one that has
/// verified a further proof of the same identity finds it in its [`Credential`](crate::Credential::memory).
pub trait RememberProof: Send + Sync + 'static {
    /// Notes that the user gave a proof by `factor` at `at`.
    ///
    /// # Errors
    ///
    /// The [`Rejection`] that the caller will get: there is nothing that could remember it any more, or a store did
    /// not answer.
    fn remember_proof<'a>(
        &'a self,
        factor: &'a Factor,
        at: Timestamp,
    ) -> Pin<Box<dyn Future<Output = Result<(), Rejection>> + Send + 'a>>;
}

/// Finds what remembers the proofs of an identity among the extensions of its request. A function, so that an identity
/// costs no more for it.
#[derive(Clone, Copy)]
pub(crate) struct Memory(fn(&Extensions) -> Option<Arc<dyn RememberProof>>);

impl Memory {
    pub(crate) fn of<T: RememberProof + Clone>() -> Self {
        Self(|extensions| {
            let value: T = extensions.get::<T>()?.clone();
            Some(Arc::new(value))
        })
    }

    pub(crate) fn find(self, extensions: &Extensions) -> Option<Arc<dyn RememberProof>> {
        (self.0)(extensions)
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Memory(..)")
    }
}
