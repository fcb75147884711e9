//! The text format of stored hashes, written here or by other systems.
//!
//! One strict parser reads every format, so that the cost is known and bounded before anything is
//! computed.

use argon2::{Algorithm, Version};
use base64_simd::{STANDARD, STANDARD_NO_PAD};

use super::{cost::Cost, hash_error::HashError};

/// A parsed hash.
pub(super) struct StoredHash {
    /// The pepper that was mixed into the password.
    pub(super) pepper: Option<PepperId>,
    pub(super) params: HashParams,
    pub(super) salt: Vec<u8>,
    pub(super) digest: Vec<u8>,
}

pub(super) type PepperId = [u8; 4];

/// How a digest is derived from a password and a salt.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct HashParams {
    pub(super) cost: Cost,
    pub(super) form: HashForm,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum HashForm {
    /// The form of new hashes.
    Own,
    /// Another Argon2 than Argon2id 1.3.
    OldArgon2(Algorithm, Version),
    /// bcrypt over the password itself, of which it reads 72 bytes.
    PlainBcrypt,
}

impl HashParams {
    pub(super) const fn of(cost: Cost) -> Self {
        let form = HashForm::Own;
        Self { cost, form }
    }
}

impl StoredHash {
    /// Parses a hash whose cost is within bounds.
    pub(super) fn parse(text: &str) -> Result<Self, HashError> {
        let parsed = parse(text).ok_or(HashError::new("unknown hash format"))?;
        parsed.params.cost.check_bounds()?;
        if !DIGEST_BYTES.contains(&parsed.digest.len()) || parsed.salt.len() > MAX_SALT_BYTES {
            return Err(HashError::new("invalid salt or digest length"));
        }
        Ok(parsed)
    }

    /// Returns the text to store. Only hashes made here are written.
    pub(super) fn format(&self) -> String {
        let encode = |bytes: &[u8]| STANDARD_NO_PAD.encode_to_string(bytes);
        let pepper = match self.pepper {
            Some(id) => format!("$pepper${:08x}", u32::from_be_bytes(id)),
            None => String::new(),
        };
        let scheme = match self.params.cost {
            Cost::Argon2id {
                memory_kib,
                passes,
                lanes,
            } => format!("argon2id$v=19$m={memory_kib},t={passes},p={lanes}"),
            Cost::Bcrypt { log_rounds } => {
                let scheme = format!("bcrypt-sha256$v=2,t=2b,r={log_rounds}");
                let (salt, digest) = (encode_bcrypt(&self.salt), encode_bcrypt(&self.digest));
                return format!("{pepper}${scheme}${salt}${digest}");
            }
            Cost::Scrypt {
                log_n,
                block_size,
                parallelism,
            } => format!("scrypt$ln={log_n},r={block_size},p={parallelism}"),
            Cost::Pbkdf2Sha256 { iterations } => {
                format!("pbkdf2-sha256$i={iterations},l={}", self.digest.len())
            }
            Cost::Pbkdf2Sha512 { iterations } => {
                format!("pbkdf2-sha512$i={iterations},l={}", self.digest.len())
            }
        };
        format!(
            "{pepper}${scheme}${}${}",
            encode(&self.salt),
            encode(&self.digest)
        )
    }
}

fn parse(text: &str) -> Option<StoredHash> {
    let (pepper, text) = match text.strip_prefix("$pepper$") {
        Some(rest) => {
            let (id, _) = rest.split_once('$')?;
            (Some(pepper_id(id)?), &rest[id.len()..])
        }
        None => (None, text),
    };
    let fields: Vec<_> = text.split('$').collect();
    let (params, salt, digest) = match *fields.as_slice() {
        [
            "",
            name @ ("argon2id" | "argon2i" | "argon2d"),
            version,
            costs,
            salt,
            digest,
        ] => argon2(name, version.strip_prefix("v=")?, costs, salt, digest)?,
        // Version 1.0, whose format has no version field.
        [
            "",
            name @ ("argon2id" | "argon2i" | "argon2d"),
            costs,
            salt,
            digest,
        ] => argon2(name, "16", costs, salt, digest)?,
        ["", "2a" | "2b" | "2y", rounds, body] => plain_bcrypt(rounds, body)?,
        ["", "bcrypt-sha256", costs, salt, digest] => {
            let log_rounds = number(costs.strip_prefix("v=2,t=2b,r=")?)?;
            let params = HashParams::of(Cost::Bcrypt { log_rounds });
            (
                params,
                decode_bcrypt::<22>(salt)?,
                decode_bcrypt::<31>(digest)?,
            )
        }
        ["", "scrypt", costs, salt, digest] => {
            let [log_n, block_size, parallelism] = numbers(costs, ["ln", "r", "p"])?;
            let params = HashParams::of(Cost::Scrypt {
                log_n,
                block_size,
                parallelism,
            });
            (params, decode(salt)?, decode(digest)?)
        }
        ["", "pbkdf2-sha256", costs, salt, digest] => pbkdf2(SHA256, costs, salt, digest)?,
        ["", "pbkdf2-sha512", costs, salt, digest] => pbkdf2(SHA512, costs, salt, digest)?,
        // Django: the salt is plain text, the digest has padding.
        ["pbkdf2_sha256", iterations, salt, digest] => {
            let digest = STANDARD.decode_to_vec(digest).ok()?;
            (
                SHA256(number(iterations)?),
                salt.as_bytes().to_vec(),
                digest,
            )
        }
        _ => return None,
    };
    Some(StoredHash {
        pepper,
        params,
        salt,
        digest,
    })
}

