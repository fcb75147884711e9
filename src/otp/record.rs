//! What the store holds of a user's second factor.
//!
//! ```text
//! format (1 byte) ‖ nonce (12) ‖ sealed: failures (1) ‖ locked until (8) ‖ active ‖ pending ‖ recovery codes
//! active:   0, or 1 ‖ scheme (7) ‖ last factor: 0, or 1 ‖ number (8) ‖ secret: length (1) ‖ bytes
//! pending:  0, or 1 ‖ scheme (7) ‖ expiry (8) ‖ secret: length (1) ‖ bytes
//! scheme:   kind (1) ‖ digest (1) ‖ digits (1) ‖ period (4)
//! codes:    number (1) ‖ hashes (32 each)
//! ```
//!
//! All of it is sealed with AES-256-GCM under a key of this record alone, which follows from the application's secret;
//! format and store key are its associated data. So who reads the store makes no code, and who writes to it can bring
//! back an older state and nothing else.

use bytes::Bytes;
use zeroize::Zeroizing;

use super::{
    recovery::Hash,
    scheme::{Digest, Hotp, Scheme, Totp},
    secret::OtpSecret,
};
use crate::{
    clock::Timestamp,
    error::{BoxError, StoreError},
    secret::{MasterSecret, Secret, derive_key_of, seal},
    store::Key,
};

/// All of a user's second factor: what must change together is one value.
#[derive(Clone)]
pub(super) struct Record {
    pub(super) active: Option<Active>,
    pub(super) pending: Option<Pending>,
    pub(super) failures: u8,
    pub(super) locked_until: Timestamp,
    /// Of those that were not used yet.
    pub(super) recovery: Vec<Hash>,
}

/// An authenticator that was confirmed.
#[derive(Clone)]
pub(super) struct Active {
    pub(super) scheme: Scheme,
    pub(super) secret: OtpSecret,
    /// The moving factor of the last code that was accepted. It only grows.
    pub(super) last: Option<u64>,
}

/// An authenticator that waits for its first code.
#[derive(Clone)]
pub(super) struct Pending {
    pub(super) scheme: Scheme,
    pub(super) secret: OtpSecret,
    pub(super) expires_at: Timestamp,
}

impl Record {
    pub(super) const fn new() -> Self {
        Self {
            active: None,
            pending: None,
            failures: 0,
            locked_until: Timestamp::from_millis(0),
            recovery: Vec::new(),
        }
    }

    /// An enrolment does not expire; what leads to one does.
    pub(super) fn expires_at(&self) -> Timestamp {
        match (&self.active, &self.pending) {
            (Some(_), _) => Timestamp::NEVER,
            (None, Some(pending)) => pending.expires_at.max(self.locked_until),
            (None, None) => self.locked_until,
        }
    }

    fn body(&self) -> Vec<u8> {
        // Large enough for all of it, so that no copy of a secret is left behind by growing.
        let mut body = Vec::with_capacity(512 + 32 * self.recovery.len());
        body.push(self.failures);
        put_time(&mut body, self.locked_until);
        body.push(u8::from(self.active.is_some()));
        if let Some(active) = &self.active {
            put_scheme(&mut body, active.scheme);
            body.push(u8::from(active.last.is_some()));
            if let Some(last) = active.last {
                body.extend_from_slice(&last.to_be_bytes());
            }
            put_bytes(&mut body, active.secret.expose());
        }
        body.push(u8::from(self.pending.is_some()));
        if let Some(pending) = &self.pending {
            put_scheme(&mut body, pending.scheme);
            put_time(&mut body, pending.expires_at);
            put_bytes(&mut body, pending.secret.expose());
        }
        body.push(length(self.recovery.len()));
        body.extend(self.recovery.iter().flatten());
        body
    }

    fn read(body: &[u8]) -> Option<Self> {
        let mut reader = Reader(body);
        let mut record = Self::new();
        record.failures = reader.byte()?;
        record.locked_until = reader.time()?;
        if reader.flag()? {
            let scheme = reader.scheme()?;
            let last = match reader.flag()? {
                true => Some(u64::from_be_bytes(reader.array()?)),
                false => None,
            };
            let secret = reader.secret()?;
            record.active = Some(Active {
                scheme,
                secret,
                last,
            });
        }
        if reader.flag()? {
            record.pending = Some(Pending {
                scheme: reader.scheme()?,
                expires_at: reader.time()?,
                secret: reader.secret()?,
            });
        }
        for _ in 0..reader.byte()? {
            record.recovery.push(reader.array()?);
        }
        reader.0.is_empty().then_some(record)
    }
}

