//! Keys as text, and the ids of keys (PASERK).

use aws_lc_rs::digest;
use base64_simd::URL_SAFE_NO_PAD;
use orion::hazardous::hash::blake2::blake2b::Blake2b;
use zeroize::Zeroizing;

/// Encodes a key of this version and type.
pub(super) fn encode(version: u8, kind: &str, key: &[u8]) -> String {
    let mut text = format!("k{version}.{kind}.");
    // Reserved at once, so that growing leaves no copy of a secret behind.
    text.reserve_exact(key.len().div_ceil(3) * 4);
    URL_SAFE_NO_PAD.encode_append(key, &mut text);
    text
}

/// Decodes a key of this version and type; returns `None` for any other text.
pub(super) fn decode(version: u8, kind: &str, text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let text = text
        .strip_prefix('k')?
        .strip_prefix(&*version.to_string())?;
    let text = text.strip_prefix('.')?.strip_prefix(kind)?;
    let key = URL_SAFE_NO_PAD.decode_to_vec(text.strip_prefix('.')?);
    key.ok().map(Zeroizing::new)
}

/// Returns the id of a key: a hash of its text, which reveals nothing of the key
/// (operations/ID.md).
pub(super) fn id(version: u8, kind: &str, paserk: &str) -> String {
    let header = format!("k{version}.{kind}.");
    let hash = match version {
        3 => sha384([header.as_bytes(), paserk.as_bytes()]),
        _ => blake2b([header.as_bytes(), paserk.as_bytes()]),
    };
    header + &URL_SAFE_NO_PAD.encode_to_string(hash)
}

fn sha384(parts: [&[u8]; 2]) -> [u8; ID_BYTES] {
    let mut hash = digest::Context::new(&digest::SHA384);
    parts.iter().for_each(|part| hash.update(part));
    let hash = hash.finish();
    let (start, _) = hash
        .as_ref()
        .split_first_chunk()
        .expect("SHA-384 has 48 bytes");
    *start
}

fn blake2b(parts: [&[u8]; 2]) -> [u8; ID_BYTES] {
    let mut id = [0; ID_BYTES];
    let hash = Blake2b::new(ID_BYTES).and_then(|mut hash| {
        parts.iter().try_for_each(|part| hash.update(part))?;
        hash.finalize()
    });
    id.copy_from_slice(hash.expect("BLAKE2b has outputs of 33 bytes").as_ref());
    id
}

/// A multiple of three, so that base64 needs no padding.
const ID_BYTES: usize = 33;
