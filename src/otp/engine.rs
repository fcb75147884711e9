//! The engine for one-time codes.

use std::{fmt, sync::Arc, time::Duration};

use super::{
    builder::OtpBuilder,
    decide::{OtpAttempt, OtpDecision, OtpPolicy},
    enroll::NewEnrollment,
    lost::OtpRecordError,
    record::{OtpOpenError, OtpRecord, OtpRecordKeys},
    recovery::RecoveryCodes,
    scheme::Scheme,
    secret::OtpSecret,
    uri::uri,
};
use crate::{
    clock::{Clock, Timestamp},
    error::StoreError,
    event::{Event, EventKind, Events},
    identity::{Factor, Identity},
    rejection::Rejection,
    secret::{MasterSecret, Secret},
    store::{
        Entry, Key, Namespace, Store, Write,
        swap::{Step, swap},
    },
};

/// Enrols authenticators, and verifies their codes and the recovery codes.
///
/// It is a handle: cloning it is cheap. See the [module](super) for the rules, and
/// [`OtpGuard`](crate::layer::OtpGuard) for its use in a service.
#[derive(Clone)]
pub struct Otp {
    pub(super) inner: Arc<OtpInner>,
    /// How old a proof may be that an [`OtpGuard`](crate::layer::OtpGuard) takes.
    pub(super) within: Duration,
}

pub(super) struct OtpInner {
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) keys: OtpRecordKeys,
    pub(super) service: String,
    pub(super) issuer: String,
    pub(super) scheme: Scheme,
    pub(super) secret_bytes: usize,
    pub(super) policy: OtpPolicy,
    pub(super) fresh: Duration,
    pub(super) events: Events,
}

impl Otp {
    /// An engine whose records are in `store`, sealed with keys from `secret`. `service` is what authenticators show beside
    /// the code.
    pub fn builder(
        store: Arc<dyn Store>,
        secret: &MasterSecret,
        service: impl Into<String>,
    ) -> OtpBuilder {
        OtpBuilder::new(store, secret, service.into())
    }

