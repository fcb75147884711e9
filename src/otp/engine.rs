//! The engine for one-time codes.

use std::{fmt, sync::Arc, time::Duration};

use super::{
    attempt::{absent, attempt},
    builder::OtpBuilder,
    enroll::NewEnrollment,
    inner::{OtpInner, OtpRecordError},
    record::OtpAttempt,
    recovery::RecoveryCodes,
    scheme::OtpScheme,
    seals::{Seals, seals},
    secret::OtpSecret,
    step_up,
};
use crate::{
    clock::Timestamp,
    env::Env,
    error::StoreError,
    event::EventKind,
    identity::Identity,
    rejection::{Rejection, RejectionKind},
    secret::Secret,
    store::swap::{Step, swap},
};

/// Enrolls authenticators, and verifies their codes and the recovery codes.
///
/// It is a handle: cloning it is cheap. See the [module](super) for the rules, and
/// [`OtpGuard`](crate::layer::OtpGuard) for its use in a service.
///
/// ```
/// use std::sync::Arc;
/// use tower_jam::{Clock, Env, MasterSecret, Otp, SystemClock, otp::Totp, store::MemoryStore};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let store = Arc::new(MemoryStore::new());
/// let env = Env::new("https://acme.dev", store, &MasterSecret::generate());
/// let otp = Otp::builder(&env, "Acme").build()?;
///
/// let enrollment = otp.enroll("42").account("alice@acme.dev").await?;
/// // The code that the authenticator shows.
/// let code = Totp::new().code(enrollment.secret(), SystemClock.now());
/// let recovery_codes = otp.confirm("42", code.expose()).await?;
/// assert_eq!(recovery_codes.iter().count(), 10);
/// # Ok(())
/// # }
/// ```
#[doc(alias("mfa", "2fa", "totp", "hotp", "authenticator", "second factor"))]
#[derive(Clone)]
pub struct Otp {
    pub(super) inner: Arc<OtpInner>,
    /// The maximum age of a proof for [`OtpGuard`](crate::layer::OtpGuard).
    pub(super) within: Duration,
}

impl Otp {
    /// Starts to build an engine with records in the store of `env`, encrypted with
    /// keys of its master secret. `service` is the name that authenticators show beside the code.
    pub fn builder(env: &Env, service: impl Into<String>) -> OtpBuilder {
        OtpBuilder::new(env, service.into())
    }

