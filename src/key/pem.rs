//! Finds and decodes the only key in a PEM text (RFC 7468).

use pem_rfc7468::Decoder;
use zeroize::Zeroizing;

use crate::{error::ConfigError, key::der::Encoding};

/// A decoded block. The bytes are wiped on drop.
pub(crate) struct Block {
    pub(super) encoding: Encoding,
    pub(crate) der: Zeroizing<Vec<u8>>,
}

/// Decodes the only key of `text`.
///
/// Text before and after the key is skipped (RFC 7468 section 2), and so are the curve parameters
/// that `openssl ecparam -genkey` writes before a key: they only repeat what the key contains.
pub(crate) fn read(text: &[u8]) -> Result<Block, ConfigError> {
    let setting = setting(text);
    let refuse = |reason: &'static str| Err(ConfigError::new(setting, reason));
    let mut blocks = blocks(text).filter(|(label, _)| *label != b"EC PARAMETERS");
    let Some((label, block)) = blocks.next() else {
        return refuse("there is no complete PEM block in it");
    };
    if blocks.next().is_some() {
        return refuse("there is more than one PEM block in it; keep only the key");
    }
    let encoding = match label {
        b"PRIVATE KEY" => Encoding::Pkcs8,
        b"PUBLIC KEY" => Encoding::Spki,
        b"RSA PRIVATE KEY" => Encoding::Pkcs1Private,
        b"RSA PUBLIC KEY" => Encoding::Pkcs1Public,
        b"EC PRIVATE KEY" => Encoding::Sec1,
        b"ENCRYPTED PRIVATE KEY" => Encoding::EncryptedPkcs8,
        b"CERTIFICATE" | b"X509 CERTIFICATE" | b"TRUSTED CERTIFICATE" => Encoding::Certificate,
        b"OPENSSH PRIVATE KEY" => {
            return refuse(
                "it is in OpenSSH's own format; convert it with `ssh-keygen -p -m PKCS8`",
            );
        }
        _ => return refuse("the PEM label is not that of a key"),
    };
    // The legacy encryption of PEM, older than PKCS#8, uses headers that RFC 7468 does not allow.
    if memchr::memmem::find(block, b"Proc-Type:").is_some() {
        return refuse(ENCRYPTED);
    }
    let mut der = Zeroizing::new(Vec::with_capacity(block.len()));
    Decoder::new_detect_wrap(block)
        .and_then(|mut decoder| decoder.decode_to_end(&mut der).map(|_| ()))
        .map_err(|error| {
            ConfigError::new(setting, "the PEM block is malformed").with_source(error)
        })?;
    Ok(Block { encoding, der })
}

/// Returns the setting that an error in this text is about, as far as it can be determined.
fn setting(text: &[u8]) -> &'static str {
    if memchr::memmem::find(text, b"PRIVATE").is_some() {
        "private_key"
    } else {
        "public_key"
    }
}

/// Iterates over the complete blocks as label and text, including the boundaries.
fn blocks(text: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let begin = at + memchr::memmem::find(&text[at..], BEGIN)?;
            at = begin + BEGIN.len();
            if begin > 0 && !matches!(text[begin - 1], b'\n' | b'\r') {
                continue;
            }
            let label = &text[at..at + memchr::memmem::find(&text[at..], DASHES)?];
            let end = [b"-----END ", label, DASHES].concat();
            if let Some(found) = memchr::memmem::find(&text[at..], &end) {
                at += found + end.len();
                return Some((label, &text[begin..at]));
            }
        }
    })
}

/// The error for a key that is encrypted with a password.
pub(crate) const ENCRYPTED: &str = "the private key is encrypted; decrypt it with `openssl pkcs8 -in key.pem -out plain.pem` and protect the file instead";

const BEGIN: &[u8] = b"-----BEGIN ";
const DASHES: &[u8] = b"-----";
