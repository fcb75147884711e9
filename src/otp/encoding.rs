//! The stored record of the second factor of a user.
//!
//! ```text
//! format (1 byte) ‖ key id (8) ‖ nonce (12) ‖ sealed body
//! body:     failures (1) ‖ consecutive failures (1) ‖ locked until (8) ‖ active ‖ pending ‖
//!           codes ‖ used ‖ subject
//! active:   0, or 1 ‖ scheme (7) ‖ last factor: 0, or 1 ‖ number (8) ‖ secret: length (1) ‖ bytes
//! pending:  0, or 1 ‖ scheme (7) ‖ expiry (8) ‖ secret: length (1) ‖ bytes
//! scheme:   kind (1) ‖ digest (1) ‖ digits (1) ‖ period (4)
//! codes:    recovery codes, number (1) ‖ hashes (32 each); used: the same for used ones
//! subject:  length (1) ‖ bytes
//! ```
//!
//! The body is encrypted with AES-256-GCM under a key of this record only, derived from the master
//! secret; format, key id and store key are its associated data. So a party that reads the store
//! cannot generate codes, and a party that writes to it can only restore an older state. The key id
//! is derived from the secret and reveals nothing of it: it identifies the secret that a record
//! needs, even after that secret is retired.

use bytes::Bytes;
use zeroize::Zeroizing;

use super::{
    code::Digest,
    record::{ActiveAuthenticator, OtpRecord, PendingAuthenticator},
    scheme::{Hotp, OtpScheme, Totp},
    secret::OtpSecret,
};
use crate::{
    clock::Timestamp,
    error::StoreError,
    secret::{MasterSecret, Secret, derive_key, derive_key_of, seal},
    store::StoreKey,
};

/// The keys of records: the first one seals, all of them open. So a change of a record seals it
/// with the active key.
pub(super) struct OtpRecordKeys(Vec<OtpRecordKey>);

struct OtpRecordKey {
    id: KeyId,
    master: Secret<[u8; 32]>,
}

/// Identifies a key, and reveals nothing of it.
pub(super) type KeyId = [u8; 8];

/// Why a record cannot be opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum OtpOpenError {
    /// It is sealed with a key of a secret that is not accepted.
    Retired,
    /// It is not what was written.
    Damaged,
}

impl OtpRecordKeys {
    pub(super) fn new(secret: &MasterSecret, issuer: &str) -> Self {
        let keys = secret.keys("tower-jam otp records", issuer).into_iter();
        let named = keys.map(|master| {
            let derived = derive_key(master.expose(), "tower-jam otp key id");
            let id = derived.expose().first_chunk().expect("32 bytes have 8");
            OtpRecordKey { id: *id, master }
        });
        Self(named.collect())
    }

    /// Returns the ids of the keys, the active one first.
    pub(super) fn ids(&self) -> impl Iterator<Item = KeyId> {
        self.0.iter().map(|key| key.id)
    }

    /// Returns the id of the key that a record needs.
    pub(super) fn id_of(value: &[u8]) -> Option<KeyId> {
        let (FORMAT, rest) = value.split_first().map(|(format, rest)| (*format, rest))? else {
            return None;
        };
        rest.first_chunk().copied()
    }

    pub(super) fn encode(&self, record: &OtpRecord, key: &StoreKey) -> Result<Bytes, StoreError> {
        let body = write_body(record);
        let active = &self.0[0];
        let mut value = Vec::with_capacity(HEAD_BYTES + body.len() + seal::OVERHEAD);
        value.push(FORMAT);
        value.extend_from_slice(&active.id);
        let sealing_key = sealing_key(&active.master, key);
        if seal::seal(&sealing_key, key.digest(), &mut value, body) {
            Ok(value.into())
        } else {
            Err(StoreError::Corrupt("sealing failed".into()))
        }
    }

    pub(super) fn decode(&self, value: &[u8], key: &StoreKey) -> Result<OtpRecord, OtpOpenError> {
        let id = Self::id_of(value).ok_or(OtpOpenError::Damaged)?;
        let (public, sealed) = value.split_at(HEAD_BYTES);
        let needed = self.0.iter().find(|key| key.id == id);
        let needed = needed.ok_or(OtpOpenError::Retired)?;
        let sealing_key = sealing_key(&needed.master, key);
        let body = seal::open(&sealing_key, key.digest(), public, sealed).map(Zeroizing::new);
        let read = body.and_then(|body| read_body(&body));
        read.ok_or(OtpOpenError::Damaged)
    }
}

