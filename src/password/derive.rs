//! The one place where passwords are hashed.

use std::num::NonZeroU32;

use argon2::{Algorithm, Argon2, Params, Version};
use aws_lc_rs::{hmac, pbkdf2};
use base64_simd::STANDARD;
use zeroize::{Zeroize, Zeroizing};

use super::{
    Damaged,
    cost::Cost,
    stored::{Form, Recipe, encode_bcrypt},
};

/// Fills `digest`, whose length the caller has chosen, from a password and a salt.
pub(super) fn derive(
    recipe: Recipe,
    password: &[u8],
    salt: &[u8],
    digest: &mut [u8],
) -> Result<(), Damaged> {
    match recipe.cost {
        Cost::Argon2id {
            memory_kib,
            passes,
            lanes,
        } => {
            let (algorithm, version) = match recipe.form {
                Form::OldArgon2(algorithm, version) => (algorithm, version),
                Form::Own | Form::PlainBcrypt => (Algorithm::Argon2id, Version::V0x13),
            };
            let params = Params::new(memory_kib, passes, lanes, Some(digest.len()))
                .map_err(Damaged::because)?;
            Argon2::new(algorithm, version, params)
                .hash_password_into(password, salt, digest)
                .map_err(Damaged::because)
        }
        Cost::Bcrypt { log_rounds } if recipe.form == Form::PlainBcrypt => {
            bcrypt(log_rounds, password, salt, digest)
        }
        Cost::Bcrypt { log_rounds } => {
            let password = condense(password, salt);
            bcrypt(log_rounds, password.as_bytes(), salt, digest)
        }
        Cost::Scrypt {
            log_n,
            block_size,
            parallelism,
        } => {
            let log_n =
                u8::try_from(log_n).map_err(|_| Damaged::new("the cost is out of bounds"))?;
            let params =
                scrypt::Params::new(log_n, block_size, parallelism).map_err(Damaged::because)?;
            scrypt::scrypt(password, salt, &params, digest).map_err(Damaged::because)
        }
        Cost::Pbkdf2Sha256 { iterations } => stretch(
            pbkdf2::PBKDF2_HMAC_SHA256,
            iterations,
            password,
            salt,
            digest,
        ),
        Cost::Pbkdf2Sha512 { iterations } => stretch(
            pbkdf2::PBKDF2_HMAC_SHA512,
            iterations,
            password,
            salt,
            digest,
        ),
    }
}

fn stretch(
    algorithm: pbkdf2::Algorithm,
    iterations: u32,
    password: &[u8],
    salt: &[u8],
    digest: &mut [u8],
) -> Result<(), Damaged> {
    let iterations = NonZeroU32::new(iterations).ok_or(Damaged::new("no iterations"))?;
    pbkdf2::derive(algorithm, iterations, salt, password, digest);
    Ok(())
}

/// What passlib's `bcrypt_sha256`, version 2, gives to bcrypt: 44 characters that depend on the whole password, and
/// on the salt, so that a list of bare SHA-256 hashes is no short cut.
fn condense(password: &[u8], salt: &[u8]) -> Zeroizing<String> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, encode_bcrypt(salt).as_bytes());
    Zeroizing::new(STANDARD.encode_to_string(hmac::sign(&key, password)))
}

/// As every bcrypt does: the password with a zero byte behind it, and of that the first 72 bytes.
fn bcrypt(log_rounds: u32, password: &[u8], salt: &[u8], digest: &mut [u8]) -> Result<(), Damaged> {
    let salt = salt
        .try_into()
        .map_err(|_| Damaged::new("a salt of an impossible length"))?;
    let mut padded = [0; 72];
    let length = password.len().min(padded.len());
    padded[..length].copy_from_slice(&password[..length]);
    let output = bcrypt::bcrypt(log_rounds, salt, &padded[..(length + 1).min(72)]);
    padded.zeroize();
    if digest.len() != BCRYPT_BYTES {
        return Err(Damaged::new("a digest of an impossible length"));
    }
    digest.copy_from_slice(&output[..BCRYPT_BYTES]);
    Ok(())
}

/// Of its 24 bytes, bcrypt has always kept 23.
pub(super) const BCRYPT_BYTES: usize = 23;