    /// Whose users these are.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.inner.issuer
    }

    /// Begins an enrolment of `subject`; `.await` does it. Nothing changes for the user until
    /// [`confirm`](Self::confirm).
    pub const fn enroll<'a>(&'a self, subject: &'a str) -> NewEnrollment<'a> {
        NewEnrollment::new(self, subject)
    }

    /// Ends an enrolment with its first code, and returns the recovery codes, which nobody can see again. An
    /// authenticator that was there before is void from then on, and so are its recovery codes.
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

    /// Verifies a code and uses it up. Returns when the proof was given: the time of
    /// [`Factor::Otp`](crate::Factor::Otp).
    ///
    /// # Errors
    ///
    /// An invalid [`Rejection`] for a code that is wrong, was used before, or has nothing it could be for; all of one
    /// answer. A throttled one while the user is locked. One of a [lost factor](crate::RejectionKind::FactorLost) when the record
    /// does not open. An unavailable one when the store does not answer.
    pub async fn verify(&self, subject: &str, code: &str) -> Result<Timestamp, Rejection> {
        let attempt = OtpAttempt::Code(code);
        let (at, _) = self
            .attempt(subject, &attempt, EventKind::OtpAccepted)
            .await?;
        Ok(at)
    }

    /// Verifies a recovery code and uses it up. Returns when the proof was given and how many codes are left. It is a
    /// one-time code like another ([`Factor::Otp`](crate::Factor::Otp)): whoever has lost the authenticator enrols the
    /// next one with it.
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

    /// Finds the counter of a token whose button was pressed too often, by two codes in a row (RFC 4226 section 7.4).
    /// Both are used up.
    ///
    /// # Errors
    ///
    /// As [`verify`](Self::verify). Codes by the time have no counter to be found.
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

    /// Makes new recovery codes for the caller, who has just given a code; the old ones are void.
    ///
    /// # Errors
    ///
    /// A step-up [`Rejection`] when the caller has not, an invalid one when it has no authenticator, otherwise as
    /// [`verify`](Self::verify).
    pub async fn new_recovery_codes(&self, caller: &Identity) -> Result<RecoveryCodes, Rejection> {
        let subject = self.proved(caller)?;
        let codes = RecoveryCodes::generate();
        let hashes = codes.hashes();
        let inner = &*self.inner;
        let key = self.key(subject);
        let is_made = swap(&*inner.store, &*inner.clock, &key, |entry| {
            let mut record = self.read(&key, entry)?;
            if record.active.is_none() {
                return Ok(Step::Keep(false));
            }
            record.recovery.clone_from(&hashes);
            Ok::<_, OtpRecordError>(Step::Swap(self.write(&key, subject, record)?, true))
        });
        let is_made = is_made.await;
        if !is_made.map_err(|error| self.record_rejection(error, subject))? {
            return Err(absent());
        }
        self.tell(EventKind::RecoveryCodesReplaced, subject, inner.clock.now());
        Ok(codes)
    }

    /// Takes the second factor of the caller, who has just given a code, away; `false` if there was none.
    ///
    /// # Errors
    ///
    /// A step-up [`Rejection`] when the caller has not given a code, an unavailable one when the store does not answer.
    pub async fn disable(&self, caller: &Identity) -> Result<bool, Rejection> {
        let subject = self.proved(caller)?;
        Ok(self.dangerous_disable(subject).await?)
    }

    /// Takes the second factor of `subject` away without a code, for an operator who has made sure in another way that
    /// its owner asks; `false` if there was none. It is the way out for a record that does not open.
    ///
    /// # Errors
    ///
    /// When the store does not answer.
    pub async fn dangerous_disable(&self, subject: &str) -> Result<bool, StoreError> {
        let is_ended = self.inner.store.take(&self.key(subject)).await?.is_some();
        if is_ended {
            self.tell(EventKind::OtpDisabled, subject, self.inner.clock.now());
        }
        Ok(is_ended)
    }

    /// The `otpauth://` URI of `secret` as this engine's scheme makes codes; `account` is what authenticators show
    /// beside the service.
    ///
    /// # Errors
    ///
    /// A malformed [`Rejection`] when `account` has more than 256 bytes.
    pub fn uri(&self, secret: &OtpSecret, account: &str) -> Result<Secret<String>, Rejection> {
        if account.len() > super::uri::MAX_ACCOUNT_BYTES {
            return Err(Rejection::malformed("the account has more than 256 bytes"));
        }
        let inner = &*self.inner;
        Ok(uri(inner.scheme, secret, &inner.service, account))
    }

    /// How codes of new enrolments are made; it makes codes, too.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.inner.scheme
    }

    /// Judges an attempt. What was decided leaves when it is written, and not before.
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
            Ok::<_, OtpRecordError>(match decision.is_change() {
                true => Step::Swap(self.write(&key, subject, record)?, (decision, now)),
                false => Step::Keep((decision, now)),
            })
        });
        let decided = decided.await;
        let (decision, at) = decided.map_err(|error| self.record_rejection(error, subject))?;
        match decision {
            OtpDecision::Accepted { recovery_left } => {
                self.tell(success, subject, at);
                Ok((at, recovery_left))
            }
            OtpDecision::Wrong { locks, caps } => {
                self.tell(EventKind::OtpRefused, subject, at);
                if locks {
                    self.tell(EventKind::OtpLocked, subject, at);
                }
                if caps {
                    self.tell(EventKind::OtpCapped, subject, at);
                }
                Err(Rejection::invalid("the code is wrong"))
            }
            OtpDecision::Replayed => {
                self.tell(EventKind::OtpReplayed, subject, at);
                Err(Rejection::invalid("the code was used, or a later one was"))
            }
            OtpDecision::Locked(wait) => {
                self.tell(EventKind::Throttled, subject, at);
                Err(Rejection::throttled(wait, "too many wrong codes in a row"))
            }
            OtpDecision::Capped => Err(Rejection::factor_lost(
                "a hundred codes were wrong in a row: a recovery code is due",
            )),
            OtpDecision::Absent => Err(absent()),
        }
    }

    /// The caller's id, if it has given a code just now.
    pub(crate) fn proved<'a>(&self, caller: &'a Identity) -> Result<&'a str, Rejection> {
        let subject = caller.subject().id();
        match self.is_proof(caller, subject) {
            true => Ok(subject),
            false => Err(super::stale(self.inner.fresh)),
        }
    }

    /// Whether `caller` is `subject` and has given a code just now, by the clock: an identity may be kept for long.
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

    pub(super) fn key(&self, subject: &str) -> Key {
        Key::new(
            NAMESPACE,
            &[self.inner.issuer.as_bytes(), subject.as_bytes()],
        )
    }

    pub(super) fn read(&self, key: &Key, entry: Option<&Entry>) -> Result<OtpRecord, OtpOpenError> {
        match entry {
            Some(entry) => self.inner.keys.decode(&entry.value, key),
            None => Ok(OtpRecord::new()),
        }
    }

    pub(super) fn write(
        &self,
        key: &Key,
        subject: &str,
        mut record: OtpRecord,
    ) -> Result<Write, StoreError> {
        subject.clone_into(&mut record.subject);
        let value = self.inner.keys.encode(&record, key)?;
        Ok(Write::new(value, record.expires_at()).in_group(self.group(key)))
    }

    fn tell(&self, kind: EventKind, subject: &str, at: Timestamp) {
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

/// What is written uses a code up, counts a failure or ends an authenticator.
const NAMESPACE: Namespace = Namespace::new("otp").revoking();
