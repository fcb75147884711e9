//! The only place where passwords are hashed.

use std::num::NonZeroU32;

use argon2::{Algorithm, Argon2, Params, Version};
use aws_lc_rs::{hmac, pbkdf2};
use base64_simd::STANDARD;
use zeroize::{Zeroize, Zeroizing};

use super::{
    cost::Cost,
    hash_error::HashError,
    stored::{HashForm, HashParams, encode_bcrypt},
};

/// Fills `digest`, whose length the caller chooses, from a password and a salt.
pub(super) fn derive(
    params: HashParams,
    password: &[u8],
    salt: &[u8],
    digest: &mut [u8],
) -> Result<(), HashError> {
    match params.cost {
        Cost::Argon2id {
            memory_kib,
            passes,
            lanes,
        } => {
            let (algorithm, version) = match params.form {
                HashForm::OldArgon2(algorithm, version) => (algorithm, version),
                HashForm::Own | HashForm::PlainBcrypt => (Algorithm::Argon2id, Version::V0x13),
            };
            let argon2_params = Params::new(memory_kib, passes, lanes, Some(digest.len()))
                .map_err(HashError::with_source)?;
            Argon2::new(algorithm, version, argon2_params)
                .hash_password_into(password, salt, digest)
                .map_err(HashError::with_source)
        }
        Cost::Bcrypt { log_rounds } if params.form == HashForm::PlainBcrypt => {
            bcrypt(log_rounds, password, salt, digest)
        }
        Cost::Bcrypt { log_rounds } => {
            let password = prehash(password, salt);
            bcrypt(log_rounds, password.as_bytes(), salt, digest)
        }
        Cost::Scrypt {
            log_n,
            block_size,
            parallelism,
        } => {
            let log_n =
                u8::try_from(log_n).map_err(|_| HashError::new("the cost is out of bounds"))?;
            let scrypt_params = scrypt::Params::new(log_n, block_size, parallelism)
                .map_err(HashError::with_source)?;
            scrypt::scrypt(password, salt, &scrypt_params, digest).map_err(HashError::with_source)
        }
        Cost::Pbkdf2Sha256 { iterations } => derive_pbkdf2(
            pbkdf2::PBKDF2_HMAC_SHA256,
            iterations,
            password,
            salt,
            digest,
        ),
        Cost::Pbkdf2Sha512 { iterations } => derive_pbkdf2(
            pbkdf2::PBKDF2_HMAC_SHA512,
            iterations,
            password,
            salt,
            digest,
        ),
    }
}

fn derive_pbkdf2(
    algorithm: pbkdf2::Algorithm,
    iterations: u32,
    password: &[u8],
    salt: &[u8],
    digest: &mut [u8],
) -> Result<(), HashError> {
    let iterations = NonZeroU32::new(iterations).ok_or(HashError::new("zero iterations"))?;
    pbkdf2::derive(algorithm, iterations, salt, password, digest);
    Ok(())
}

/// The input that passlib's `bcrypt_sha256`, version 2, passes to bcrypt: 44 characters that depend
/// on the whole password and on the salt, so that lists of plain SHA-256 hashes are no shortcut.
fn prehash(password: &[u8], salt: &[u8]) -> Zeroizing<String> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, encode_bcrypt(salt).as_bytes());
    Zeroizing::new(STANDARD.encode_to_string(hmac::sign(&key, password)))
}

/// Hashes as every bcrypt does: the password with a trailing zero byte, of which the first 72 bytes
/// count.
fn bcrypt(
    log_rounds: u32,
    password: &[u8],
    salt: &[u8],
    digest: &mut [u8],
) -> Result<(), HashError> {
    let salt = salt
        .try_into()
        .map_err(|_| HashError::new("invalid salt length"))?;
    let mut padded = [0; 72];
    let length = password.len().min(padded.len());
    padded[..length].copy_from_slice(&password[..length]);
    let output = bcrypt::bcrypt(log_rounds, salt, &padded[..(length + 1).min(72)]);
    padded.zeroize();
    if digest.len() != BCRYPT_BYTES {
        return Err(HashError::new("invalid digest length"));
    }
    digest.copy_from_slice(&output[..BCRYPT_BYTES]);
    Ok(())
}

/// bcrypt has always stored 23 of its 24 bytes.
pub(super) const BCRYPT_BYTES: usize = 23;
