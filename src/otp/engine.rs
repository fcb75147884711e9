//! The engine for one-time codes.

use std::{fmt, sync::Arc, time::Duration};

use super::{
    builder::OtpBuilder,
    decide::{OtpAttempt, OtpDecision, OtpPolicy},
    enroll::NewEnrollment,
    lost::OtpRecordError,
    record::{OtpOpenError, OtpRecord, OtpRecordKeys},
    recovery::RecoveryCodes,
    scheme::OtpScheme,
    secret::OtpSecret,
    uri::uri,
};
use crate::{
    clock::{Clock, Timestamp},
    env::Env,
    error::StoreError,
    event::{Event, EventKind, Events},
    identity::{Factor, Identity},
    rejection::Rejection,
    secret::Secret,
    store::{
        Entry, Namespace, Store, StoreKey, Write,
        swap::{Step, swap},
    },
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

pub(super) struct OtpInner {
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) keys: OtpRecordKeys,
    pub(super) service: String,
    pub(super) issuer: String,
    pub(super) scheme: OtpScheme,
    pub(super) secret_bytes: usize,
    pub(super) policy: OtpPolicy,
    pub(super) fresh: Duration,
    pub(super) events: Events,
}

impl Otp {
    /// Starts to build an engine with records in `store`, encrypted with keys from `secret`.
    /// `service` is the name that authenticators show beside the code.
    pub fn builder(env: &Env, service: impl Into<String>) -> OtpBuilder {
        OtpBuilder::new(env, service.into())
    }

