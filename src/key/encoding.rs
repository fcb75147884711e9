//! Base64url, and thumbprints of JSON Web Keys (RFC 7638).

use aws_lc_rs::digest;
use base64_simd::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

/// Computes the SHA-256 thumbprint of RFC 7638. `members` are the required members, sorted by name.
pub(crate) fn thumbprint(members: &[(&'static str, &str)]) -> String {
    let mut hash = digest::Context::new(&digest::SHA256);
    for (index, (name, value)) in members.iter().enumerate() {
        let open = if index == 0 { "{\"" } else { ",\"" };
        for piece in [open, name, "\":\"", value, "\""] {
            hash.update(piece.as_bytes());
        }
    }
    hash.update(b"}");
    encode(hash.finish().as_ref())
}

/// Encodes as base64url without padding (RFC 7515 section 2).
pub(crate) fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode_to_string(bytes)
}

pub(crate) fn decode(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    URL_SAFE_NO_PAD.decode_to_vec(text).ok().map(Zeroizing::new)
}
