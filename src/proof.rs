//! Proofs by factors: how fresh they are, and how they outlive the request in which they were
//! given.
//!
//! The time of a proof is when the user gave it, not when a token was issued and not the current
//! time.
//!
//! ```
//! use std::time::Duration;
//! use tower_jam::{Factor, Identity, Subject, Timestamp};
//!
//! let given = Timestamp::from_secs(1_000);
//! let subject = Subject::new("https://auth.acme.dev", "alice");
//! let alice = Identity::new(subject, given).with_factor(Factor::Otp, given);
//! let after = |seconds: u64| {
//!     alice.clone().checked_again_at(Timestamp::from_secs(1_000 + seconds))
//! };
//!
//! let five_minutes = Duration::from_secs(300);
//! assert!(after(299).is_fresh(&Factor::Otp, five_minutes));
//! assert!(!after(300).is_fresh(&Factor::Otp, five_minutes));
//! assert!(!after(0).is_fresh(&Factor::Password, five_minutes));
//! ```

use std::{fmt, future::Future, pin::Pin, sync::Arc};

use http::Extensions;

use crate::{clock::Timestamp, identity::Factor, rejection::Rejection};

/// Stores a proof beyond the request in which it was given, as sessions do.
///
/// An outer engine attaches one with [`Verified::attach_memory`](crate::Verified::attach_memory).
/// An inner engine that verified a further proof of the same identity finds it in
/// [`Credential::memory`](crate::Credential::memory).
pub trait RememberProof: Send + Sync + 'static {
    /// Records that the user gave a proof by `factor` at `at`.
    ///
    /// # Errors
    ///
    /// The [`Rejection`] for the caller: the session or other holder of the proof no longer exists,
    /// or the store failed.
    fn remember_proof<'a>(
        &'a self,
        factor: &'a Factor,
        at: Timestamp,
    ) -> Pin<Box<dyn Future<Output = Result<(), Rejection>> + Send + 'a>>;
}

/// Finds the value that records an identity's proofs in the extensions of its request. It is a
/// function pointer, so that it adds no cost to an identity.
#[derive(Clone, Copy)]
pub(crate) struct ProofRecorder(fn(&Extensions) -> Option<Arc<dyn RememberProof>>);

impl ProofRecorder {
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

impl fmt::Debug for ProofRecorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProofRecorder(..)")
    }
}
