//! The versions that pasetors implements. Version 3 encryption, which it lacks, is in
//! [`v3_local`](super::v3_local).

use aws_lc_rs::signature::Ed25519KeyPair;
use pasetors::{
    keys::{AsymmetricKeyPair, AsymmetricPublicKey, AsymmetricSecretKey, Generate, SymmetricKey},
    token::{Local as LocalMark, Public as PublicMark, UntrustedToken},
    version2, version3, version4,
};
use zeroize::Zeroizing;

use super::version::{
    LOCAL_KEY_BYTES, Local, Public, V2, V3, V4,
    sealed::{Cipher, KeyPair, SharedKey},
};
use crate::{error::IssueError, key::low_order::is_of_low_order};

/// A key pair, or only its public half.
#[expect(
    unnameable_types,
    reason = "it is an associated type of a sealed trait"
)]
#[allow(missing_debug_implementations, reason = "it contains a private key")]
pub struct Halves<V> {
    public: AsymmetricPublicKey<V>,
    secret: Option<AsymmetricSecretKey<V>>,
}

/// Implements encryption with a shared key. The arguments after `|assertion|` are passed on:
/// version 2 has none.
macro_rules! local {
    ($V:ident, $number:literal, $header:literal, $version:ident, |$assertion:ident| ($($argument:expr)?)) => {
        impl Cipher<$V> for Local {
            const HEADER: &'static str = $header;
            const VERSION: u8 = $number;
            type Material = SymmetricKey<$version::$V>;

            fn seal(
                key: &Self::Material,
                payload: &[u8],
                footer: &[u8],
                $assertion: &[u8],
            ) -> Result<String, IssueError> {
                $version::LocalToken::encrypt(key, payload, Some(footer) $(, $argument)?)
                    .map_err(|_| IssueError::Crypto)
            }

            fn open(
                key: &Self::Material,
                token: &str,
                _: &[u8],
                $assertion: &[u8],
            ) -> Option<Vec<u8>> {
                let token = UntrustedToken::<LocalMark, $version::$V>::try_from(token).ok()?;
                let opened = $version::LocalToken::decrypt(key, &token, None $(, $argument)?);
                Some(opened.ok()?.payload().as_bytes().to_vec())
            }
        }

        impl SharedKey<$V> for Local {
            fn material(key: &[u8; LOCAL_KEY_BYTES]) -> Option<Self::Material> {
                SymmetricKey::from(key).ok()
            }
        }
    };
}

/// Implements signatures with a key pair, whose halves are checked by `$public` and `$secret`.
macro_rules! public {
    (
        $V:ident, $number:literal, $header:literal, $version:ident, |$assertion:ident| ($($argument:expr)?);
        $public:expr; $secret:expr
    ) => {
        impl Cipher<$V> for Public {
            const HEADER: &'static str = $header;
            const VERSION: u8 = $number;
            type Material = Halves<$version::$V>;

            fn seal(
                halves: &Self::Material,
                payload: &[u8],
                footer: &[u8],
                $assertion: &[u8],
            ) -> Result<String, IssueError> {
                let key = halves.secret.as_ref().ok_or(IssueError::NoSigningKey)?;
                $version::PublicToken::sign(key, payload, Some(footer) $(, $argument)?)
                    .map_err(|_| IssueError::Crypto)
            }

            fn open(
                halves: &Self::Material,
                token: &str,
                _: &[u8],
                $assertion: &[u8],
            ) -> Option<Vec<u8>> {
                let token = UntrustedToken::<PublicMark, $version::$V>::try_from(token).ok()?;
                let key = &halves.public;
                let verified = $version::PublicToken::verify(key, &token, None $(, $argument)?);
                Some(verified.ok()?.payload().as_bytes().to_vec())
            }
        }

        impl KeyPair<$V> for Public {
            fn generate() -> Option<Zeroizing<Vec<u8>>> {
                let pair = AsymmetricKeyPair::<$version::$V>::generate().ok()?;
                Some(Zeroizing::new(pair.secret.as_bytes().to_vec()))
            }

            fn from_secret(bytes: &[u8]) -> Option<(Self::Material, Vec<u8>)> {
                let secret: Private<$version::$V> = $secret(bytes)?;
                let public = match &secret {
                    Private::Usable(key) => AsymmetricPublicKey::try_from(key).ok()?,
                    Private::Zero(public) => AsymmetricPublicKey::from(public).ok()?,
                };
                let bytes = public.as_bytes().to_vec();
                let secret = match secret {
                    Private::Usable(key) => Some(key),
                    Private::Zero(_) => None,
                };
                Some((Halves { public, secret }, bytes))
            }

            fn from_public(bytes: &[u8]) -> Option<Self::Material> {
                let public = AsymmetricPublicKey::from(bytes).ok()?;
                $public(&public).then_some(Halves { public, secret: None })
            }

            fn can_sign(halves: &Self::Material) -> bool {
                halves.secret.is_some()
            }
        }
    };
}

/// The private half of a key pair.
enum Private<V> {
    Usable(AsymmetricSecretKey<V>),
    /// A seed of zeros, which is a key in the PASERK vectors and makes pasetors panic: it cannot
    /// sign.
    Zero(Vec<u8>),
}

/// Reads an Ed25519 seed with its public key, which must match.
macro_rules! ed25519 {
    () => {
        |bytes: &[u8]| {
            let (seed, public) = bytes.split_at_checked(SEED_BYTES)?;
            if !is_usable(public) {
                return None;
            }
            if seed.iter().all(|byte| *byte == 0) {
                Ed25519KeyPair::from_seed_and_public_key(seed, public).ok()?;
                return Some(Private::Zero(public.to_vec()));
            }
            Some(Private::Usable(AsymmetricSecretKey::from(bytes).ok()?))
        }
    };
}

local!(V4, 4, "v4.local.", version4, |assertion| (Some(assertion)));
public!(V4, 4, "v4.public.", version4, |assertion| (Some(assertion)); |key: &AsymmetricPublicKey<version4::V4>| is_usable(key.as_bytes()); ed25519!());

public!(
    V3, 3, "v3.public.", version3, |assertion| (Some(assertion));
    |key: &AsymmetricPublicKey<version3::V3>| version3::UncompressedPublicKey::try_from(key).is_ok();
    |bytes: &[u8]| Some(Private::Usable(AsymmetricSecretKey::from(bytes).ok()?))
);

local!(V2, 2, "v2.local.", version2, |_assertion| ());
public!(V2, 2, "v2.public.", version2, |_assertion| (); |key: &AsymmetricPublicKey<version2::V2>| is_usable(key.as_bytes()); ed25519!());

/// Returns whether these bytes may be a public key. With a point of low order, anybody can sign.
fn is_usable(public: &[u8]) -> bool {
    public
        .try_into()
        .is_ok_and(|public| !is_of_low_order(public))
}

const SEED_BYTES: usize = 32;