    /// Returns the issuer of the users.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.inner.issuer
    }

    /// Starts an enrollment of `subject`, which changes nothing until [`confirm`](Self::confirm).
    pub const fn enroll<'a>(&'a self, subject: &'a str) -> NewEnrollment<'a> {
        NewEnrollment::new(self, subject)
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
        let attempt = OtpAttempt::Confirm { code, recovery };
        self.attempt(subject, &attempt, EventKind::OtpEnrolled)
            .await?;
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
        let attempt = OtpAttempt::Code(code);
        let (at, _) = self
            .attempt(subject, &attempt, EventKind::OtpAccepted)
            .await?;
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
        let attempt = OtpAttempt::Recovery(code);
        self.attempt(subject, &attempt, EventKind::RecoveryCodeUsed)
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
        let attempt = OtpAttempt::Pair(codes);
        let (at, _) = self
            .attempt(subject, &attempt, EventKind::OtpResynchronized)
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
        let subject = self.proved(caller)?;
        let codes = RecoveryCodes::generate();
        let hashes = codes.hashes();
        let inner = &*self.inner;
        let key = self.key(subject);
        let is_replaced = swap(&*inner.store, &*inner.clock, &key, |entry| {
            let mut record = self.read(&key, entry)?;
            if record.active.is_none() {
                return Ok(Step::Keep(false));
            }
            record.recovery.clone_from(&hashes);
            Ok::<_, OtpRecordError>(Step::Swap(self.write(&key, subject, record)?, true))
        });
        let is_replaced = is_replaced.await;
        if !is_replaced.map_err(|error| self.record_rejection(error, subject))? {
            return Err(absent());
        }
        self.emit(EventKind::RecoveryCodesReplaced, subject, inner.clock.now());
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
        let subject = self.proved(caller)?;
        Ok(self.dangerous_disable(subject).await?)
    }

    /// Removes the second factor of `subject`, even an unreadable one, without a code; `false` if
    /// there was none. For an operator who has verified in another way that the user asks for it.
    ///
    /// # Errors
    ///
    /// When the store does not answer.
    pub async fn dangerous_disable(&self, subject: &str) -> Result<bool, StoreError> {
        let is_removed = self.inner.store.take(&self.key(subject)).await?.is_some();
        if is_removed {
            self.emit(EventKind::OtpDisabled, subject, self.inner.clock.now());
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
        if account.len() > super::uri::MAX_ACCOUNT_BYTES {
            return Err(Rejection::malformed("the account has more than 256 bytes"));
        }
        let inner = &*self.inner;
        Ok(uri(inner.scheme, secret, &inner.service, account))
    }

    /// Returns the scheme of new enrollments, which can also generate codes.
    #[must_use]
    pub fn scheme(&self) -> OtpScheme {
        self.inner.scheme
    }

    /// Decides on an attempt. The decision is returned only after it is stored.
    async fn attempt(
        &self,
        subject: &str,
        attempt: &OtpAttempt<'_>,
        success: EventKind,
    ) -> Result<(Timestamp, usize), Rejection> {
        let inner = &*self.inner;
        let key = self.key(subject);
        let decided = swap(&*inner.store, &*inner.clock, &key, |entry| {
            let now = inner.clock.now();
            let mut record = self.read(&key, entry)?;
            let decision = record.attempt(attempt, &inner.policy, now);
            Ok::<_, OtpRecordError>(if decision.is_change() {
                Step::Swap(self.write(&key, subject, record)?, (decision, now))
            } else {
                Step::Keep((decision, now))
            })
        });
        let decided = decided.await;
        let (decision, at) = decided.map_err(|error| self.record_rejection(error, subject))?;
        match decision {
            OtpDecision::Accepted { recovery_left } => {
                self.emit(success, subject, at);
                Ok((at, recovery_left))
            }
            OtpDecision::Wrong { locks, caps } => {
                self.emit(EventKind::OtpRefused, subject, at);
                if locks {
                    self.emit(EventKind::OtpLocked, subject, at);
                }
                if caps {
                    self.emit(EventKind::OtpCapped, subject, at);
                }
                Err(Rejection::invalid("the code is wrong"))
            }
            OtpDecision::Replayed => {
                self.emit(EventKind::OtpReplayed, subject, at);
                Err(Rejection::invalid("the code or a later one was used"))
            }
            OtpDecision::Locked(wait) => {
                self.emit(EventKind::Throttled, subject, at);
                Err(Rejection::throttled(wait, "too many wrong codes in a row"))
            }
            OtpDecision::Capped => Err(Rejection::factor_lost(
                "a hundred codes were wrong in a row: a recovery code is required",
            )),
            OtpDecision::Absent => Err(absent()),
        }
    }

    /// Returns the id of the caller, if the caller has just given a code.
    pub(crate) fn proved<'a>(&self, caller: &'a Identity) -> Result<&'a str, Rejection> {
        let subject = caller.subject().id();
        let stale = || super::stale(self.inner.fresh);
        self.is_proof(caller, subject)
            .then_some(subject)
            .ok_or_else(stale)
    }

    /// Returns whether `caller` is `subject` and has given a code just now, by the clock.
    pub(super) fn is_proof(&self, caller: &Identity, subject: &str) -> bool {
        let is_same = self.is_ours(caller) && caller.subject().id() == subject;
        let caller = caller.clone().checked_again_at(self.inner.clock.now());
        is_same && caller.is_fresh(&Factor::Otp, self.inner.fresh)
    }

    #[cfg(feature = "account")]
    pub(crate) fn store(&self) -> &dyn Store {
        &*self.inner.store
    }

    pub(super) fn is_ours(&self, caller: &Identity) -> bool {
        caller.subject().issuer() == self.inner.issuer
    }

    pub(super) fn key(&self, subject: &str) -> StoreKey {
        StoreKey::new(
            NAMESPACE,
            &[self.inner.issuer.as_bytes(), subject.as_bytes()],
        )
    }

    pub(super) fn read(
        &self,
        key: &StoreKey,
        entry: Option<&Entry>,
    ) -> Result<OtpRecord, OtpOpenError> {
        match entry {
            Some(entry) => self.inner.keys.decode(&entry.value, key),
            None => Ok(OtpRecord::new()),
        }
    }

    pub(super) fn write(
        &self,
        key: &StoreKey,
        subject: &str,
        mut record: OtpRecord,
    ) -> Result<Write, StoreError> {
        subject.clone_into(&mut record.subject);
        let value = self.inner.keys.encode(&record, key)?;
        Ok(Write::new(value, record.expires_at()).in_group(self.group(key)))
    }

    fn emit(&self, kind: EventKind, subject: &str, at: Timestamp) {
        self.inner.events.tell(&Event::new(kind, at).of(subject));
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

fn absent() -> Rejection {
    Rejection::invalid("no one-time codes are set up for this user")
}

/// Every write uses a code up, counts a failure or disables an authenticator.
const NAMESPACE: Namespace = Namespace::new("otp").revoking();