/// Derives a key for each record, since random nonces limit how often one key may seal.
fn sealing_key(master: &Secret<[u8; 32]>, key: &StoreKey) -> Secret<[u8; 32]> {
    derive_key_of(master.expose(), "tower-jam otp record", key.digest())
}

fn write_body(record: &OtpRecord) -> Vec<u8> {
    // Large enough for the whole body, so that growing leaves no copy of a secret behind.
    let hashes = record.recovery.len() + record.used.len();
    let mut body = Vec::with_capacity(512 + 32 * hashes + record.subject.len());
    body.extend([record.failures, record.consecutive_failures]);
    put_time(&mut body, record.locked_until);
    body.push(u8::from(record.active.is_some()));
    if let Some(active) = &record.active {
        put_scheme(&mut body, active.scheme);
        body.push(u8::from(active.last.is_some()));
        if let Some(last) = active.last {
            body.extend_from_slice(&last.to_be_bytes());
        }
        put_bytes(&mut body, active.secret.expose());
    }
    body.push(u8::from(record.pending.is_some()));
    if let Some(pending) = &record.pending {
        put_scheme(&mut body, pending.scheme);
        put_time(&mut body, pending.expires_at);
        put_bytes(&mut body, pending.secret.expose());
    }
    for hashes in [&record.recovery, &record.used] {
        body.push(length(hashes.len()));
        body.extend(hashes.iter().flatten());
    }
    // The subject is only displayed, so its beginning is enough.
    let end = record.subject.floor_char_boundary(MAX_SUBJECT_BYTES);
    put_bytes(&mut body, &record.subject.as_bytes()[..end]);
    body
}

fn read_body(body: &[u8]) -> Option<OtpRecord> {
    let mut reader = RecordReader(body);
    let mut record = OtpRecord::new();
    record.failures = reader.byte()?;
    record.consecutive_failures = reader.byte()?;
    record.locked_until = reader.time()?;
    if reader.flag()? {
        let scheme = reader.scheme()?;
        let last = if reader.flag()? {
            Some(u64::from_be_bytes(reader.array()?))
        } else {
            None
        };
        let secret = reader.secret()?;
        record.active = Some(ActiveAuthenticator {
            scheme,
            secret,
            last,
        });
    }
    if reader.flag()? {
        record.pending = Some(PendingAuthenticator {
            scheme: reader.scheme()?,
            expires_at: reader.time()?,
            secret: reader.secret()?,
        });
    }
    for hashes in [&mut record.recovery, &mut record.used] {
        for _ in 0..reader.byte()? {
            hashes.push(reader.array()?);
        }
    }
    record.subject = reader.subject()?;
    reader.0.is_empty().then_some(record)
}

fn put_time(body: &mut Vec<u8>, at: Timestamp) {
    body.extend_from_slice(&at.as_millis().to_be_bytes());
}

fn put_bytes(body: &mut Vec<u8>, bytes: &[u8]) {
    body.push(length(bytes.len()));
    body.extend_from_slice(bytes);
}

fn put_scheme(body: &mut Vec<u8>, scheme: OtpScheme) {
    let digest = match scheme.digest() {
        Digest::Sha1 => 1,
        Digest::Sha256 => 2,
        Digest::Sha512 => 3,
    };
    let (kind, period) = match scheme {
        OtpScheme::Totp(totp) => (1, totp.period),
        OtpScheme::Hotp(_) => (2, 0),
    };
    body.extend_from_slice(&[kind, digest, scheme.digits()]);
    body.extend_from_slice(&period.to_be_bytes());
}

fn length(length: usize) -> u8 {
    u8::try_from(length)
        .expect("secrets have at most 128 bytes, subjects 255, and there are at most twenty codes")
}

/// Reads a body from its front. `None` means that it is too short or malformed.
struct RecordReader<'a>(&'a [u8]);

impl RecordReader<'_> {
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

    fn subject(&mut self) -> Option<String> {
        let length = usize::from(self.byte()?);
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        String::from_utf8(bytes.to_vec()).ok()
    }

    fn scheme(&mut self) -> Option<OtpScheme> {
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
            (1, 1..) => Some(OtpScheme::Totp(Totp {
                digest,
                digits,
                period,
            })),
            (2, 0) => Some(OtpScheme::Hotp(Hotp { digest, digits })),
            _ => None,
        }
    }
}

const FORMAT: u8 = 2;
/// The maximum of a one-byte length.
const MAX_SUBJECT_BYTES: usize = 255;
/// Format and key id.
const HEAD_BYTES: usize = 1 + size_of::<KeyId>();
