//! The hashing schemes, their costs, and the bounds of those.

use super::hash_error::HashError;
use crate::error::ConfigError;

/// A password hashing scheme.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum PasswordScheme {
    /// Argon2id (RFC 9106). If listed, it also verifies hashes of Argon2i and Argon2d.
    Argon2id,
    /// bcrypt over HMAC-SHA-256, so that no password is cut at 72 bytes. If listed, it also
    /// verifies plain bcrypt.
    Bcrypt,
    /// scrypt (RFC 7914).
    Scrypt,
    /// PBKDF2 with HMAC-SHA-256 (RFC 8018).
    Pbkdf2Sha256,
    /// PBKDF2 with HMAC-SHA-512 (RFC 8018).
    Pbkdf2Sha512,
}

impl PasswordScheme {
    /// Every scheme, in order of preference.
    pub const ALL: [Self; 5] = [
        Self::Argon2id,
        Self::Scrypt,
        Self::Bcrypt,
        Self::Pbkdf2Sha256,
        Self::Pbkdf2Sha512,
    ];

    /// Returns the default cost of a hash: OWASP's minimum, and for bcrypt four times that, which a
    /// server can afford.
    #[must_use]
    pub const fn cost(self) -> Cost {
        match self {
            Self::Argon2id => Cost::Argon2id {
                memory_kib: 19 * 1024,
                passes: 2,
                lanes: 1,
            },
            Self::Bcrypt => Cost::Bcrypt { log_rounds: 12 },
            Self::Scrypt => Cost::Scrypt {
                log_n: 17,
                block_size: 8,
                parallelism: 1,
            },
            Self::Pbkdf2Sha256 => Cost::Pbkdf2Sha256 {
                iterations: 600_000,
            },
            Self::Pbkdf2Sha512 => Cost::Pbkdf2Sha512 {
                iterations: 220_000,
            },
        }
    }
}

/// The cost of one hash, under a scheme.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Cost {
    /// The parameters of Argon2id. Its lanes are computed sequentially.
    Argon2id {
        /// Memory, in KiB.
        memory_kib: u32,
        /// Number of passes over the memory.
        passes: u32,
        /// Degree of parallelism.
        lanes: u32,
    },
    /// The parameter of bcrypt.
    Bcrypt {
        /// The binary logarithm of the number of rounds.
        log_rounds: u32,
    },
    /// The parameters of scrypt, which takes `128 · 2^log_n · block_size` bytes.
    Scrypt {
        /// The binary logarithm of `N`.
        log_n: u32,
        /// The parameter `r`.
        block_size: u32,
        /// The parameter `p`.
        parallelism: u32,
    },
    /// The parameter of PBKDF2 with HMAC-SHA-256.
    Pbkdf2Sha256 {
        /// Number of iterations.
        iterations: u32,
    },
    /// The parameter of PBKDF2 with HMAC-SHA-512.
    Pbkdf2Sha512 {
        /// Number of iterations.
        iterations: u32,
    },
}

impl Cost {
    /// Returns the scheme of this cost.
    #[must_use]
    pub const fn scheme(self) -> PasswordScheme {
        match self {
            Self::Argon2id { .. } => PasswordScheme::Argon2id,
            Self::Bcrypt { .. } => PasswordScheme::Bcrypt,
            Self::Scrypt { .. } => PasswordScheme::Scrypt,
            Self::Pbkdf2Sha256 { .. } => PasswordScheme::Pbkdf2Sha256,
            Self::Pbkdf2Sha512 { .. } => PasswordScheme::Pbkdf2Sha512,
        }
    }

    /// Refuses a cost of more than some seconds or 1 GiB before anything is computed: a stored hash
    /// may be damaged, or written by an attacker to stall this server.
    pub(super) fn check_bounds(self) -> Result<Self, HashError> {
        let is_bounded = match self {
            // libsodium's "sensitive": 1 GiB, four passes.
            Self::Argon2id {
                memory_kib,
                passes,
                lanes,
            } => {
                let work = u64::from(memory_kib) * u64::from(passes);
                let is_possible = passes > 0 && lanes > 0 && memory_kib / 8 >= lanes;
                is_possible && memory_kib <= GIB_IN_KIB && work <= 4 * u64::from(GIB_IN_KIB)
            }
            Self::Bcrypt { log_rounds } => (4..=16).contains(&log_rounds),
            Self::Scrypt {
                log_n,
                block_size,
                parallelism,
            } => {
                let is_possible = (1..=24).contains(&log_n) && block_size > 0 && parallelism > 0;
                let blocks = u64::from(block_size) << log_n.min(24);
                is_possible
                    && blocks <= GIB_IN_BLOCKS
                    && u64::from(block_size) * u64::from(parallelism) <= GIB_IN_BLOCKS
                    && blocks * u64::from(parallelism) <= 2 * GIB_IN_BLOCKS
            }
            Self::Pbkdf2Sha256 { iterations } | Self::Pbkdf2Sha512 { iterations } => {
                (1..=10_000_000).contains(&iterations)
            }
        };
        if is_bounded {
            Ok(self)
        } else {
            Err(HashError::new("the cost is out of bounds"))
        }
    }

    /// Refuses a cost below the minimum of OWASP's Password Storage Cheat Sheet.
    pub(super) fn check_minimum(self) -> Result<(), ConfigError> {
        let is_enough = match self {
            Self::Argon2id {
                memory_kib, passes, ..
            } => {
                let mut least = ARGON2_MINIMA.into_iter();
                least.any(|(memory, count)| memory_kib >= memory && passes >= count)
            }
            Self::Bcrypt { log_rounds } => log_rounds >= 10,
            Self::Scrypt {
                log_n,
                block_size,
                parallelism,
            } => {
                let mut least = SCRYPT_MINIMA.into_iter();
                block_size >= 8 && least.any(|(n, count)| log_n >= n && parallelism >= count)
            }
            Self::Pbkdf2Sha256 { iterations } => iterations >= 600_000,
            Self::Pbkdf2Sha512 { iterations } => iterations >= 210_000,
        };
        if is_enough {
            Ok(())
        } else {
            Err(ConfigError::new("cost", "is less than OWASP's minimum"))
        }
    }
}

const GIB_IN_KIB: u32 = 1024 * 1024;
/// A block of scrypt has 128 bytes.
const GIB_IN_BLOCKS: u64 = 1024 * 1024 * 1024 / 128;
/// Memory in KiB and minimum number of passes, of equal strength.
const ARGON2_MINIMA: [(u32, u32); 5] = [
    (47_104, 1),
    (19_456, 2),
    (12_288, 3),
    (9_216, 4),
    (7_168, 5),
];
/// The logarithm of `N` and minimum `p`, of equal strength.
const SCRYPT_MINIMA: [(u32, u32); 5] = [(17, 1), (16, 2), (15, 3), (14, 5), (13, 10)];
