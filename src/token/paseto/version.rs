//! The versions and purposes of the protocol, as types that distinguish keys.

use crate::error::IssueError;

/// Version 2: XChaCha20-Poly1305 and Ed25519. Superseded by version 4; supported for the tokens of
/// older systems.
#[derive(Debug)]
#[non_exhaustive]
pub struct V2;

/// Version 3, with algorithms of NIST: AES-256-CTR with HMAC-SHA-384, and ECDSA on P-384.
#[derive(Debug)]
#[non_exhaustive]
pub struct V3;

/// Version 4, the recommended one: XChaCha20 with BLAKE2b, and Ed25519.
#[derive(Debug)]
#[non_exhaustive]
pub struct V4;

/// Tokens that are encrypted with a shared key. Any party that can read them can issue them.
#[derive(Debug)]
#[non_exhaustive]
pub struct Local;

/// Tokens that are signed with a key pair. Anybody can read them.
#[derive(Debug)]
#[non_exhaustive]
pub struct Public;

/// A purpose in version `V`: [`Local`] and [`Public`], in each of [`V2`], [`V3`] and [`V4`].
pub trait Purpose<V>: sealed::Cipher<V> {}

impl<V, P: sealed::Cipher<V>> Purpose<V> for P {}

/// A version with implicit assertions: [`V3`] and [`V4`].
pub trait ImplicitAssertions: sealed::SealedVersion {}

impl ImplicitAssertions for V3 {}
impl ImplicitAssertions for V4 {}

pub(super) mod sealed {
    use super::{IssueError, V3, V4};

    #[expect(
        unnameable_types,
        reason = "it seals a public trait, and must not be nameable"
    )]
    pub trait SealedVersion {}

    impl SealedVersion for V3 {}
    impl SealedVersion for V4 {}

    /// The operations of one version for one purpose.
    #[expect(
        unnameable_types,
        reason = "it seals a public trait, and must not be nameable"
    )]
    pub trait Cipher<V>: Sized + 'static {
        /// The beginning of its tokens.
        const HEADER: &'static str;
        /// The number of the version.
        const VERSION: u8;
        /// The parsed key.
        type Material: Send + Sync + 'static;

        /// Encrypts or signs `payload`, and returns the token.
        fn seal(
            material: &Self::Material,
            payload: &[u8],
            footer: &[u8],
            assertion: &[u8],
        ) -> Result<String, IssueError>;

        /// Returns the payload of a token that was made with the key. `footer` is that of the
        /// token.
        fn open(
            material: &Self::Material,
            token: &str,
            footer: &[u8],
            assertion: &[u8],
        ) -> Option<Vec<u8>>;
    }

    /// Parses a shared key.
    #[expect(
        unnameable_types,
        reason = "it seals a public trait, and must not be nameable"
    )]
    pub trait SharedKey<V>: Cipher<V> {
        fn material(key: &[u8; super::LOCAL_KEY_BYTES]) -> Option<Self::Material>;
    }

    /// Parses the halves of a key pair.
    #[expect(
        unnameable_types,
        reason = "it seals a public trait, and must not be nameable"
    )]
    pub trait KeyPair<V>: Cipher<V> {
        /// Generates a private half.
        fn generate() -> Option<zeroize::Zeroizing<Vec<u8>>>;

        /// Returns both halves from the private one, and the bytes of the public one.
        fn from_secret(secret: &[u8]) -> Option<(Self::Material, Vec<u8>)>;

        fn from_public(public: &[u8]) -> Option<Self::Material>;

        fn can_sign(material: &Self::Material) -> bool;
    }
}

/// The same in every version.
pub(super) const LOCAL_KEY_BYTES: usize = 32;
