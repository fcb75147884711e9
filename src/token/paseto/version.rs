//! The versions and purposes of the protocol, as types that keep keys apart.

use crate::error::IssueError;

/// Version 2: XChaCha20-Poly1305 and Ed25519. It is superseded by version 4, and here for the tokens of older systems.
#[derive(Debug)]
#[non_exhaustive]
pub struct V2;

/// Version 3, of NIST's algorithms: AES-256-CTR with HMAC-SHA-384, and ECDSA on P-384.
#[derive(Debug)]
#[non_exhaustive]
pub struct V3;

/// Version 4: XChaCha20 with BLAKE2b, and Ed25519. The one to choose.
#[derive(Debug)]
#[non_exhaustive]
pub struct V4;

/// Tokens that are encrypted with a shared key. Whoever reads them can make them.
#[derive(Debug)]
#[non_exhaustive]
pub struct Local;

/// Tokens that are signed with a key pair, and that everybody can read.
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
        reason = "a trait that seals another is not to be named"
    )]
    pub trait SealedVersion {}

    impl SealedVersion for V3 {}
    impl SealedVersion for V4 {}

    /// What one version does for one purpose.
    #[expect(
        unnameable_types,
        reason = "a trait that seals another is not to be named"
    )]
    pub trait Cipher<V>: Sized + 'static {
        /// What its tokens begin with.
        const HEADER: &'static str;
        /// The number of the version.
        const VERSION: u8;
        /// A key as the library takes it.
        type Material: Send + Sync + 'static;

        /// The token for `payload`.
        fn seal(
            material: &Self::Material,
            payload: &[u8],
            footer: &[u8],
            assertion: &[u8],
        ) -> Result<String, IssueError>;

        /// The payload of a token, if it was made with the key. `footer` is the token's own.
        fn open(
            material: &Self::Material,
            token: &str,
            footer: &[u8],
            assertion: &[u8],
        ) -> Option<Vec<u8>>;
    }

    /// How a shared key is read.
    #[expect(
        unnameable_types,
        reason = "a trait that seals another is not to be named"
    )]
    pub trait SharedKey<V>: Cipher<V> {
        fn material(key: &[u8; super::LOCAL_KEY_BYTES]) -> Option<Self::Material>;
    }

    /// How the halves of a key pair are read.
    #[expect(
        unnameable_types,
        reason = "a trait that seals another is not to be named"
    )]
    pub trait KeyPair<V>: Cipher<V> {
        /// A new private half.
        fn generate() -> Option<zeroize::Zeroizing<Vec<u8>>>;

        /// Both halves from the private one, with the public one's bytes.
        fn from_secret(secret: &[u8]) -> Option<(Self::Material, Vec<u8>)>;

        fn from_public(public: &[u8]) -> Option<Self::Material>;

        fn can_sign(material: &Self::Material) -> bool;
    }
}

/// In every version.
pub(super) const LOCAL_KEY_BYTES: usize = 32;
