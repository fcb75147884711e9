//! The keys of the library, by algorithm, and how they protect a content key.

use aws_lc_rs::{
    agreement,
    key_wrap::{AES_256, AesKek, KeyWrap},
    rsa::{OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, OaepPublicEncryptingKey},
};
use zeroize::Zeroizing;

use super::{
    agree::{Point, agree, agree_ephemeral},
    content::{ContentKey, WrappedKey, exact, random_content_key},
    header::JweHeader,
};
use crate::error::IssueError;

pub(super) enum JweMaterial {
    Rsa(OaepPublicEncryptingKey, Option<OaepPrivateDecryptingKey>),
    Ec(Point, Option<agreement::PrivateKey>),
    Shared(ContentKey),
}

impl JweMaterial {
    pub(super) fn can_decrypt(&self) -> bool {
        match self {
            Self::Rsa(_, private) => private.is_some(),
            Self::Ec(_, private) => private.is_some(),
            Self::Shared(_) => true,
        }
    }

    /// Creates a content key that the holder of this key can recover.
    pub(super) fn wrap_content_key(&self) -> Result<WrappedKey, IssueError> {
        match self {
            Self::Rsa(public, _) => {
                let content = random_content_key();
                let mut encrypted = vec![0; public.ciphertext_size()];
                let written = public
                    .encrypt(&OAEP_SHA256_MGF1SHA256, &*content, &mut encrypted, None)
                    .map_err(|_| IssueError::Crypto)?
                    .len();
                encrypted.truncate(written);
                Ok(WrappedKey::new(content, encrypted))
            }
            Self::Shared(secret) => {
                let content = random_content_key();
                let mut encrypted = vec![0; content.len() + WRAP_BYTES];
                AesKek::new(&AES_256, secret.as_slice())
                    .and_then(|kek| kek.wrap(&*content, &mut encrypted).map(drop))
                    .map_err(|_| IssueError::Crypto)?;
                Ok(WrappedKey::new(content, encrypted))
            }
            Self::Ec(point, _) => agree_ephemeral(point).ok_or(IssueError::Crypto),
        }
    }

    /// Recovers the content key. Returns `None` for every failure, so that the reason stays hidden
    /// (RFC 7516 section 11.5).
    pub(super) fn unwrap_content_key(
        &self,
        header: &JweHeader<'_>,
        encrypted: &[u8],
    ) -> Option<ContentKey> {
        match self {
            Self::Rsa(_, private) => {
                let private = private.as_ref()?;
                let mut buffer = Zeroizing::new(vec![0; private.min_output_size()]);
                let key = private.decrypt(&OAEP_SHA256_MGF1SHA256, encrypted, &mut buffer, None);
                exact(key.ok()?)
            }
            Self::Shared(secret) => {
                let mut buffer = Zeroizing::new(vec![0; encrypted.len()]);
                let kek = AesKek::new(&AES_256, secret.as_slice()).ok()?;
                exact(kek.unwrap(encrypted, &mut buffer).ok()?)
            }
            Self::Ec(own, private) => {
                // With direct agreement there is no encrypted key (RFC 7516 section 5.2, step 10).
                if !encrypted.is_empty() {
                    return None;
                }
                let point = header.epk.as_ref()?.point()?;
                if point.curve != own.curve {
                    return None;
                }
                agree(private.as_ref()?, &point, &header.parties)
            }
        }
    }
}

/// The overhead of AES Key Wrap (RFC 3394 section 2.2.1).
const WRAP_BYTES: usize = 8;
