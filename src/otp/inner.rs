//! The parts of the engine for one-time codes, and its records in the store.

use std::{sync::Arc, time::Duration};

use super::{
    encoding::{OtpOpenError, OtpRecordKeys},
    record::{OtpPolicy, OtpRecord},
    scheme::OtpScheme,
    secret::OtpSecret,
    uri::{MAX_ACCOUNT_BYTES, uri},
};
use crate::{
    clock::{Clock, Timestamp},
    error::StoreError,
    event::{Event, EventKind, Events},
    identity::{Factor, Identity},
    rejection::Rejection,
    secret::Secret,
    store::{Entry, Namespace, Store, StoreKey, Write},
};

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

/// Why the record of a second factor cannot be read.
#[derive(Debug)]
pub(super) enum OtpRecordError {
    Store(StoreError),
    Open(OtpOpenError),
}

impl From<StoreError> for OtpRecordError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<OtpOpenError> for OtpRecordError {
    fn from(error: OtpOpenError) -> Self {
        Self::Open(error)
    }
}

impl OtpInner {
    /// Returns the `otpauth://` URI of `secret`, labeled with `account`.
    pub(super) fn uri(
        &self,
        secret: &OtpSecret,
        account: &str,
    ) -> Result<Secret<String>, Rejection> {
        if account.len() > MAX_ACCOUNT_BYTES {
            return Err(Rejection::malformed("the account has more than 256 bytes"));
        }
        Ok(uri(self.scheme, secret, &self.service, account))
    }

    pub(super) fn key(&self, subject: &str) -> StoreKey {
        StoreKey::new(NAMESPACE, &[self.issuer.as_bytes(), subject.as_bytes()])
    }

    pub(super) fn read(
        &self,
        key: &StoreKey,
        entry: Option<&Entry>,
    ) -> Result<OtpRecord, OtpOpenError> {
        match entry {
            Some(entry) => self.keys.decode(&entry.value, key),
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
        let value = self.keys.encode(&record, key)?;
        Ok(Write::new(value, record.expires_at()).in_group(self.group(key)))
    }

    /// The group of a record. There are many groups, so that not every write goes to the same one.
    fn group(&self, key: &StoreKey) -> StoreKey {
        self.part(key.digest()[0])
    }

    pub(super) fn part(&self, part: u8) -> StoreKey {
        StoreKey::new("otp", &[b"records", self.issuer.as_bytes(), &[part]])
    }

    /// Returns the id of the caller, if the caller has just given a code.
    pub(super) fn proved<'a>(&self, caller: &'a Identity) -> Result<&'a str, Rejection> {
        let subject = caller.subject().id();
        let stale = || super::stale(self.fresh);
        self.is_proof(caller, subject)
            .then_some(subject)
            .ok_or_else(stale)
    }

    /// Returns whether `caller` is `subject` and has given a code just now, by the clock.
    pub(super) fn is_proof(&self, caller: &Identity, subject: &str) -> bool {
        let is_same = self.is_ours(caller) && caller.subject().id() == subject;
        let caller = caller.clone().checked_again_at(self.clock.now());
        is_same && caller.is_fresh(&Factor::Otp, self.fresh)
    }

    pub(super) fn is_ours(&self, caller: &Identity) -> bool {
        caller.subject().issuer() == self.issuer
    }

    /// Rejects a request that needs an unreadable record, and reports it. Such a record never
    /// counts as no second factor: a party that can damage a record, or make an operator retire a
    /// secret, must not gain access that way.
    pub(super) fn record_rejection(&self, error: OtpRecordError, subject: &str) -> Rejection {
        let reason = match error {
            OtpRecordError::Store(error) => return error.into(),
            OtpRecordError::Open(OtpOpenError::Retired) => {
                "the record of one-time codes is sealed under a retired secret"
            }
            OtpRecordError::Open(OtpOpenError::Damaged) => {
                "the record of one-time codes is damaged"
            }
        };
        tracing::error!(reason, "a second factor cannot be verified");
        let unreadable = Event::new(EventKind::OtpUnreadable, self.clock.now());
        self.events.tell(&unreadable.of(subject));
        Rejection::factor_lost(reason)
    }

    pub(super) fn emit(&self, kind: EventKind, subject: &str, at: Timestamp) {
        self.events.tell(&Event::new(kind, at).of(subject));
    }
}

/// Every write uses a code up, counts a failure or disables an authenticator.
const NAMESPACE: Namespace = Namespace::new("otp").revoking();