/// The keys under which records are sealed: the first seals, all open. So a record is sealed anew when it changes.
pub(super) struct RecordKeys(Vec<Secret<[u8; 32]>>);

impl RecordKeys {
    pub(super) fn new(secret: &MasterSecret) -> Self {
        Self(secret.derive("tower-jam otp records"))
    }

    pub(super) fn encode(&self, record: &Record, key: &Key) -> Result<Bytes, StoreError> {
        let body = record.body();
        let mut value = Vec::with_capacity(1 + body.len() + seal::OVERHEAD);
        value.push(FORMAT);
        let sealing_key = sealing_key(&self.0[0], key);
        match seal::seal(&sealing_key, key.digest(), &mut value, body) {
            true => Ok(value.into()),
            false => Err(corrupt("sealing failed")),
        }
    }

    pub(super) fn decode(&self, value: &[u8], key: &Key) -> Result<Record, StoreError> {
        let Some((public @ [FORMAT], sealed)) = value.split_at_checked(1) else {
            return Err(corrupt(
                "not a record of one-time codes, or of another version",
            ));
        };
        let open = |master| seal::open(&sealing_key(master, key), key.digest(), public, sealed);
        let body = self.0.iter().find_map(open).map(Zeroizing::new);
        let body = body.ok_or_else(|| corrupt("a record of one-time codes does not open"))?;
        Record::read(&body).ok_or_else(|| corrupt("a record of one-time codes that was cut short"))
    }
}

/// A key of its own for each record: random nonces bound how often one key may seal.
fn sealing_key(master: &Secret<[u8; 32]>, key: &Key) -> Secret<[u8; 32]> {
    derive_key_of(master.expose(), "tower-jam otp record", key.digest())
}

fn put_time(body: &mut Vec<u8>, at: Timestamp) {
    body.extend_from_slice(&at.as_millis().to_be_bytes());
}

fn put_bytes(body: &mut Vec<u8>, bytes: &[u8]) {
    body.push(length(bytes.len()));
    body.extend_from_slice(bytes);
}

fn put_scheme(body: &mut Vec<u8>, scheme: Scheme) {
    let digest = match scheme.digest() {
        Digest::Sha1 => 1,
        Digest::Sha256 => 2,
        Digest::Sha512 => 3,
    };
    let (kind, period) = match scheme {
        Scheme::Totp(totp) => (1, totp.period),
        Scheme::Hotp(_) => (2, 0),
    };
    body.extend_from_slice(&[kind, digest, scheme.digits()]);
    body.extend_from_slice(&period.to_be_bytes());
}

fn length(length: usize) -> u8 {
    u8::try_from(length).expect("secrets have at most 128 bytes, and there are ten recovery codes")
}

/// Takes a body apart from its front. `None` says that it is too short, or not of the form.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*head)
    }

    fn byte(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    fn flag(&mut self) -> Option<bool> {
        match self.byte()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    fn time(&mut self) -> Option<Timestamp> {
        self.array()
            .map(|bytes| Timestamp::from_millis(u64::from_be_bytes(bytes)))
    }

    fn secret(&mut self) -> Option<OtpSecret> {
        let length = usize::from(self.byte()?);
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        OtpSecret::new(bytes).ok()
    }

    fn scheme(&mut self) -> Option<Scheme> {
        let [kind, digest, digits @ 6..=8] = self.array()? else {
            return None;
        };
        let period = u32::from_be_bytes(self.array()?);
        let digest = match digest {
            1 => Digest::Sha1,
            2 => Digest::Sha256,
            3 => Digest::Sha512,
            _ => return None,
        };
        match (kind, period) {
            (1, 1..) => Some(Scheme::Totp(Totp {
                digest,
                digits,
                period,
            })),
            (2, 0) => Some(Scheme::Hotp(Hotp { digest, digits })),
            _ => None,
        }
    }
}

fn corrupt(error: impl Into<BoxError>) -> StoreError {
    StoreError::Corrupt(error.into())
}

const FORMAT: u8 = 1;