    /// Returns the issuer of the users.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.inner.issuer
    }

    /// Starts an enrollment of `subject`, which changes nothing until [`confirm`](Self::confirm).
    pub fn enroll<'a>(&'a self, subject: &'a str) -> NewEnrollment<'a> {
        NewEnrollment::new(&self.inner, subject)
    }

    /// Completes an enrollment with its first code, and returns the recovery codes, which cannot be
    /// shown again. A previous authenticator and its recovery codes become invalid.
    ///
    /// # Errors
    ///
    /// As [`verify`](Self::verify).
    pub async fn confirm(&self, subject: &str, code: &str) -> Result<RecoveryCodes, Rejection> {
        let codes = RecoveryCodes::generate();
        let recovery = &codes.hashes();
        let presented = OtpAttempt::Confirm { code, recovery };
        attempt(&self.inner, subject, &presented, EventKind::OtpEnrolled).await?;
        Ok(codes)
    }

    /// Verifies a code and uses it up. Returns the time of the proof, that of
    /// [`Factor::Otp`](crate::Factor::Otp).
    ///
    /// # Errors
    ///
    /// [`RejectionKind::Invalid`](crate::RejectionKind::Invalid) for a code that is wrong, was used
    /// before, or belongs to no authenticator, all with the same response.
    /// [`RejectionKind::Throttled`](crate::RejectionKind::Throttled) while the user is locked.
    /// [`RejectionKind::FactorLost`](crate::RejectionKind::FactorLost) when the record is
    /// unreadable, or after a hundred wrong codes in a row.
    /// [`RejectionKind::Unavailable`](crate::RejectionKind::Unavailable) when the store does not
    /// answer.
    pub async fn verify(&self, subject: &str, code: &str) -> Result<Timestamp, Rejection> {
        let presented = OtpAttempt::Code(code);
        let (at, _) = attempt(&self.inner, subject, &presented, EventKind::OtpAccepted).await?;
        Ok(at)
    }

    /// Verifies a recovery code and uses it up. Returns the time of the proof and the number of
    /// remaining codes. It counts as a [`Factor::Otp`](crate::Factor::Otp), so a user who has lost
    /// the authenticator can enroll the next one with it.
    ///
    /// # Errors
    ///
    /// As [`verify`](Self::verify).
    pub async fn use_recovery_code(
        &self,
        subject: &str,
        code: &str,
    ) -> Result<(Timestamp, usize), Rejection> {
        let presented = OtpAttempt::Recovery(code);
        attempt(
            &self.inner,
            subject,
            &presented,
            EventKind::RecoveryCodeUsed,
        )
        .await
    }

    /// Finds the counter of a token whose button was pressed too often, from two consecutive codes
    /// (RFC 4226 section 7.4). Both are used up.
    ///
    /// # Errors
    ///
    /// As [`verify`](Self::verify). Time-based codes have no counter, so they are rejected.
    pub async fn resynchronize(
        &self,
        subject: &str,
        codes: [&str; 2],
    ) -> Result<Timestamp, Rejection> {
        let presented = OtpAttempt::Pair(codes);
        let (at, _) = attempt(
            &self.inner,
            subject,
            &presented,
            EventKind::OtpResynchronized,
        )
        .await?;
        Ok(at)
    }

    /// Generates new recovery codes for the caller, who has just given a code. The old ones become
    /// invalid.
    ///
    /// # Errors
    ///
    /// [`RejectionKind::StepUp`](crate::RejectionKind::StepUp) without a recent code,
    /// [`RejectionKind::Invalid`](crate::RejectionKind::Invalid) without an authenticator,
    /// otherwise as [`verify`](Self::verify).
    pub async fn new_recovery_codes(&self, caller: &Identity) -> Result<RecoveryCodes, Rejection> {
        let subject = self.inner.proved(caller)?;
        let codes = RecoveryCodes::generate();
        let hashes = codes.hashes();
        let inner = &*self.inner;
        let key = self.inner.key(subject);
        let is_replaced = swap(&*inner.store, &*inner.clock, &key, |entry| {
            let mut record = self.inner.read(&key, entry)?;
            if record.active.is_none() {
                return Ok(Step::Keep(false));
            }
            record.recovery.clone_from(&hashes);
            Ok::<_, OtpRecordError>(Step::Swap(self.inner.write(&key, subject, record)?, true))
        });
        let is_replaced = is_replaced.await;
        if !is_replaced.map_err(|error| self.inner.record_rejection(error, subject))? {
            return Err(absent());
        }
        self.inner
            .emit(EventKind::RecoveryCodesReplaced, subject, inner.clock.now());
        Ok(codes)
    }

    /// Removes the second factor of the caller, who has just given a code; `false` if there was
    /// none.
    ///
    /// # Errors
    ///
    /// [`RejectionKind::StepUp`](crate::RejectionKind::StepUp) without a recent code,
    /// [`RejectionKind::Unavailable`](crate::RejectionKind::Unavailable) when the store does not
    /// answer.
    pub async fn disable(&self, caller: &Identity) -> Result<bool, Rejection> {
        let subject = self.inner.proved(caller)?;
        Ok(self.dangerous_disable(subject).await?)
    }

    /// Removes the second factor of `subject`, even an unreadable one, without a code; `false` if
    /// there was none. For an operator who has verified in another way that the user asks for it.
    ///
    /// # Errors
    ///
    /// When the store does not answer.
    pub async fn dangerous_disable(&self, subject: &str) -> Result<bool, StoreError> {
        let is_removed = self
            .inner
            .store
            .take(&self.inner.key(subject))
            .await?
            .is_some();
        if is_removed {
            self.inner
                .emit(EventKind::OtpDisabled, subject, self.inner.clock.now());
        }
        Ok(is_removed)
    }

    /// Returns the `otpauth://` URI of `secret` in this engine's scheme, labeled with `account`.
    ///
    /// # Errors
    ///
    /// [`RejectionKind::Malformed`](crate::RejectionKind::Malformed) if `account` exceeds 256
    /// bytes.
    pub fn uri(&self, secret: &OtpSecret, account: &str) -> Result<Secret<String>, Rejection> {
        self.inner.uri(secret, account)
    }

    /// Returns the scheme of new enrollments, which can also generate codes.
    #[must_use]
    pub fn scheme(&self) -> OtpScheme {
        self.inner.scheme
    }

    #[cfg(feature = "account")]
    pub(crate) fn store(&self) -> &dyn crate::store::Store {
        &*self.inner.store
    }

    /// Returns whether `subject` has a confirmed authenticator, or an unreadable record. This is
    /// for display only: whether a code is required is a field of the user, since a lost record
    /// must not grant access.
    ///
    /// # Errors
    ///
    /// When the store does not answer.
    pub async fn is_enrolled(&self, subject: &str) -> Result<bool, StoreError> {
        let key = self.inner.key(subject);
        let entry = self.inner.store.get(&key).await?;
        let read = self.inner.read(&key, entry.as_ref());
        Ok(read.map_or(true, |record| record.active.is_some()))
    }

    /// Returns a number that identifies the authenticator of `subject`: another authenticator has
    /// another number. `None` if the record is unreadable.
    #[cfg(feature = "account")]
    pub(crate) async fn enrolment(&self, subject: &str) -> Result<Option<u32>, StoreError> {
        let key = self.inner.key(subject);
        let entry = self.inner.store.get(&key).await?;
        let record = self.inner.read(&key, entry.as_ref()).ok();
        let active = record.and_then(|record| record.active);
        Ok(active.map(|active| {
            let [a, b, c, d, ..] = crate::secret::hash([active.secret.expose()]);
            u32::from_be_bytes([a, b, c, d])
        }))
    }

    /// Returns which users' records are sealed under which secret. A record that is not under the
    /// active secret becomes unreadable once the others are retired. It reads every record, so it
    /// is for operators and not for requests.
    ///
    /// # Errors
    ///
    /// When the store does not answer.
    pub async fn seals(&self) -> Result<Seals, StoreError> {
        seals(&self.inner).await
    }

    /// Returns the same engine with another maximum age of proofs for
    /// [`OtpGuard`](crate::layer::OtpGuard).
    pub(crate) const fn taking_proofs_within(mut self, within: Duration) -> Self {
        self.within = within;
        self
    }

    /// Turns [`RejectionKind::Invalid`] into a step-up. The outer credential stays valid after a
    /// wrong code, and `invalid_token` would make clients discard it.
    pub(crate) fn or_step_up(&self, rejection: Rejection) -> Rejection {
        match rejection.kind() {
            RejectionKind::Invalid => step_up(self.within, "no valid one-time code was given"),
            _ => rejection,
        }
    }

    /// Returns the id of the caller, if the caller has just given a code.
    #[cfg(feature = "account")]
    pub(crate) fn proved<'a>(&self, caller: &'a Identity) -> Result<&'a str, Rejection> {
        self.inner.proved(caller)
    }

    pub(super) fn new(inner: OtpInner) -> Self {
        Self {
            within: inner.fresh,
            inner: Arc::new(inner),
        }
    }
}

impl fmt::Debug for Otp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Otp")
            .field("scheme", &self.inner.scheme)
            .field("policy", &self.inner.policy)
            .field("store", &self.inner.store)
            .finish_non_exhaustive()
    }
}