type ParsedHash = (HashParams, Vec<u8>, Vec<u8>);

fn argon2(name: &str, version: &str, costs: &str, salt: &str, digest: &str) -> Option<ParsedHash> {
    let algorithm = Algorithm::new(name).ok()?;
    let version = Version::try_from(number(version)?).ok()?;
    let [memory_kib, passes, lanes] = numbers(costs, ["m", "t", "p"])?;
    let form = match (algorithm, version) {
        (Algorithm::Argon2id, Version::V0x13) => HashForm::Own,
        (algorithm, version) => HashForm::OldArgon2(algorithm, version),
    };
    let cost = Cost::Argon2id {
        memory_kib,
        passes,
        lanes,
    };
    Some((HashParams { cost, form }, decode(salt)?, decode(digest)?))
}

fn plain_bcrypt(rounds: &str, body: &str) -> Option<ParsedHash> {
    let log_rounds = number(rounds).filter(|_| rounds.len() == 2)?;
    let (salt, digest) = body.split_at_checked(22)?;
    let params = HashParams {
        cost: Cost::Bcrypt { log_rounds },
        form: HashForm::PlainBcrypt,
    };
    Some((
        params,
        decode_bcrypt::<22>(salt)?,
        decode_bcrypt::<31>(digest)?,
    ))
}

/// PHC has `i=…,l=…` and base64; passlib has the plain number, and `.` for `+`.
fn pbkdf2(
    params: fn(u32) -> HashParams,
    costs: &str,
    salt: &str,
    digest: &str,
) -> Option<ParsedHash> {
    let decode_adapted = |text: &str| decode(&text.replace('.', "+"));
    if let Some(iterations) = number(costs) {
        return Some((
            params(iterations),
            decode_adapted(salt)?,
            decode_adapted(digest)?,
        ));
    }
    let (salt, digest) = (decode(salt)?, decode(digest)?);
    if let Some([iterations]) = numbers(costs, ["i"]) {
        return Some((params(iterations), salt, digest));
    }
    let [iterations, length] = numbers(costs, ["i", "l"])?;
    let is_whole = usize::try_from(length) == Ok(digest.len());
    is_whole.then_some((params(iterations), salt, digest))
}

const SHA256: fn(u32) -> HashParams =
    |iterations| HashParams::of(Cost::Pbkdf2Sha256 { iterations });
const SHA512: fn(u32) -> HashParams =
    |iterations| HashParams::of(Cost::Pbkdf2Sha512 { iterations });

/// Parses `a=1,b=2` with exactly these names in this order, as the PHC string format requires.
fn numbers<const N: usize>(text: &str, names: [&str; N]) -> Option<[u32; N]> {
    let mut values = [0; N];
    let mut fields = text.split(',');
    for (value, name) in values.iter_mut().zip(names) {
        *value = number(fields.next()?.strip_prefix(name)?.strip_prefix('=')?)?;
    }
    fields.next().is_none().then_some(values)
}

fn number(text: &str) -> Option<u32> {
    let is_decimal = text.bytes().all(|byte| byte.is_ascii_digit());
    is_decimal.then(|| text.parse().ok())?
}

fn pepper_id(text: &str) -> Option<PepperId> {
    let is_hex = text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let id = is_hex.then(|| u32::from_str_radix(text, 16).ok())?;
    id.map(u32::to_be_bytes)
}

fn decode(text: &str) -> Option<Vec<u8>> {
    STANDARD_NO_PAD.decode_to_vec(text).ok()
}

/// bcrypt's base64 has an alphabet of its own.
pub(super) fn encode_bcrypt(bytes: &[u8]) -> String {
    let text = STANDARD_NO_PAD.encode_to_string(bytes);
    text.bytes()
        .filter_map(|byte| STANDARD_ALPHABET.iter().position(|known| *known == byte))
        .map(|at| char::from(BCRYPT_ALPHABET[at]))
        .collect()
}

/// Decodes `N` characters. The unused bits of the last one are ignored, since some systems do not
/// clear them.
fn decode_bcrypt<const N: usize>(text: &str) -> Option<Vec<u8>> {
    let mut standard = Vec::with_capacity(N);
    for byte in text.bytes() {
        let at = BCRYPT_ALPHABET.iter().position(|known| *known == byte)?;
        let is_last = standard.len() + 1 == N;
        let unused = if is_last { N * 6 % 8 } else { 0 };
        standard.push(STANDARD_ALPHABET[at >> unused << unused]);
    }
    let decoded = STANDARD_NO_PAD.decode_to_vec(&standard).ok();
    decoded.filter(|_| standard.len() == N)
}

const STANDARD_ALPHABET: &[u8; 64] =
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const BCRYPT_ALPHABET: &[u8; 64] =
    b"./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
/// A shorter digest would accept guesses, a longer one adds no strength.
const DIGEST_BYTES: std::ops::RangeInclusive<usize> = 16..=128;
const MAX_SALT_BYTES: usize = 128;
